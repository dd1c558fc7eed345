"""PostgreSQL: a pool of connections that opens lazily, and named statements run on it.

Connections are asynchronous in psycopg2's sense: each wait for the server is `_wait`, bounded on this side whatever the
network or the server does. Such connections are autocommit, so a statement is one round trip and one commit.
"""

import math
import re
import select
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
from psycopg2 import extensions

from shared.settings import SETTINGS, Settings

STATEMENTS = Path(__file__).parent.parent / "sql" / "statements"

Row = dict[str, Any]


class DatabaseUnavailable(Exception):
    """The database does not answer, or cannot take writes, or is not migrated. Whether a write happened is unknown.

    `passing`: the connection broke, or the statement lost a deadlock: another try on a fresh connection may well do.
    """

    def __init__(self, reason: str, *, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


class Conflict(Exception):
    """A unique index or constraint refused the statement, which changed nothing. `constraint` is its name."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class _TimedOut(psycopg2.OperationalError):
    """The database did not answer in time."""


def _wait(connection: extensions.connection, deadline: float) -> None:
    while (state := connection.poll()) != extensions.POLL_OK:
        waiter = select.poll()
        waiter.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        left = deadline - time.monotonic()
        if left <= 0 or not waiter.poll(left * 1000):
            connection.close()
            raise _TimedOut("the database did not answer in time")


@cache
def statement(name: str) -> str:
    """The text of sql/statements/<name>.sql, without its comments."""
    text = (STATEMENTS / f"{name}.sql").read_text(encoding="utf-8")
    return re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE).strip()


class Database:
    """At most `db_pool_size` connections, opened when first needed, so that a fork before that shares none."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self._settings = settings
        self._slots = threading.BoundedSemaphore(settings.db_pool_size)
        self._idle: deque[extensions.connection] = deque()
        self._patience = settings.db_statement_timeout + 1  # the server's own time-out comes first

    def run(self, name: str, **parameters: Any) -> list[Row]:
        """Runs a named statement once. Raises Conflict where a unique index refuses it, else DatabaseUnavailable."""
        return self._run(statement(name), parameters)

    def run_together(self, *names: str, **parameters: Any) -> list[Row]:
        """Runs named statements in one round trip and one commit, and returns the rows of the last. Raises as `run`."""
        return self._run("; ".join(statement(name) for name in names), parameters)

    def run_again(self, name: str, **parameters: Any) -> list[Row]:
        """As `run`, for a statement that may be repeated (it reads, or is conditional): tries once more, on a fresh
        connection, after a broken connection, a deadlock or a serialization failure."""
        try:
            return self.run(name, **parameters)
        except DatabaseUnavailable as failure:
            if not failure.passing:
                raise
        self.close()
        return self.run(name, **parameters)

    def one(self, name: str, **parameters: Any) -> Row | None:
        """The first row of a statement that may be repeated, or None."""
        rows = self.run_again(name, **parameters)
        return rows[0] if rows else None

    def writable_within(self, seconds: float) -> bool:
        """Whether a migrated database that takes writes answers within so many seconds, a new connection included."""
        deadline = time.monotonic() + seconds
        for _ in range(2):
            try:
                return bool(self._run(statement("ping"), {}, deadline)[0]["writable"])
            except DatabaseUnavailable as failure:
                if not failure.passing:
                    return False
                self.close()
        return False

    def close(self) -> None:
        """Closes the connections that nobody is using."""
        while self._idle:
            with suppress(IndexError):
                self._idle.pop().close()

    def _run(self, text: str, parameters: Row, deadline: float = math.inf) -> list[Row]:
        with self._connection(deadline) as connection:
            return _execute(connection, text, parameters, min(deadline, time.monotonic() + self._patience))

    @contextmanager
    def _connection(self, deadline: float) -> Iterator[extensions.connection]:
        patience = min(deadline - time.monotonic(), self._patience)
        if not self._slots.acquire(timeout=max(0.0, patience)):
            raise DatabaseUnavailable("every connection is in use")
        try:
            connection = self._take_or_open(deadline)
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._slots.release()

    def _take_or_open(self, deadline: float) -> extensions.connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._open(min(deadline, time.monotonic() + self._settings.db_connect_timeout))

    def _give_back(self, connection: extensions.connection) -> None:
        if connection.closed or connection.info.transaction_status != extensions.TRANSACTION_STATUS_IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def _open(self, deadline: float) -> extensions.connection:
        settings = self._settings
        try:
            connection = psycopg2.connect(
                host=settings.db_host,
                port=settings.db_port,
                dbname=settings.db_name,
                user=settings.db_user,
                password=settings.db_pass,
                application_name="payment-service",
                tcp_user_timeout=int(self._patience * 1000),
                async_=True,
            )
            _wait(connection, deadline)
        except psycopg2.Error as failure:
            raise DatabaseUnavailable(_reason(failure)) from failure
        return connection


def _execute(connection: extensions.connection, text: str, parameters: Row, deadline: float) -> list[Row]:
    try:
        with connection.cursor() as cursor:
            cursor.execute(text, parameters)
            _wait(connection, deadline)
            if cursor.description is None:
                return []
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except psycopg2.errors.UniqueViolation as refusal:
        raise Conflict(refusal.diag.constraint_name or "") from refusal
    except _OUT_OF_ORDER as failure:
        broken = bool(connection.closed) and not isinstance(failure, _TimedOut)
        lost = isinstance(failure, extensions.TransactionRollbackError)
        raise DatabaseUnavailable(_reason(failure), passing=broken or lost) from failure


# What says that the database, not the statement, is at fault: not reachable, shutting down, cancelled by its time-out,
# deadlocked, read-only (a standby), not migrated yet, or without the rights that the migration grants.
_OUT_OF_ORDER = (
    psycopg2.OperationalError,
    psycopg2.InterfaceError,
    psycopg2.errors.ReadOnlySqlTransaction,
    psycopg2.errors.UndefinedTable,
    psycopg2.errors.UndefinedColumn,
    psycopg2.errors.UndefinedFunction,
    psycopg2.errors.InvalidSchemaName,
    psycopg2.errors.InsufficientPrivilege,
)


def _reason(failure: psycopg2.Error) -> str:
    """The SQLSTATE, or the first line: enough for the log, without parameters."""
    return failure.pgcode or str(failure).split("\n", 1)[0]
