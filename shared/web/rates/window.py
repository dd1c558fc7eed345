"""Requests counted in this process."""

import threading

# Callers that are told apart in one window, at about a hundred bytes each. Whoever has more addresses than that is not held
# up by a count of each of them; the front door's ceiling for all is what stops them.
MOST_CALLERS = 10_000


class Window:
    """Counts of each caller in the window that runs; those of the one before are forgotten with its end.

    Not the memory storage of the library that counts in a shared store: that one starts a thread to forget what is over, up to
    a hundred times a second, keeps as many callers as come, and looks at each of them every time (docs/choices.md has figures).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._window = -1
        self._counts: dict[int, int] = {}

    def count(self, caller: str, window: int) -> int:
        """How many requests of this caller there were in the window of this number, with this one; 0 for callers beyond those
        that are told apart."""
        # A caller's name may be as long as a header; its hash is not. It is made with a secret of this process.
        key = hash(caller)
        with self._lock:
            if window != self._window:
                self._window = window
                self._counts = {}
            count = self._counts.get(key, 0) + 1
            if count == 1 and len(self._counts) >= MOST_CALLERS:
                return 0
            self._counts[key] = count
            return count
