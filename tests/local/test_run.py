"""`make run` in a copy of the checkout: real processes, ended and killed in every way."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from local.ending import kill
from local.postgres import Postgres
from local.system import FUNCTIONS
from tests.local.checkouts import Copy, await_that


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    with Copy.below("checkout ") as copied:
        yield copied


def test_starts_serves_starts_again_what_dies_and_after_a_kill_of_everything_has_its_rows_and_names_what_cannot_start(
    copy: Copy,
) -> None:
    running = copy.run().up()
    assert copy.get("/health")["status"] == "UP"
    assert f"http://localhost:{copy.port}" in running.output
    assert running.output.count("\n  curl ") == 3

    second = copy.run()
    assert second.wait() == 1
    assert len(second.lines) == 1

    of_payments = copy.processes("get_payment")
    assert of_payments
    kill(of_payments)
    assert copy.get("/payments/1")["payment_id"] == 1

    body = json.dumps({"trip_id": 101, "method": "CASH", "amount": 150.00}).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": "test-payment-001"}
    request = urllib.request.Request(f"http://127.0.0.1:{copy.port}/payments", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        payment = json.loads(answer.read())

    os.kill(running.process.pid, signal.SIGKILL)
    kill(copy.processes())
    running.wait()
    assert (copy.folder / ".data" / "postgres" / "postmaster.pid").exists()

    again = copy.run().up()
    assert copy.get(f"/payments/{payment['payment_id']}")["amount"] == 150.0

    with copy.broken("metrics"):
        kill(copy.processes("metrics"))
        await_that(lambda: "gave up: metrics entered FATAL" in copy.supervision())
    # Whatever kept dying is started again as soon as it can live.
    await_that(lambda: copy.processes("metrics") != [])
    assert copy.get("/metrics")["currency"] == "INR"

    # When only the runner is killed, all ends or the next start ends it. This one cannot start a function.
    os.kill(again.process.pid, signal.SIGKILL)
    again.wait()
    with copy.broken("metrics"):
        refused = copy.run()
        assert refused.wait() == 1
    assert "metrics does not start" in refused.lines[-1]
    assert copy.processes() == []


def test_keys_of_callers_that_are_not_where_they_should_be_are_one_line_at_once(copy: Copy) -> None:
    issuer = {"issuer": "https://id.example.com", "keys": "/nowhere/jwks.json"}
    refused = copy.run(AUTH_ISSUERS=json.dumps([issuer]))
    assert refused.wait() == 1
    (line,) = refused.lines
    assert "no keys of https://id.example.com: /nowhere/jwks.json: No such file or directory" in line


def test_a_taken_port_is_one_line(copy: Copy) -> None:
    server = [sys.executable, "-m", "http.server", str(copy.port), "--bind", "127.0.0.1"]
    with subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as taken:
        await_that(lambda: _answers(copy.port))
        refused = copy.run()
        assert refused.wait() == 1
        assert len(refused.lines) == 1
        assert str(copy.port) in refused.output
        taken.kill()
    wrong = copy.run(SERVICE_PORT="eighty")
    assert wrong.wait() == 1
    assert len(wrong.lines) == 1


def test_another_database_and_other_neighbours_are_used(copy: Copy) -> None:
    with Postgres.temporary() as server:
        server.create_database("elsewhere")
        database = server.environment("elsewhere")
        running = copy.run(**database, TRIP_SERVICE_URL="http://127.0.0.1:1", K_SINK="http://127.0.0.1:1").up()
        assert copy.get("/payments/350")["payment_id"] == 350
        assert copy.processes("local.notification_service")
        assert not copy.processes("local.trip_service")
        assert not [process for process in copy.processes() if process.name() == "postgres"]
        assert all(copy.processes(function) for function in FUNCTIONS)
        # Without the supervisor nothing stays.
        kill(copy.processes("local.supervisord"))
        assert running.wait() == 1
        assert copy.processes() == []

        refused = copy.run(**{**database, "DB_PASS": "not-the-password"})
        assert refused.wait() == 1
        assert "not-the-password" not in refused.output
        assert "authentication failed" in refused.lines[-1]
        assert copy.processes() == []


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except urllib.error.URLError:
        return False
    return True
