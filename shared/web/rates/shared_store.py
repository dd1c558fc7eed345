"""Requests counted in a store that all instances share: Redis or Valkey, through `limits`."""

import hashlib
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, cast

from shared.platform.log import log

if TYPE_CHECKING:
    from limits.storage import RedisStorage

# Seconds. A count is a round trip next door; whoever pays does not wait for one that is slower.
PATIENCE = 0.25
# After one that failed or was slow, the store is left alone for so long, and the log stays silent for so long.
PAUSE = 5.0
SILENCE = 60.0
# More do not wait for one store: a slow one is left alone before that.
CONNECTIONS = 8


class SharedStore:
    """Counts of each caller over all instances, in windows of `seconds`. A store that is down or slow stops nobody: it is left
    alone for a while, and the log says so once a minute."""

    def __init__(self, url: str, seconds: int) -> None:
        self._url = url
        self._seconds = seconds
        self._store: RedisStorage | None = None
        self._lock = threading.Lock()
        self._asks_again_at = -math.inf
        self._says_so_at = -math.inf
        # Whatever the client waits for (a name, several addresses, each step of a login), the one who counts is not held up.
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="rates")

    def connect(self) -> None:
        """Loads what speaks to the store; a connection is made with the first count. Raises nothing."""
        with self._lock:
            if self._store is not None:
                return
            try:
                self._store = _store(self._url)
            except Exception:
                log.exception("rates not shared")

    def count(self, caller: str, window: int) -> int | None:
        """How many requests of this caller there were in the window of this number, with this one; None where the store does
        not tell, within PATIENCE at the latest."""
        if self._store is None or not self._may_ask():
            return None
        key = f"{window}/{hashlib.sha256(caller.encode('utf-8', 'replace')).hexdigest()}"
        try:
            # A window's count is kept for as long again: instances' clocks may differ.
            counted = self._threads.submit(self._store.incr, key, 2 * self._seconds)
            count = counted.result(PATIENCE)
        except Exception as failure:  # whatever the client raises, and the end of our patience
            self._leave_alone(failure)
            return None
        self._asks_again_at = -math.inf
        return count

    def _may_ask(self) -> bool:
        """Whether the store is asked: always, or after one failure by one request every PAUSE, until it answers."""
        if self._asks_again_at == -math.inf:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._asks_again_at:
                return False
            self._asks_again_at = now + PAUSE
            return True

    def _leave_alone(self, failure: Exception) -> None:
        with self._lock:
            now = time.monotonic()
            self._asks_again_at = now + PAUSE
            if now < self._says_so_at:
                return
            self._says_so_at = now + SILENCE
        # Its own words may have the password in them, which is a part of the URL.
        log.warning("rates not shared: each instance counts alone", extra={"why": type(failure).__name__})


def _store(url: str) -> "RedisStorage":
    from limits.storage import storage_from_string
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # Once more at once, since the connection may be one that the server has closed meanwhile.
    retry = Retry(NoBackoff(), 1)
    options = {"socket_timeout": PATIENCE, "socket_connect_timeout": PATIENCE, "retry": retry}
    return cast("RedisStorage", storage_from_string(url, key_prefix="payment-service:rate", **options))  # type: ignore[arg-type]
