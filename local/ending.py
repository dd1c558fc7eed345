"""Ends processes for good."""

import ctypes
import signal
import sys
import time
from collections.abc import Sequence

import psutil

PR_SET_PDEATHSIG = 1


def kill(processes: Sequence[psutil.Process], seconds: float = 10) -> None:
    """SIGKILL to all of them, in this order; returns when none runs any more, or after that many seconds."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    deadline = time.monotonic() + seconds
    while any(runs(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.01)


def runs(process: psutil.Process) -> bool:
    """Whether it still does anything. A dead one is listed for as long as whoever inherited it takes no notice; while other
    threads of it are still ending, it keeps its ports."""
    try:
        return process.is_running() and (process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        return False


def with_parent() -> None:
    """This process is asked to stop (SIGTERM) as soon as the one that started it is gone, however that ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
