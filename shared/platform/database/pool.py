"""A pool of connections: few, opened when they are needed and one at a time, none of them older than it may be."""

import random
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
# How long a pool leaves the database alone after a login, in times of what that login took, give or take a half: longer where
# it has a connection now, and so is in no hurry to have another.
PAUSE_OPENED = 10.0
PAUSE_REFUSED = 0.5


class Pool:
    """At most `db_pool_size` connections, opened when first needed, so that a fork before that shares none.

    It logs in once at a time, since instances that start together do so together, and a pooler has one core for all of their
    logins: whoever else needs a connection meanwhile takes the next that there is, new or given back. A login that is given
    up has cost the pooler as much as any other. So after one that failed, the next may take as long as its request can wait,
    while the others are told within DB_CONNECT_TIMEOUT: however long the queue was, it grows shorter.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connect_timeout = settings.db_connect_timeout
        self._slots = threading.BoundedSemaphore(settings.db_pool_size)
        self._idle: deque[Connection] = deque()
        self._proving = threading.Lock()
        self._changed = threading.Condition()
        self._waiting = 0
        self._opening = False
        self._next_login = 0.0
        self._refused = False  # the last login

    @contextmanager
    def connection(self, deadline: float) -> Iterator[Connection]:
        """A connection, until `deadline` (monotonic clock); where one has to be opened for it, within DB_CONNECT_TIMEOUT unless
        the login before failed.

        One that is `unproven` was idle for long: `proved` says that it answered. One that is closed while it is used closes
        the idle ones too, since what befell it befell them. Raises DatabaseUnavailable.
        """
        if not self._slots.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise DatabaseUnavailable("every connection is in use")
        try:
            connection = self._take() or self._wait_or_open(deadline)
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

    def _wait_or_open(self, deadline: float) -> Connection:
        """The first that is given back while another request opens one, or a new one when it is our turn."""
        while not self._begins_login(time.monotonic(), deadline):
            if connection := self._take():
                return connection
        return self._open(deadline)

    def _begins_login(self, began: float, deadline: float) -> bool:
        """Whether it is our turn to log in; False as soon as there may be a connection to take instead."""
        with self._changed:
            self._waiting += 1
            try:
                while not self._idle:
                    now = time.monotonic()
                    if not self._opening and now >= self._next_login:
                        self._opening = True
                        return True
                    gives_up = min(deadline, began + self._connect_timeout) if self._refused else deadline
                    if now >= gives_up:
                        raise DatabaseUnavailable("no connection was opened in time")
                    self._changed.wait((gives_up if self._opening else min(gives_up, self._next_login)) - now)
                return False
            finally:
                self._waiting -= 1

    def _open(self, deadline: float) -> Connection:
        began = time.monotonic()
        refused = True
        try:
            until = deadline if self._refused else min(deadline, began + self._connect_timeout)
            connection = open_connection(self._settings, until)
            refused = False
            return connection
        except (psycopg2.Error, NameUnknown) as failure:
            raise unavailable(failure) from failure
        finally:
            with self._changed:
                self._opening, self._refused = False, refused
                now = time.monotonic()
                pause = (now - began) * (PAUSE_REFUSED if refused else PAUSE_OPENED)
                self._next_login = now + pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                self._changed.notify_all()

    def _give_back(self, connection: Connection) -> None:
        if connection.unproven:
            self.proved(connection)
        if connection.closed:
            self._next_login = 0.0
            self.close_idle()
        else:
            connection.reused, connection.used_at = True, time.monotonic()
            self._idle.append(connection)
            if self._waiting:
                with self._changed:
                    self._changed.notify()
