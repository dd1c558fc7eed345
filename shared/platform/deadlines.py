"""Waits for other machines that end in time: a thread of its own cuts those that are overdue.

Whoever waits blocks, which costs one system call; a time-out for each step would cost several, and begin anew with each byte
that a slow peer drips.
"""

import math
import threading
import time
from typing import Protocol


class Wait(Protocol):
    """What is waited for in a blocking call."""

    def cut(self) -> None:
        """Has the call fail at once; from another thread, and without waiting."""


class Deadlines:
    """The waits under way in this process. Its thread starts with the first, so that a fork before that shares none."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[Wait, float] = {}
        self._looks_at = math.inf  # when the thread looks next, whatever comes
        self._sooner = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, wait: Wait, deadline: float) -> None:
        """Has the wait cut at `deadline` (monotonic clock), unless it is ended before."""
        with self._lock:
            self._waits[wait] = deadline
            # Where the machine gives no thread, nothing looks, so that the next wait asks for one, whatever its deadline.
            if deadline >= self._looks_at or not self._has_a_thread():
                return
            self._looks_at = deadline
        self._sooner.set()

    def _has_a_thread(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._cut_what_is_overdue, name="deadlines", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self._thread = thread
        return True

    def end(self, wait: Wait) -> bool:
        """Whether the wait ended in time; if not, it was cut."""
        with self._lock:
            return self._waits.pop(wait, None) is not None

    def _cut_what_is_overdue(self) -> None:
        while True:
            self._sooner.clear()
            with self._lock:
                now = time.monotonic()
                for wait in [wait for wait, deadline in self._waits.items() if deadline <= now]:
                    del self._waits[wait]
                    wait.cut()
                self._looks_at = min(self._waits.values(), default=math.inf)
                left = None if self._looks_at == math.inf else self._looks_at - now
            self._sooner.wait(left)


deadlines = Deadlines()
