"""Where a checkout keeps what it makes, and which processes are its own."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO

import psutil

from local import ending
from local.account import PLAIN_TEMPORARY, account_name
from shared.rules.cells import read_number

CHECKOUT = Path(__file__).resolve().parent.parent
OF_CELL_0 = CHECKOUT / ".data"


def folder(environment: Mapping[str, str]) -> Path:
    """Where what runs in this environment keeps what it makes: each cell has a folder of its own, and so has what all the
    cells of CELLS have in common, where none of them is meant by CELL. (A wrong CELL is nobody's: the settings refuse it.)"""
    if not environment.get("CELL") and environment.get("CELLS", "").strip():
        return OF_CELL_0 / "cells"
    try:
        number = read_number(environment.get("CELL") or "0")
    except ValueError:
        return OF_CELL_0
    return OF_CELL_0 / "cells" / str(number) if number else OF_CELL_0


DATA = folder(os.environ)
RUN = DATA / "run"
LOG = DATA / "log"
# In the environment of every process that a start makes.
MARKER = "PAYMENT_SERVICE_CHECKOUT"


class AlreadyRunningError(Exception):
    """Another process of this checkout runs the service, or is about to."""


class DataUnusableError(Exception):
    """This account may not write to .data, or cannot; the message is one line."""


@contextmanager
def alone() -> Iterator[None]:
    """While this lasts no other process of this checkout has this cell. The kernel lets go of it however its holder ends.

    Raises AlreadyRunningError, or DataUnusableError.
    """
    with _lock_file() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            where = "" if DATA == OF_CELL_0 else f", with its data in {shown(DATA)}"
            raise AlreadyRunningError(f"The service runs already from {CHECKOUT}{where}.") from None
        yield


def _lock_file() -> IO[str]:
    try:
        for each in (DATA, RUN, LOG):
            each.mkdir(parents=True, exist_ok=True)
        RUN.chmod(0o700)
        return (RUN / "lock").open("a")
    except OSError as refused:
        why = f"{refused.filename or DATA}: {refused.strerror}"
        owner = account_name(DATA.stat().st_uid) if DATA.exists() else account_name(CHECKOUT.stat().st_uid)
        ours = owner == account_name(os.geteuid())
        advice = "" if ours else f" It belongs to {owner}: run make as {owner}, or from a checkout of your own."
        raise DataUnusableError(f"The data of the service cannot be written: {why}.{advice}") from None


def socket_path() -> Path:
    """Where the supervisor listens; a socket's path may be no longer than 107 bytes, and a checkout's can be."""
    path = RUN / "supervisor.sock"
    if len(os.fsencode(path)) < 100:
        return path
    return Path(PLAIN_TEMPORARY) / f"payments-{sha256(os.fsencode(DATA)).hexdigest()[:16]}.sock"


def shown(path: Path) -> str:
    """A path below the checkout, as whoever is there may type it."""
    return str(path.relative_to(CHECKOUT))


def left_over() -> list[psutil.Process]:
    """Processes of this cell's starts, the supervisor first. (PostgreSQL overwrites its environment: see there.)"""
    found = []
    for process in psutil.process_iter():
        try:
            its = process.environ()
            if its.get(MARKER) == str(CHECKOUT) and folder(its) == DATA and process.pid != os.getpid():
                found.append(process)
        except psutil.Error:
            continue  # it ended meanwhile, or is another user's
    return sorted(found, key=_is_supervisor, reverse=True)


def end_left_over() -> int:
    """Ends what a start that was killed left over; says how many processes that were."""
    ended = left_over()
    ending.kill(ended)
    return len(ended)


def _is_supervisor(process: psutil.Process) -> bool:
    try:
        return any("supervisord" in word for word in process.cmdline())
    except psutil.Error:
        return False
