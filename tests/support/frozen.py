"""Processes that stand still for a while, as when a machine is paused."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

STILL_WITHIN = 10.0
NO_MORE = frozenset("TtZX")  # stopped, or ended: proc(5)


@contextmanager
def frozen(processes: Sequence[psutil.Process]) -> Iterator[None]:
    """While this lasts they stand still."""
    try:
        freeze(processes)
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def freeze(processes: Sequence[psutil.Process]) -> None:
    """SIGSTOP to all of them. Returns when every thread stands still: on a busy machine the signal alone lets some go on for
    long enough to finish a payment."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    deadline = time.monotonic() + STILL_WITHIN
    while not all(_stands_still(process) for process in processes):
        assert time.monotonic() < deadline, f"not still within {STILL_WITHIN} s: {processes}"
        time.sleep(0.001)


def _stands_still(process: psutil.Process) -> bool:
    states = []
    for path in Path(f"/proc/{process.pid}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended meanwhile
            states.append(path.read_text(encoding="utf-8").rpartition(")")[2].split()[0])
    return NO_MORE.issuperset(states)
