"""A pool of connections: few, opened when they are needed and one at a time, none of them older than it may be."""

import random
import threading
import time

import psycopg2

from shared.platform.counting import Durations, PoolUse
from shared.platform.database.connection import Connection, open_connection
from shared.platform.database.execution import DatabaseUnavailable, unavailable
from shared.platform.settings import Settings

# How long, seconds, a request waits while another finds out whether an idle connection still leads to the server, before it
# opens a new one instead: at most one request pays for what a firewall forgot.
OVERTAKES_AFTER = 0.05
# How long, seconds, a login may take after one that failed. Nobody waits so long for it; who comes later has it.
LONGEST_LOGIN = 5.0
# How long a pool leaves the database alone after a login, in times of what that login took, give or take a half: longer where
# it has a connection now, and so is in no hurry to have another.
PAUSE_OPENED = 5.0
PAUSE_REFUSED = 0.5

POOL_WAIT = Durations(
    "payment_pool_wait_seconds",
    "Each time a connection to the database was waited for, since none was idle, and whether there was one in time.",
    "outcome",
)


class Pool:
    """At most `db_pool_size` connections, opened when first needed, so that a fork before that shares none.

    It logs in once at a time, since instances that start together do so together, and a pooler has one core for all of their
    logins: whoever needs a connection takes the next that there is, new or given back. A login that is given up has cost the
    pooler as much as any other, so it is a thread's and not a request's, and after one that failed, the next is given long:
    requests are answered in time meanwhile, and however long the queue is, it grows shorter.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._size = settings.db_pool_size
        self._longest = settings.db_max_lifetime
        self._connect_timeout = settings.db_connect_timeout
        self._proving = threading.Lock()
        self._changed = threading.Condition()  # guards all that follows
        self._idle: list[Connection] = []
        self._in_use = 0
        self._opening = False
        self._next_login = 0.0
        self._failure: psycopg2.Error | OSError | None = None  # of the last login
        self._failed_at = 0.0

    def take(self, deadline: float) -> Connection:
        """A connection, to be given back: the one that was used last, or the next that there is, until `deadline` (monotonic
        clock); where none is in use that will be given back, within DB_CONNECT_TIMEOUT.

        One that is `unproven` was idle for long: `proved` says that it answered. Raises DatabaseUnavailable.
        """
        while True:
            connection = self._next(deadline)
            if connection.may_be_used(self._longest):
                if not connection.stale:
                    return connection
                if self._proving.acquire(timeout=OVERTAKES_AFTER):
                    connection.unproven = True
                    return connection
            connection.close()
            self._put_back(connection)

    def give_back(self, connection: Connection) -> None:
        """It is not used any more. One that was closed while it was used closes the idle ones too, since what befell it befell
        them."""
        if connection.unproven:
            self.proved(connection)
        if connection.closed:
            self.close_idle()
            self._next_login = 0.0
        else:
            connection.reused, connection.used_at = True, time.monotonic()
        self._put_back(connection)

    def keep(self, connection: Connection) -> None:
        """One that somebody else opened is there to be taken."""
        with self._changed:
            self._idle.append(connection)
            self._changed.notify()

    def proved(self, connection: Connection) -> None:
        """The connection, which was unproven, answered; the next one may be tried."""
        connection.unproven = False
        self._proving.release()

    def use(self) -> PoolUse:
        with self._changed:
            return PoolUse(self._size, self._in_use, len(self._idle))

    def close_idle(self) -> None:
        """Closes the connections that nobody is using."""
        with self._changed:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _next(self, deadline: float) -> Connection:
        with self._changed:
            if not self._idle:
                self._wait(deadline)
            self._in_use += 1
            return self._idle.pop()

    def _put_back(self, connection: Connection) -> None:
        with self._changed:
            self._in_use -= 1
            if not connection.closed:
                self._idle.append(connection)
            self._changed.notify()

    def _wait(self, deadline: float) -> None:
        began, outcome = time.monotonic(), "refused"
        try:
            self._await_one(deadline)
            outcome = "served"
        finally:
            POOL_WAIT.note(time.monotonic() - began, outcome)

    def _await_one(self, deadline: float) -> None:
        began = time.monotonic()
        while not self._idle:
            now = time.monotonic()
            if self._in_use:
                began = now
            elif self._failure and self._failed_at >= began:
                raise unavailable(self._failure) from self._failure
            all_in_use = self._in_use >= self._size
            wakes = deadline if self._in_use else min(deadline, began + self._connect_timeout)
            if now >= wakes:
                self._changed.notify()  # whatever this one was told of is another's now
                raise DatabaseUnavailable(
                    "every connection is in use" if all_in_use else "no connection was opened in time"
                )
            if not self._opening and not all_in_use:
                if now >= self._next_login:
                    self._begin_login()
                else:
                    wakes = min(wakes, self._next_login)
            self._changed.wait(wakes - now)

    def _begin_login(self) -> None:
        self._opening = True
        try:
            threading.Thread(target=self._log_in, name="database-login", daemon=True).start()
        except RuntimeError:  # the process ends, or has threads enough
            self._log_in()

    def _log_in(self) -> None:
        began = time.monotonic()
        opened: Connection | None = None
        failure: psycopg2.Error | OSError | None = None
        try:
            longest = LONGEST_LOGIN if self._failure else self._connect_timeout
            opened = open_connection(self._settings, began + longest)
        except (psycopg2.Error, OSError) as refused:
            failure = refused
        finally:
            with self._changed:
                if opened:
                    self._idle.append(opened)
                now = time.monotonic()
                pause = (now - began) * (PAUSE_REFUSED if failure else PAUSE_OPENED)
                self._next_login = now + pause * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
                self._opening, self._failure, self._failed_at = False, failure, now
                self._changed.notify_all()
