"""What keeps an instance from piling up writes behind commits that do not come back."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from shared.platform.database.execution import DatabaseUnavailable

T = TypeVar("T")

# Seconds. Each try that ends badly leaves a process of the server waiting, of which PostgreSQL has 100 by default: at one
# every 15 s an instance takes minutes to use up its share of them.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0


class Breaker:
    """Without its synchronous standby a server takes writes and never answers them: each try leaves one more of its processes
    waiting, and must not be cancelled, since a cancelled wait reports a commit that no standby has.

    So, after a write that timed out and waits there (or nobody can tell), the others are refused at once. Every second one of
    them asks the server whether earlier ones are waiting (`still_waiting`, which leaves nothing behind), and goes through
    once none is: a standby that is back is noticed at once. Where such a write ends in the same way, the pauses grow from 1
    to 15 seconds. A write that timed out for another reason, a connection that was forgotten, is no one else's matter.
    """

    def __init__(self, still_waiting: Callable[[], bool]) -> None:
        self._still_waiting = still_waiting
        self._lock = threading.Lock()
        self._pause = 0.0  # 0: closed, everything goes through
        self._next_at = 0.0
        self._trying = False

    def run(self, write: Callable[[], T]) -> T:
        """What `write` returns, or raises DatabaseUnavailable at once."""
        trying = self._admit()
        try:
            if trying and self._still_waiting():
                self._next_at = time.monotonic() + FIRST_PAUSE
                raise self._refusal()
            result = write()
        except DatabaseUnavailable as failure:
            if failure.timed_out and self._is_stuck():
                self._open(trying)
            raise
        finally:
            if trying:
                self._trying = False
        self._pause = 0.0
        return result

    def _admit(self) -> bool:
        """Whether this is the one that tries; False where all go through. Raises DatabaseUnavailable for the others."""
        if not self._pause:
            return False
        with self._lock:
            if self._trying or time.monotonic() < self._next_at:
                raise self._refusal()
            self._trying = True
            return True

    def _is_stuck(self) -> bool:
        try:
            return self._still_waiting()
        except DatabaseUnavailable:
            return True

    def _open(self, tried: bool) -> None:
        with self._lock:
            if tried or not self._pause:
                self._pause = min(2 * self._pause, LONGEST_PAUSE) or FIRST_PAUSE
                self._next_at = time.monotonic() + self._pause

    def _refusal(self) -> DatabaseUnavailable:
        return DatabaseUnavailable("earlier commits do not come back")
