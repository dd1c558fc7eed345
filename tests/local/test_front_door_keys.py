"""The keys of issuers at the real Envoy: wherever they are, also when nobody gives them, and when they change."""

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from local import front_door_access
from local.front_door import ACCESS
from local.front_door_access import TOKENS, Access
from local.place import CHECKOUT
from shared.platform.settings import Settings
from tests.fakes.issuer import Issuer, bad_tokens, public_jwk
from tests.local.doors import Door, Function, functions, running

KINDS = ("file", "url", "discovery")
# Whoever signs with a key of his own, or with none that is known, is told from others only by who knows the keys.
NEEDS_KEYS = {"a wrong key", "HS256 with the public key"}


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def behind() -> Iterator[dict[str, Function]]:
    with functions() as behind:
        yield behind


def settings_for(issuer: Issuer, kind: str, folder: Path) -> Settings:
    keys = {"file": {"keys": str(folder / "keys" / "jwks.json")}, "url": {"keys": f"{issuer.url}/openid/v1/jwks"}}
    return Settings.read({"AUTH_ISSUERS": json.dumps([{"issuer": issuer.url, **keys.get(kind, {})}])})


def publish(issuer: Issuer, folder: Path) -> None:
    """The keys into a file as a ConfigMap's is: it stands below a link that is moved."""
    version = Path(tempfile.mkdtemp(dir=folder))
    issuer.write(version / "jwks.json")
    (folder / "moved").symlink_to(version)
    (folder / "moved").replace(folder / "keys")


def status(door: Door, token: str) -> int:
    return door.ask("GET", "/payments", Authorization=f"Bearer {token}").status


def becomes(door: Door, token: str, wanted: int) -> None:
    """Envoy reads what is written when it hears of it."""
    deadline = time.monotonic() + 10
    while status(door, token) != wanted:
        assert time.monotonic() < deadline, door.log.read_text()
        time.sleep(0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_wherever_the_keys_are(tmp_path: Path, issuer: Issuer, behind: dict[str, Function], kind: str) -> None:
    publish(issuer, tmp_path)
    with running(tmp_path, behind, settings=settings_for(issuer, kind, tmp_path)) as door:
        assert status(door, issuer.token()) == 200
        before = door.passed
        for token in bad_tokens(issuer).values():
            assert status(door, token) == 401
        assert door.passed == before
    assert bool(issuer.asked) == (kind != "file")


@pytest.mark.parametrize("kind", KINDS)
def test_while_keys_are_not_known_the_function_decides_and_then_the_front_door(
    tmp_path: Path, issuer: Issuer, behind: dict[str, Function], kind: str
) -> None:
    issuer.status = 503  # and the file is not there yet
    settings = settings_for(issuer, kind, tmp_path)
    with running(tmp_path, behind, settings=settings) as door:
        assert status(door, issuer.token()) == 200
        before = door.passed
        for fault, token in bad_tokens(issuer).items():
            assert status(door, token) == (200 if fault in NEEDS_KEYS else 401), fault
        assert door.passed == before + len(NEEDS_KEYS)
        assert door.ask("GET", "/payments").status == 401
        issuer.status = 200
        publish(issuer, tmp_path)
        Access(tmp_path / ACCESS, settings).write()
        for fault in NEEDS_KEYS:
            becomes(door, bad_tokens(issuer)[fault], 401)
        assert status(door, issuer.token()) == 200


@pytest.mark.parametrize("kind", KINDS)
def test_keys_that_change_are_known_when_they_are_asked_for_again(
    tmp_path: Path, issuer: Issuer, behind: dict[str, Function], kind: str
) -> None:
    publish(issuer, tmp_path)
    settings = settings_for(issuer, kind, tmp_path)
    with running(tmp_path, behind, settings=settings) as door:
        before = issuer.token()
        issuer.names = ["second"]
        assert (status(door, before), status(door, issuer.token())) == (200, 401)
        publish(issuer, tmp_path)
        Access(tmp_path / ACCESS, settings).write()
        becomes(door, issuer.token(), 200)
        assert status(door, before) == 401


@pytest.mark.parametrize("kind", KINDS)
def test_the_keys_stay_while_nobody_gives_them(
    tmp_path: Path, issuer: Issuer, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    publish(issuer, tmp_path)
    access = Access(tmp_path / ACCESS, settings_for(issuer, kind, tmp_path))
    access.write()
    written = (tmp_path / ACCESS / TOKENS).stat().st_mtime_ns
    issuer.status = 503
    (tmp_path / "keys" / "jwks.json").write_text("not JSON")
    access.write()
    assert (tmp_path / ACCESS / TOKENS).stat().st_mtime_ns == written
    issuer.status = 200
    issuer.names = []
    publish(issuer, tmp_path)
    access.write()
    assert (tmp_path / ACCESS / TOKENS).stat().st_mtime_ns == written
    assert caplog.messages == ["an issuer gives no keys"] * 2


def test_only_keys_that_the_functions_use_are_used(tmp_path: Path, behind: dict[str, Function]) -> None:
    with (
        Issuer("short", "first") as issuer,
        running(tmp_path, behind, settings=settings_for(issuer, "url", tmp_path)) as door,
    ):
        assert status(door, issuer.token(key="first")) == 200
        with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
            short = issuer.token(key="short")
        assert status(door, short) == 401


@pytest.mark.parametrize(
    "odd",
    [{"note": float("nan")}, {"note": "\ud800"}, {"kid": "\ud800"}, {"note": 10**400}, {"kid": None, "key_ops": None}],
    ids=ascii,
)
def test_one_odd_key_closes_the_door_to_nobody(
    tmp_path: Path, issuer: Issuer, behind: dict[str, Function], odd: dict[str, Any]
) -> None:
    """Nor to the callers of other issuers."""
    (tmp_path / "keys").mkdir()
    keys = {"keys": [public_jwk("RS256", "odd", **odd), *issuer.jwks["keys"]]}
    (tmp_path / "keys" / "jwks.json").write_text(json.dumps(keys))
    with running(tmp_path, behind, settings=settings_for(issuer, "file", tmp_path)) as door:
        assert status(door, issuer.token()) == 200
        assert status(door, "garbage") == 401


def test_a_slow_issuer_holds_no_start_up(tmp_path: Path, issuer: Issuer) -> None:
    issuer.delay = 30
    began = time.monotonic()
    Access(tmp_path / ACCESS, settings_for(issuer, "url", tmp_path)).write()
    assert time.monotonic() - began < 4
    assert (tmp_path / ACCESS / TOKENS).exists()


def test_keys_are_looked_at_again_and_again(
    tmp_path: Path, issuer: Issuer, behind: dict[str, Function], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_door_access, "INTERVAL", 0.05)
    settings = settings_for(issuer, "discovery", tmp_path)
    stopped = threading.Event()
    with running(tmp_path, behind, settings=settings) as door:
        keeping = threading.Thread(target=Access(tmp_path / ACCESS, settings).keep, args=(stopped,))
        keeping.start()
        try:
            for name in ("second", "third"):
                issuer.names = [name]
                becomes(door, issuer.token(), 200)
        finally:
            stopped.set()
            keeping.join(10)


def test_a_running_front_door_follows_the_settings_that_are_written(
    tmp_path: Path, issuer: Issuer, behind: dict[str, Function]
) -> None:
    with running(tmp_path, behind) as door:
        assert door.ask("GET", "/payments").status == 200
        Access(tmp_path / ACCESS, settings_for(issuer, "url", tmp_path)).write()
        becomes(door, "garbage", 401)
        becomes(door, issuer.token(), 200)
        Access(tmp_path / ACCESS, Settings.read({})).write()
        becomes(door, "garbage", 200)


@pytest.mark.parametrize("issuers", ["", '[{"issuer": "https://id.example", "keys": "/nowhere"}]'])
def test_the_program_writes_and_with_keep_goes_on_until_it_is_told_to_end(tmp_path: Path, issuers: str) -> None:
    command = [sys.executable, "-m", "local.front_door_access", str(tmp_path / ACCESS)]
    environment = {"AUTH_ISSUERS": issuers}
    assert subprocess.run(command, cwd=CHECKOUT, env=environment, timeout=30, check=False).returncode == 0
    assert json.loads((tmp_path / ACCESS / TOKENS).read_text())["resources"]
    (tmp_path / ACCESS / TOKENS).unlink()
    with subprocess.Popen([*command, "--keep"], cwd=CHECKOUT, env=environment) as keeping:
        deadline = time.monotonic() + 20
        while not (tmp_path / ACCESS / TOKENS).exists():
            assert keeping.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        keeping.send_signal(signal.SIGTERM)
        assert keeping.wait(10) == 0


def test_a_wrong_setting_ends_it_with_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "local.front_door_access", str(tmp_path / ACCESS)]
    ended = subprocess.run(
        command, cwd=CHECKOUT, env={"AUTH_ISSUERS": "x"}, timeout=30, check=False, capture_output=True, text=True
    )
    assert ended.returncode != 0
    assert ended.stderr.startswith("payment-service cannot start: AUTH_ISSUERS must be")
    assert ended.stderr.count("\n") == 1
