"""The process manager: which processes run, started again whenever one dies, and ended in order."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, cast
from xmlrpc.client import Error, Fault, ServerProxy

from supervisor.xmlrpc import Faults, SupervisorTransport

from local import ending
from local.place import CHECKOUT, LOG, MARKER, RUN, socket_path
from local.surroundings import withheld

# In supervisord's words: it died at once each time; it ended, and with the status `gives_up` is left so.
GIVEN_UP = ("FATAL", "EXITED")


@dataclass(frozen=True)
class Program:
    """One process. Groups end in the order of their `rank`, the highest first; a group's processes at once. One that ends with
    the status `gives_up` is not started again at once: see `Supervisor.revive`."""

    name: str
    command: list[str]
    group: str
    rank: int
    directory: Path = CHECKOUT
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    stop: str = "TERM"
    ends_within: int = 40  # seconds, or it is killed
    gives_up: int | None = None


class SupervisorDiedError(Exception):
    """The process manager ended by itself."""


class Supervisor:
    """A supervisord of this checkout, and the programs it was given. Of the environment each gets what is its own."""

    def __init__(self, programs: list[Program], environment: Mapping[str, str]) -> None:
        path = RUN / "supervisord.conf"
        path.write_text(configuration(programs, environment), encoding="utf-8")
        with (LOG / "supervisor.out").open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - a module of ours
                [sys.executable, "-m", "local.supervisord", "-n", "-c", str(path)],
                # Files and lines are UTF-8 in any locale.
                env={**environment, "PYTHONUTF8": "1", MARKER: str(CHECKOUT)},
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C is for the runner alone; when the runner is killed, the supervisor ends everything in order.
                start_new_session=True,
                preexec_fn=ending.with_parent,
            )
        self._rpc = self._connect()

    def start(self, *groups: str) -> None:
        """Starts the processes of these groups, and does not wait for them."""
        for group in groups:
            self._rpc.startProcessGroup(group, False)

    def states(self) -> dict[str, str]:
        """The state of every process by its name, in supervisord's words (RUNNING, BACKOFF, ...)."""
        return {info["name"]: info["statename"] for info in self._rpc.getAllProcessInfo()}

    def revive(self) -> None:
        """Starts again what the supervisor gave up on, or what did itself: this is tried at the caller's pace."""
        for info in self._rpc.getAllProcessInfo():
            if info["statename"] in GIVEN_UP:
                self._start_again(f"{info['group']}:{info['name']}")

    def _start_again(self, process: str) -> None:
        try:
            self._rpc.startProcess(process, False)
        except Fault as refused:
            if refused.faultCode != Faults.ALREADY_STARTED:  # by the supervisor, since we looked
                raise

    def wait(self, seconds: float) -> None:
        """Waits that long. Raises SupervisorDiedError as soon as the supervisor ends."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        raise SupervisorDiedError(f"The process manager ended by itself (exit status {code}).")

    def stop(self) -> None:
        """Ends all processes, group by group, and returns when the last one is gone."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()

    def _connect(self) -> Any:
        """The supervisor's remote procedures, once it answers."""
        deadline = time.monotonic() + 20
        while True:
            # A transport that was refused once is of no further use.
            transport = SupervisorTransport("", "", f"unix://{socket_path()}")
            rpc = cast("Any", ServerProxy("http://127.0.0.1", transport=transport)).supervisor
            try:
                rpc.getState()
                return rpc
            except (OSError, HTTPException, Error):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    self.stop()
                    raise SupervisorDiedError(
                        f"The process manager does not start: see {LOG}/supervisor.out."
                    ) from None
                time.sleep(0.02)


def configuration(programs: list[Program], environment: Mapping[str, str]) -> str:
    """The text of supervisord's configuration file. Its paths are relative to the checkout, where supervisord runs: the format
    has no quotes, takes what follows a blank and `;` or `#` for a comment, and expands `%` once here and twice there."""
    # Named only where supervisord would else warn of it: not every account has a name.
    user = "user=root\n" if os.geteuid() == 0 else ""
    parts = [
        f"[unix_http_server]\nfile={_relative(socket_path())}\nchmod=0700",
        f"[supervisord]\n{user}logfile={_relative(LOG)}/supervisor.log\nlogfile_maxbytes=1MB\nlogfile_backups=1\n"
        f"pidfile={_relative(RUN)}/supervisord.pid\nchildlogdir={_relative(LOG)}\nnodaemon=true\nsilent=true",
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface",
    ]
    groups: dict[tuple[str, int], list[str]] = {}
    for program in programs:
        groups.setdefault((program.group, program.rank), []).append(program.name)
        parts.append(_program(program, withheld(program.name, environment)))
    parts += [
        f"[group:{name}]\nprograms={','.join(members)}\npriority={rank}" for (name, rank), members in groups.items()
    ]
    return "\n\n".join(parts) + "\n"


def _program(program: Program, without: list[str]) -> str:
    lines = {
        "command": _command(program.command, without),
        "environment": ",".join(f'{name}="{value}"' for name, value in program.environment.items()),
        "autostart": "false",
        **_restart(program),
        # What dies within a second, and again, is left alone for a moment (see `revive`), lest it eat a core.
        "startsecs": "1",
        "startretries": "1",
        "stopsignal": program.stop,
        "stopwaitsecs": str(program.ends_within),
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": f"{_relative(LOG)}/{program.name}.log",
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "2",
        **({"directory": str(program.directory)} if program.directory != CHECKOUT else {}),
        **({"user": program.user} if program.user else {}),
    }
    return f"[program:{program.name}]\n" + "\n".join(f"{name}={value}" for name, value in lines.items())


def _restart(program: Program) -> dict[str, str]:
    if program.gives_up is None:
        return {"autorestart": "true"}
    return {"autorestart": "unexpected", "exitcodes": str(program.gives_up)}


def _command(words: list[str], without: list[str]) -> str:
    """The line that gives these words back, whatever is in them, to a program that lacks some of the environment."""
    remover = [shutil.which("env") or "/usr/bin/env", *(word for name in without for word in ("-u", name))]
    line = shlex.join([*(remover if without else []), *words]).replace("%", "%%")
    return re.sub(r"(\s)([;#])", r"\1''\2", line)  # within single quotes, where alone it can be: ends and begins them


def _relative(path: Path) -> str:
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)
