"""How old this process is. The server reads it before it forks, so that its workers count from its own start, as whoever waits
for the first answer does."""

import os
import time
from pathlib import Path


def age() -> float:
    """Seconds since the process began, to the hundredth."""
    return _now() - _began


def begin_anew() -> None:
    """For a worker that takes the place of another: nobody waited for it from the server's start on."""
    global _began
    _began = _now()


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _read() -> float:
    """When the process began, in seconds since the machine did (proc_pid_stat(5), field 22)."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


_began = _read()
