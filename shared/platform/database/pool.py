"""A pool of connections: few, opened when they are needed, none of them older than it may be."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg2

from shared.platform.database.connection import Connection, open_connection
from shared.platform.database.execution import DatabaseUnavailable, unavailable
from shared.platform.dns import NameUnknown
from shared.platform.settings import Settings

# How long, seconds, a request waits while another finds out whether an idle connection still leads to the server, before it
# opens a new one instead: at most one request pays for what a firewall forgot.
OVERTAKES_AFTER = 0.05


class Pool:
    """At most `db_pool_size` connections, opened when first needed, so that a fork before that shares none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = threading.BoundedSemaphore(settings.db_pool_size)
        self._idle: deque[Connection] = deque()
        self._proving = threading.Lock()

    @contextmanager
    def connection(self, deadline: float) -> Iterator[Connection]:
        """A connection, opened if need be, within DB_CONNECT_TIMEOUT and until `deadline` (monotonic clock).

        One that is `unproven` was idle for long: `proved` says that it answered. One that is closed while it is used closes
        the idle ones too, since what befell it befell them. Raises DatabaseUnavailable.
        """
        if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise DatabaseUnavailable("every connection is in use")
        try:
            connection = self._take() or self._open(deadline)
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._slots.release()

    def proved(self, connection: Connection) -> None:
        """The connection, which was unproven, answered; the next one may be tried."""
        connection.unproven = False
        self._proving.release()

    def close_idle(self) -> None:
        """Closes the connections that nobody is using."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def _take(self) -> Connection | None:
        """The connection that was used last, if it may still be used."""
        while self._idle:
            with suppress(IndexError):
                connection = self._idle.pop()
                if connection.may_be_used(self._settings.db_max_lifetime):
                    if not connection.stale:
                        return connection
                    if self._proving.acquire(timeout=OVERTAKES_AFTER):
                        connection.unproven = True
                        return connection
                connection.close()
        return None

    def _open(self, deadline: float) -> Connection:
        settings = self._settings
        try:
            return open_connection(settings, min(deadline, time.monotonic() + settings.db_connect_timeout))
        except (psycopg2.Error, NameUnknown) as failure:
            raise unavailable(failure) from failure

    def _give_back(self, connection: Connection) -> None:
        if connection.unproven:
            self.proved(connection)
        if connection.closed:
            self.close_idle()
        else:
            connection.reused, connection.used_at = True, time.monotonic()
            self._idle.append(connection)
