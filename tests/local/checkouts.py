"""A copy of the checkout, from which the service is started for real, and ended and killed in every way."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from local.ending import kill, runs
from local.place import CHECKOUT, MARKER
from local.ports import pick

PARTS = ("functions", "shared", "sql", "seed", "local", "knative/base/front-door", "knative/cells-front-door")
# What is compiled already is copied too: each function would compile it for itself, all at once.
BEING_WRITTEN = shutil.ignore_patterns("*.pyc.*")
PATIENCE = 120.0
RUNNER = (sys.executable, "-m", "local.run")


class Copy:
    """A copy of the checkout, and the service that runs from it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = pick(1)[0]
        for part in PARTS:
            shutil.copytree(CHECKOUT / part, folder / part, ignore=BEING_WRITTEN)

    @classmethod
    @contextmanager
    def below(cls, prefix: str) -> Iterator["Copy"]:
        """One in a new temporary folder that begins so, gone afterwards with its processes and its data, wherever that is."""
        folder = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
        folder.chmod(0o755)
        copied = cls(folder)
        try:
            yield copied
        finally:
            kill(copied.processes())
            if copied.cluster.parent != folder / ".data":
                shutil.rmtree(copied.cluster.parent)
            shutil.rmtree(folder)

    @property
    def cluster(self) -> Path:
        return (self.folder / ".data" / "postgres").resolve()

    def can_make(self) -> None:
        """Lets `make` work in it: with a virtual environment of its own, which borrows the packages of this one."""
        for name in ("Makefile", "requirements"):
            (self.folder / name).symlink_to(CHECKOUT / name)
        environment = self.folder / ".venv"
        (environment / "bin").mkdir(parents=True)
        (environment / "bin" / "python").symlink_to(Path(sys.executable).resolve())
        (environment / "lib").symlink_to(Path(sys.prefix) / "lib")
        shutil.copy(Path(sys.prefix) / "pyvenv.cfg", environment)
        requirements = (CHECKOUT / "requirements" / "local.txt").read_text()
        (environment / ".made-from").write_text(f"{self.folder}\n{requirements}")

    def run(self, **settings: str) -> "Running":
        return Running(self, {"SERVICE_PORT": str(self.port), **settings})

    def make(self, *words: str, **settings: str) -> "Running":
        """`make` with these words, by somebody who shows nothing of theirs to others."""
        return Running(self, {"SERVICE_PORT": str(self.port), **settings}, ["make", "--silent", *words], umask=0o077)

    def processes(self, word: str = "") -> list[psutil.Process]:
        """Everything that a start made, by its environment or, for PostgreSQL, by its folder; with a word, whatever has it in
        its command line. One that ends meanwhile is not among them."""
        found = []
        for process in psutil.process_iter():
            try:
                marked = process.environ().get(MARKER) == str(self.folder)
                ours = (
                    marked or process.cwd() == str(self.cluster) or process.cwd().startswith(str(self.folder / ".data"))
                )
                if ours and (not word or word in process.cmdline()):
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
        """While this lasts the function dies as soon as it starts, in the middle of a line."""
        main = self.folder / "functions" / function / "main.py"
        good = main.read_text()
        main.write_text("import os\nos.write(2, b'broken')\nos._exit(1)")
        yield
        main.write_text(good)

    def get(self, path: str) -> dict[str, object]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            found: dict[str, object] = json.loads(answer.read())
            return found


class Running:
    """One start, what it printed, and how it ended."""

    def __init__(self, copy: Copy, settings: dict[str, str], command: Sequence[str] = RUNNER, umask: int = -1) -> None:
        # The make that runs the tests says to those below it that they are its own (MAKELEVEL, MAKEFLAGS).
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DB_", "MAKE", "MFLAGS"))}
        self.process = subprocess.Popen(
            command,
            cwd=copy.folder,
            env={**kept, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            umask=umask,
            encoding="utf-8",
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
