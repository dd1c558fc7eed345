"""The image and the Compose stack, built, used and stopped by a real Docker engine. Skipped, aloud, where there is none."""

import http.client
import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.ports import pick
from tests.compose.conftest import ROOT
from tests.fakes.issuer import SUBJECT, Issuer, bad_tokens

# Where there is no Broker nobody calls dead_letters.
OPERATIONS = sorted({path.parent.name for path in (ROOT / "functions").glob("*/main.py")} - {"dead_letters"})
# What our layers may add to the base. Of it, 18 are what receipts and traces are made with (docs/choices.md).
MEBIBYTES_AT_MOST = 90


def _run(*command: str, timeout: float = 120, **options: Any) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


@pytest.fixture
def container(docker: str) -> Iterator[list[str]]:
    """Names of containers that are removed at the end."""
    names: list[str] = []
    yield names
    for name in names:
        subprocess.run([docker, "rm", "--force", "--volumes", name], capture_output=True, timeout=60)


LOCKED = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")  # noqa: S108 - of the container


def test_our_layers_add_little_to_the_base(docker: str, image: str) -> None:
    [version] = re.findall(r"^ARG PYTHON=(.*)$", (ROOT / "Dockerfile").read_text("utf-8"), re.M)
    base = f"python:{version}-slim"
    sizes = [int(_run(docker, "image", "inspect", "--format", "{{.Size}}", name)) for name in (image, base)]
    assert (sizes[0] - sizes[1]) / 2**20 < MEBIBYTES_AT_MOST


def test_the_image_has_bytecode_and_no_compiler_cache_or_secret(docker: str, image: str) -> None:
    program = """
import pathlib, shutil, sys
sources = [p for root in ("/app", "/venv/lib") for p in pathlib.Path(root).rglob("*.py")]
bare = [str(p) for p in sources if not (p.parent / "__pycache__" / f"{p.stem}.{sys.implementation.cache_tag}.pyc").exists()]
print(len(sources), bare[:3], shutil.which("gcc"), pathlib.Path("/root/.cache").exists(), sys.prefix)
print(sorted(p.name for p in pathlib.Path("/app").iterdir() if p.name != "__pycache__"))
"""
    said = _run(docker, "run", "--rm", *LOCKED, "--user", "0", image, "python", "-c", program)
    first, second = said.splitlines()
    assert first.split(" ", 1)[1] == "[] None False /venv"
    assert int(first.split()[0]) > 500
    assert second == str(["functions", "gunicorn.conf.py", "local", "seed", "shared", "sql"])


def test_every_function_starts_locked_up_and_ends_on_sigterm(docker: str, image: str, container: list[str]) -> None:
    for operation in OPERATIONS:
        name = f"payments-test-{operation}-{uuid.uuid4().hex[:8]}"
        container.append(name)
        chosen = [f"FUNCTION_SOURCE=/app/functions/{operation}/main.py", f"FUNCTION_TARGET={operation}"]
        settings = [word for setting in chosen for word in ("--env", setting)]
        _run(docker, "run", "--detach", "--name", name, *LOCKED, *settings, image)
    for operation, name in zip(OPERATIONS, container, strict=True):
        program = (
            "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=5).status)"
        )
        for _ in range(100):
            answer = subprocess.run(
                [docker, "exec", name, "python", "-c", program], capture_output=True, text=True, timeout=60
            )
            if answer.stdout.strip() == "200":
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"{operation}: {answer.stderr} {_run(docker, 'logs', name)}")
        assert _run(docker, "exec", name, "id", "-u") == "10001"
        first_process = _run(docker, "exec", name, "cat", "/proc/1/cmdline")
        assert "gunicorn" in first_process.split("\0")[1]
    began = time.monotonic()
    _run(docker, "stop", "--time", "30", *container)
    assert time.monotonic() - began < 20, "process 1 does not listen to SIGTERM"
    states = _run(docker, "inspect", "--format", "{{.State.ExitCode}}", *container).split()
    assert set(states) == {"0"}


class Stack:
    """A Compose project of this test's own, on a port of its own."""

    def __init__(self, compose: list[str], folder: Path) -> None:
        self.folder = folder
        self.port = pick(1)[0]
        self.project = f"payments-test-{uuid.uuid4().hex[:8]}"
        self._compose = [*compose, "--project-name", self.project]

    def compose(self, *words: str, timeout: float = 300, **settings: str) -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "SERVICE_PORT": str(self.port), **settings}
        environment |= {name: value for name, value in os.environ.items() if name.startswith("DOCKER_")}
        command = [*self._compose, *words]
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=timeout
        )

    def up(self, **settings: str) -> None:
        done = self.compose("up", "--detach", **settings)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:] + self.compose("logs").stdout[-5000:]

    def ask(
        self, method: str, path: str, body: object = None, key: str = "", token: str = ""
    ) -> tuple[int, dict[str, str], Any]:
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        for _ in range(50):  # the front door is the last to start
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            try:
                connection.request(method, path, None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                text = answer.read().decode()
                names = {name.lower(): value for name, value in answer.getheaders()}
                return answer.status, names, json.loads(text) if "json" in names["content-type"] else text
            except (ConnectionError, http.client.RemoteDisconnected):
                time.sleep(0.2)
            finally:
                connection.close()
        raise AssertionError(self.compose("logs", "front-door").stdout)


def _unnamed_volumes(docker: str, stack: Stack) -> set[str]:
    """What an image declares a volume and Compose does not name: `down` alone leaves these behind."""
    found = stack.compose("ps", "--quiet", "database").stdout.split()
    if not found:
        return set()
    template = "{{range .Mounts}}{{.Name}} {{end}}"
    names = _run(docker, "inspect", "--format", template, *found).split()
    return {name for name in names if not name.startswith(stack.project)}


@pytest.fixture(scope="module")
def stack(docker: str, compose: list[str], image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("compose")
    for name in ("docker-compose.yml", "Dockerfile", ".dockerignore", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, folder / name)
    hidden = shutil.ignore_patterns("__pycache__")
    for name in ("compose", "knative", "functions", "shared", "sql", "seed", "local", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=hidden)
    # The image under test, under a name that no checkout of a developer uses.
    text = (folder / "docker-compose.yml").read_text(encoding="utf-8")
    (folder / "docker-compose.yml").write_text(text.replace("payment-service:compose", image), encoding="utf-8")
    started = Stack(compose, folder)
    unnamed: set[str] = set()
    try:
        started.up()
        unnamed = _unnamed_volumes(docker, started)
        yield started
    finally:
        unnamed |= _unnamed_volumes(docker, started)
        started.compose("down", "--volumes", "--timeout", "20")
        for volume in unnamed:
            subprocess.run([docker, "volume", "rm", volume], capture_output=True, timeout=60)
        left = _run(docker, "ps", "--all", "--quiet", "--filter", f"label=com.docker.compose.project={started.project}")
        assert not left, "containers were left behind"


def test_with_no_env_file_a_payment_goes_through_and_its_event_arrives(stack: Stack) -> None:
    status, _, health = stack.ask("GET", "/health")
    assert (status, health["database_status"]) == (200, "UP")
    request = {"trip_id": 101, "method": "CARD", "amount": 150.00}
    status, headers, payment = stack.ask("POST", "/payments", request, "test-payment-001")
    assert (status, payment["status"], payment["amount"]) == (201, "SUCCESS", 150.0)
    assert payment["payment_id"] > 350
    assert headers["location"] == f"/payments/{payment['payment_id']}"
    status, headers, again = stack.ask("POST", "/payments", request, "test-payment-001")
    assert (status, headers["idempotent-replayed"], again) == (201, "true", payment)
    refund = {"amount": 50.00, "metadata": {"reason": "Customer request"}}
    status, _, made = stack.ask("POST", f"/payments/{payment['payment_id']}/refunds", refund, "test-refund-001")
    assert (status, made["refund_amount"], made["reason"]) == (201, 50.0, "Customer request")
    status, _, fare = stack.ask("POST", "/payments", {"trip_id": 101, "method": "UPI"}, "test-fare-001")
    assert (status, fare["amount"]) == (201, 36.5), "the stand-in Trip Service's trip"
    status, _, totals = stack.ask("GET", "/metrics")
    assert (status, totals["refunds"]["count"]) == (200, 1)
    assert 'payment_total{currency="INR",status="SUCCESS"}' in stack.ask("GET", "/v1/metrics/prometheus")[2]
    assert stack.ask("GET", "/nowhere")[0] == 404
    _sees_the_notification(stack, f"payments/{payment['payment_id']}")


def _sees_the_notification(stack: Stack, subject: str) -> None:
    inbox = "http://127.0.0.1:8083/v1/notifications"
    program = f"import urllib.request as r; print(r.urlopen('{inbox}', timeout=5).read().decode())"
    for _ in range(50):
        seen = stack.compose("exec", "-T", "notification-service", "python", "-c", program).stdout
        if f'"{subject}"' in seen:
            return
        time.sleep(0.2)
    pytest.fail(f"{seen} {stack.compose('logs', 'notify').stdout[-3000:]}")


def test_the_functions_role_may_change_rows_but_not_the_schema(stack: Stack) -> None:
    program = """
import os, psycopg2
connection = psycopg2.connect(host="database", dbname="payments", user=os.environ["DB_USER"], password=os.environ["DB_PASS"])
cursor = connection.cursor()
cursor.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user")
print(cursor.fetchone(), os.environ["DB_USER"])
try:
    cursor.execute("CREATE TABLE intruder ()")
except psycopg2.errors.InsufficientPrivilege:
    print("refused")
"""
    command = ("exec", "-T", "sweep", "sh", "/compose/with-password.sh", "python", "-c", program)
    assert stack.compose(*command).stdout.splitlines() == ["(False, False) payment_app", "refused"]


def test_stopping_and_starting_keeps_the_payments_and_the_passwords(stack: Stack) -> None:
    before = stack.ask("GET", "/payments?limit=5")[2]
    assert stack.compose("down", "--timeout", "30").returncode == 0
    stack.up()
    assert stack.ask("GET", "/payments?limit=5")[2] == before


def test_a_password_that_the_database_was_not_made_with_is_refused_in_one_line(stack: Stack) -> None:
    done = stack.compose("run", "--rm", "-T", "passwords", DB_APP_PASSWORD="another")
    assert done.returncode != 0
    assert "The password of app in .env is not the one the database was made with" in done.stdout + done.stderr


def test_where_issuers_are_named_only_their_tokens_enter(stack: Stack) -> None:
    with Issuer() as issuer:
        issuer.write(stack.folder / "compose" / "jwks.json")
        named = json.dumps([{"issuer": issuer.url, "keys": "/compose/jwks.json"}])
        stack.up(AUTH_ISSUERS=named, AUTH_SUBJECTS=json.dumps({SUBJECT: "payments:read"}))
        for _ in range(50):  # a container that is made anew has another address
            asked = [stack.ask("GET", path, token=issuer.token())[0] for path in ("/health", "/payments?limit=1")]
            if asked == [200, 200]:
                break
            time.sleep(0.2)
        else:
            pytest.fail(stack.compose("logs", "front-door", "front-door-access", "get-payment").stdout[-5000:])
        status, _, problem = stack.ask("POST", "/payments", {"trip_id": 101}, "refused-001", issuer.token())
        assert (status, problem["code"]) == (403, "insufficient_scope"), "the function's decision"
        bad = ["", *bad_tokens(issuer).values()]
        assert {stack.ask("GET", "/payments?limit=1", token=token)[0] for token in bad} == {401}
    refused = _lines_of(stack, "front-door", '"status":401', len(bad))
    assert len(refused) == len(bad), refused
    assert all('"details":"lua_response"' in line for line in refused), "no function was asked"


def _lines_of(stack: Stack, service: str, words: str, wanted: int) -> list[str]:
    """Envoy writes its log every ten seconds."""
    for _ in range(100):
        said = stack.compose("logs", "--no-color", service).stdout.splitlines()
        found = [line for line in said if words in line]
        if len(found) >= wanted:
            break
        time.sleep(0.2)
    return found
