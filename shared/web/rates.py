"""How often one caller may ask one instance."""

import math
import time
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import flask

from shared.web.problems import Problem

# Set by the front door, which overwrites what a client sends: the address it saw, whatever hops come after it.
CALLER_HEADER = "X-Caller-Address"


class Limiter:
    """Admits at most `rate` requests (such as "1000/second") of each caller to this instance; an empty rate admits all.

    The first request of an instance is not counted: loading the library that counts would lengthen every cold start by a
    seventh.
    """

    def __init__(self, rate: str) -> None:
        self._rate = rate
        self._first = True

    @cached_property
    def _window(self) -> tuple[Callable[[str], bool], Callable[[str], Any]]:
        """What counts a request of a caller, False above the rate, and what tells when the caller's window ends. Made while
        serving, never at import: the storage starts a thread, which must not happen before the server forks."""
        from limits import parse
        from limits.storage import MemoryStorage
        from limits.strategies import FixedWindowRateLimiter

        limiter, rate = FixedWindowRateLimiter(MemoryStorage()), parse(self._rate)
        return partial(limiter.hit, rate), partial(limiter.get_window_stats, rate)

    def admit(self, request: flask.Request) -> None:
        """Counts a request. Raises Problem rate_limited when its caller asks too often."""
        if not self._rate:
            return
        if self._first:
            self._first = False
            return
        caller = request.headers.get(CALLER_HEADER) or request.remote_addr or ""
        hit, window = self._window
        if not hit(caller):
            wait = max(1, math.ceil(window(caller).reset_time - time.time()))
            raise Problem("rate_limited", f"At most {self._rate} from one caller; wait a moment.", retry_after=wait)
