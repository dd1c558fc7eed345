"""The real functions-framework processes, for tests that kill, freeze and restart them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
import urllib3

from local import ending
from local.place import CHECKOUT
from local.ports import HOST, pick
from tests.support.frozen import freeze

FRAMEWORK = Path(sys.executable).parent / "functions-framework"
GUNICORN = FRAMEWORK.with_name("gunicorn")
READY_WITHIN = 30.0
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")


class Functions:
    """Functions of this checkout, each a process group on a free port of the loopback address.

        with Functions(["create_payment"], {"DB_HOST": ..., "TRIP_SERVICE_URL": ...}) as functions:
            functions.url("create_payment") + "/payments"
            functions.kill("create_payment")                    # SIGKILL to server and workers, as when memory runs out
            functions.restart("create_payment")                 # on the same port, ready when it returns
            functions.kill("create_payment", signal.SIGSTOP)    # frozen, until SIGCONT
            functions.kill("create_payment", signal.SIGTERM)    # to the server alone, which ends gracefully
            functions.log("create_payment")                     # all it wrote, over every restart

    `environment` is the whole environment of the functions, but for PATH and the like. Nothing is left running afterwards.
    """

    def __init__(self, names: Iterable[str], environment: Mapping[str, str]) -> None:
        self.names = list(names)
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ} | dict(environment)
        self.ports = dict(zip(self.names, pick(len(self.names)), strict=True))
        self._folder = tempfile.TemporaryDirectory(prefix="functions-")
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            for name in self.names:
                self.start(name)
            for name in self.names:
                self.wait_until_ready(name)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self.ports[name]}"

    def log(self, name: str) -> str:
        """All that it wrote to its standard output and error, over every restart."""
        return self._log_file(name).read_text(encoding="utf-8", errors="replace")

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """The server process; its workers are its children, in its process group."""
        return self._running[name]

    def start(self, name: str) -> None:
        """Starts it and returns at once."""
        with self._log_file(name).open("ab") as output:
            self._running[name] = subprocess.Popen(
                self._command(name),
                cwd=self._home(name),
                env=self._environment(name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_ready(self, name: str) -> None:
        """Until it answers /healthz; raises AssertionError with its log where it ends or takes too long."""
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline and self._running[name].poll() is None:
            try:
                if urllib3.request("GET", f"{self.url(name)}/healthz", retries=False, timeout=2).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
        raise AssertionError(f"{name} does not come up:\n{self.log(name)[-4000:]}")

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """Sends a signal: SIGTERM and SIGINT to the server alone, any other to its workers too. SIGKILL waits for the end,
        SIGSTOP until all stand still."""
        process = self._running[name]
        if number in (signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
            return
        if number == signal.SIGSTOP:
            freeze([psutil.Process(process.pid), *_children(process.pid)])
            return
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        if number == signal.SIGKILL:
            process.wait()

    def restart(self, name: str) -> None:
        """Starts it again on the same port, killing what still runs; returns when it answers."""
        self._end(name)
        self.start(name)
        self.wait_until_ready(name)

    def stop(self) -> None:
        """Kills all of them, and forgets their logs."""
        for name in list(self._running):
            self._end(name)
        self._folder.cleanup()

    def _home(self, name: str) -> Path:
        return CHECKOUT

    def _command(self, name: str) -> list[str]:
        where = ["--host", HOST, "--port", str(self.ports[name])]
        return [str(FRAMEWORK), "--source", _source(name), "--target", name, *where]

    def _environment(self, name: str) -> dict[str, str]:
        return self.environment

    def _end(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        group = [each for each in _children(process.pid) if each.pid != process.pid]
        with suppress(ProcessLookupError):  # the whole group ended before
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        ending.kill(group)

    def _log_file(self, name: str) -> Path:
        return Path(self._folder.name) / f"{name}.log"


class AsInTheImage(Functions):
    """The same, served as in the image, by gunicorn with the checkout's own configuration."""

    def _command(self, name: str) -> list[str]:
        return [str(GUNICORN), "--config", str(CHECKOUT / "gunicorn.conf.py"), "functions_framework:create_app()"]

    def _environment(self, name: str) -> dict[str, str]:
        chosen = {"FUNCTION_SOURCE": _source(name), "FUNCTION_TARGET": name, "PORT": str(self.ports[name])}
        return self.environment | chosen


def _source(name: str) -> str:
    return str(CHECKOUT / "functions" / name / "main.py")


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
