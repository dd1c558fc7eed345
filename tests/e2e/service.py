"""The whole service as `make run` starts it, in a copy of the checkout, and what a test may ask of it from outside."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from local import place
from local.ending import kill, runs
from local.place import CHECKOUT, MARKER
from local.ports import pick
from local.postgres import Postgres
from tests.support.frozen import frozen

PARTS = ("functions", "shared", "sql", "seed", "local", "knative/base/front-door", "knative/cells-front-door")
# What is compiled already is copied too: each function would compile it for itself, all at once.
BEING_WRITTEN = shutil.ignore_patterns("*.pyc.*")
PATIENCE = 60.0
# Shorter than the real ones, so that what a killed worker left is carried on within seconds.
TIMES = {
    "TRIP_SERVICE_TIMEOUT": "1",
    "GATEWAY_TIMEOUT": "2.5",
    "IDEMPOTENCY_LOCK_TIMEOUT": "4",
    "DB_STATEMENT_TIMEOUT": "3",
    "NEXT_ACTION_TIMEOUT": "5",
}


def await_that(true: Callable[[], bool], what: str) -> None:
    """Until it is true; fails after a minute, saying what was waited for."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"not within a minute: {what}"
        time.sleep(0.05)


class Started:
    """What runs of one start, its data and its logs. `folder` is its copy of the checkout; `number` the one of the cell
    that is meant, all that runs from the folder where that is not said."""

    def __init__(self, folder: Path, number: int | None = None) -> None:
        self.folder = folder
        self.number = number
        self.data = folder / place.folder({"CELL": str(number or 0)}).relative_to(CHECKOUT)

    @contextmanager
    def database(self) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
        """A function that runs SQL in the service's database, as its owner."""
        postgres = Postgres(self.data, 0)
        owner = postgres.environment("payments")
        connection = psycopg2.connect(
            host=owner["DB_HOST"],
            port=postgres.running_port(),
            dbname="payments",
            user=owner["DB_USER"],
            password=owner["DB_PASS"],
        )
        connection.autocommit = True

        def rows(sql: str, *parameters: object) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchall()

        try:
            yield rows
        finally:
            connection.close()

    def processes(self, word: str = "") -> list[psutil.Process]:
        """What runs of this start, with this word in its command."""
        found = []
        for process in psutil.process_iter():
            try:
                if self._is_own(process) and runs(process) and any(word in part for part in process.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _is_own(self, process: psutil.Process) -> bool:
        if self.number is not None:
            its = process.environ()
            marked = its.get(MARKER) == str(self.folder) and its.get("CELL", "0") == str(self.number)
            return marked or str(self.data / "postgres") in process.cwd()
        return process.environ().get(MARKER) == str(self.folder) or str(self.folder) in process.cwd()

    def kill_function(self, name: str) -> int:
        """SIGKILL to a function and its workers; says how many processes that were."""
        victims = self.processes(f"/functions/{name}/main.py")
        kill(victims)
        return len(victims)

    def kill_database(self) -> None:
        """SIGKILL to every process of PostgreSQL."""
        Postgres(self.data, 0).kill()

    def port_of(self, function: str) -> int:
        """The port on which a function itself listens."""
        command = self.processes(f"/functions/{function}/main.py")[0].cmdline()
        return int(command[command.index("--port") + 1])

    @contextmanager
    def frozen(self, word: str) -> Iterator[None]:
        """While this lasts the processes with this word in their command stand still; the word "database" is PostgreSQL."""
        held = Postgres(self.data, 0).processes() if word == "database" else self.processes(word)
        assert held
        with frozen(held):
            yield

    def logs(self) -> dict[str, str]:
        """The log of every process, by its name."""
        texts: dict[str, str] = {}
        for path in sorted((self.data / "log").glob("*.log*")):
            name = path.name.split(".")[0]
            texts[name] = texts.get(name, "") + path.read_text(encoding="utf-8")
        return texts

    def log_lines(self, name: str) -> list[dict[str, Any]]:
        """The lines of one process's log; a line that is no JSON object fails."""
        lines = [json.loads(line) for line in self.logs()[name].splitlines()]
        assert all(isinstance(line, dict) for line in lines)
        return lines


class Service(Started):
    """One start of the whole, on a port of its own, or this one, with these settings besides."""

    patience = PATIENCE

    def __init__(self, port: int = 0, **settings: str) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="payments-e2e-")).resolve())
        self.folder.chmod(0o755)
        for part in PARTS:
            shutil.copytree(CHECKOUT / part, self.folder / part, ignore=BEING_WRITTEN)
        self.port = port or pick(1)[0]
        self._output: list[str] = []
        own = {"SERVICE_PORT": str(self.port), "PYTHONPATH": str(self.folder), **TIMES, **settings}
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("AUTH_", "DB_", "PAYMENT_", "K_"))
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local.run"],
            cwd=self.folder,
            env={**kept, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._summary = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._summary.wait(self.patience)
        if not self.summary.endswith("/metrics\n\n"):
            self.end()
            raise AssertionError(self.summary)

    @property
    def summary(self) -> str:
        """What the start printed."""
        return "".join(self._output)

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._output.append(line)
            if self.summary.endswith("/metrics\n\n"):
                self._summary.set()
        self._summary.set()

    def end(self) -> tuple[int, list[str]]:
        """Ctrl-C; gives the exit status and the commands of whatever still runs."""
        self._process.send_signal(signal.SIGINT)
        try:
            code = self._process.wait(PATIENCE)
        finally:
            left = self.processes()
            named = [" ".join(process.cmdline()) for process in left]
            kill(left)
            shutil.rmtree(self.folder, ignore_errors=True)
        self._reader.join(PATIENCE)
        return code, named
