"""How often one caller may ask one instance."""

import math
import threading
import time

import flask

from shared.platform.settings import WINDOWS
from shared.web.problems import Problem

# Set by the front door, which overwrites what a client sends: the address it saw, whatever hops come after it.
CALLER_HEADER = "X-Caller-Address"


def address_of(request: flask.Request) -> str:
    """Where a request comes from, as the front door saw it."""
    return request.headers.get(CALLER_HEADER) or request.remote_addr or ""


class Limiter:
    """Admits at most `rate` requests (such as "1000/second") of each caller to this instance in each window of that length; an
    empty rate admits all."""

    def __init__(self, rate: str) -> None:
        self._rate = rate
        most, _, window = (rate or "0/second").partition("/")
        self._most = int(most)
        self._seconds = WINDOWS[window]
        self._lock = threading.Lock()
        self._over_at = 0.0
        self._counts: dict[str, int] = {}

    def admit(self, caller: str) -> None:
        """Counts a request. Raises Problem rate_limited when its caller asks too often."""
        if not self._rate:
            return
        with self._lock:
            now = time.monotonic()
            if now >= self._over_at:
                self._over_at = now + self._seconds
                self._counts = {}
            count = self._counts.get(caller, 0) + 1
            self._counts[caller] = count
            left = self._over_at - now
        if count > self._most:
            wait = max(1, math.ceil(left))
            raise Problem("rate_limited", f"At most {self._rate} from one caller; wait a moment.", retry_after=wait)
