"""How long an instance took to its first answer: in the line of that request in the log, and counted for the metrics."""

import math
import threading
from collections.abc import Callable
from typing import Any, Protocol

from shared.platform import process
from shared.platform.counting import Durations, PoolUse
from shared.platform.log import log
from shared.platform.unavailable import DatabaseUnavailable

# Seconds, of the histogram; what is in the database is counted by them.
BOUNDS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, math.inf)

COLD_START = Durations(
    "payment_function_cold_start_seconds",
    "From the start of this instance's process to its first successful answer, without what it idled between.",
)


class Counts(Protocol):
    """Where starts are counted: the database, for functions that have one."""

    def run(self, name: str, **parameters: Any) -> object: ...

    def pool_use(self) -> PoolUse: ...

    def refuse_another_cell(self) -> None: ...


class ColdStart:
    """The start of one function in this process, from the process's own to its first successful answer. `then`: what can wait
    until that is out."""

    def __init__(self, function: str, counts: Counts | None, then: Callable[[], None] = lambda: None) -> None:
        self._function = function
        self._counts = counts
        self._then = then
        self._loaded = process.age()
        self._first = threading.Lock()  # whoever gets it has the first answer, and keeps it

    def ended_by(self, seconds: float) -> float | None:
        """The seconds of the start where the answer that took `seconds` is the first: loading, and that answer. How long the
        instance was idle between the two does not count, since nobody waited."""
        return self._loaded + seconds if self._first.acquire(blocking=False) else None

    def over(self, seconds: float) -> None:
        """Does what the first answer, after so long a start, did not have to wait for. Raises nothing."""
        self._count(seconds)
        self._then()

    def _count(self, seconds: float) -> None:
        COLD_START.note(seconds)
        if self._counts is None:
            return
        up_to = next(bound for bound in BOUNDS if seconds <= bound)
        try:
            self._counts.run("note_cold_start", function=self._function, up_to=up_to, seconds=seconds)
        except DatabaseUnavailable as failure:
            log.warning("start not counted", extra={"why": str(failure)})
        except Exception:
            log.exception("start not counted")
