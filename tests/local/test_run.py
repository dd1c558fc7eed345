"""`make run` in a copy of the checkout: real processes, ended and killed in every way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from local.ending import kill, runs
from local.place import CHECKOUT, MARKER
from local.ports import pick
from local.postgres import Postgres
from local.system import FUNCTIONS

PARTS = ("functions", "shared", "sql", "seed", "local", "knative/base/front-door")
PATIENCE = 40.0


class Copy:
    """A copy of the checkout, and the service that runs from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = pick(1)[0]
        for part in PARTS:
            shutil.copytree(CHECKOUT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, **settings: str) -> "Running":
        return Running(self, {"SERVICE_PORT": str(self.port), **settings})

    def processes(self) -> list[psutil.Process]:
        """Everything that a start made: by its environment or, for PostgreSQL, by its folder."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get(MARKER) == str(self.folder)
                if marked or process.cwd() == str(self.folder / ".data" / "postgres"):
                    found.append(process)
            except psutil.Error:
                continue
        return [process for process in found if runs(process)]

    def log(self, name: str) -> str:
        return (self.folder / ".data" / "log" / f"{name}.log").read_text()

    def supervision(self) -> str:
        return (self.folder / ".data" / "log" / "supervisor.log").read_text()

    @contextmanager
    def broken(self, function: str) -> Iterator[None]:
        """While this lasts the function dies as soon as it starts."""
        main = self.folder / "functions" / function / "main.py"
        good = main.read_text()
        main.write_text("raise SystemExit('broken')")
        yield
        main.write_text(good)

    def get(self, path: str) -> dict[str, object]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            found: dict[str, object] = json.loads(answer.read())
            return found


class Running:
    """One start, what it printed, and how it ended."""

    def __init__(self, copy: Copy, settings: dict[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.run"],
            cwd=copy.folder,
            env={**kept, "PYTHONPATH": str(copy.folder), **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._printed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def up(self) -> "Running":
        """Waits for the summary."""
        with self._printed:
            shown = self._printed.wait_for(lambda: "/metrics\n" in self.output or not self._reader.is_alive(), PATIENCE)
        assert shown, self.output
        assert "/metrics\n" in self.output, self.output
        return self

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._printed:
                self.lines.append(line)
                self._printed.notify_all()
        with self._printed:
            self._printed.notify_all()


def await_that(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    folder = Path(tempfile.mkdtemp(prefix="checkout ")).resolve()
    folder.chmod(0o755)
    copied = Copy(folder)
    yield copied
    kill(copied.processes())
    shutil.rmtree(folder)


def test_starts_serves_starts_again_what_dies_and_ends(copy: Copy) -> None:
    running = copy.run().up()
    assert copy.get("/health")["status"] == "UP"
    assert f"http://localhost:{copy.port}" in running.output
    assert running.output.count("\n  curl ") == 3

    second = copy.run()
    assert second.wait() == 1
    assert len(second.lines) == 1

    of_payments = [process for process in copy.processes() if "get_payment" in process.cmdline()]
    assert of_payments
    kill(of_payments)
    assert copy.get("/payments/1")["payment_id"] == 1

    assert running.end() == 0
    assert copy.processes() == []
    assert running.lines[-1] == "Stopped.\n"
    assert "database system is shut down" in copy.log("postgres")


def test_after_a_kill_of_everything_it_starts_again_with_its_rows(copy: Copy) -> None:
    running = copy.run().up()
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

    supervisor = [process for process in copy.processes() if "supervisor.supervisord" in process.cmdline()]
    kill(supervisor)
    assert again.wait() == 1
    assert copy.processes() == []


def test_when_only_the_runner_is_killed_all_ends_or_the_next_start_ends_it(copy: Copy) -> None:
    running = copy.run().up()
    os.kill(running.process.pid, signal.SIGKILL)
    running.wait()
    next_one = copy.run().up()
    assert copy.get("/health")["status"] == "UP"

    with copy.broken("metrics"):
        kill([process for process in copy.processes() if "metrics" in process.cmdline()])
        await_that(lambda: "gave up: metrics entered FATAL" in copy.supervision())
    # Whatever kept dying is started again as soon as it can live.
    await_that(lambda: [process for process in copy.processes() if "metrics" in process.cmdline()] != [])
    assert copy.get("/metrics")["currency"] == "INR"

    assert next_one.end(signal.SIGINT) == 0
    assert copy.processes() == []


def test_a_function_that_cannot_start_is_named_in_one_line(copy: Copy) -> None:
    with copy.broken("metrics"):
        refused = copy.run()
        assert refused.wait() == 1
    assert "metrics does not start" in refused.lines[-1]
    assert copy.processes() == []


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
        names = {word for process in copy.processes() for word in process.cmdline()}
        assert "local.notification_service" in names
        assert "local.trip_service" not in names
        assert not [process for process in copy.processes() if process.name() == "postgres"]
        assert set(FUNCTIONS) <= names
        assert running.end() == 0

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
