"""The tests' own connections to PostgreSQL, which share nothing with the code under test."""

import select
import time
from typing import Any, Self

import psycopg2
from psycopg2 import extensions

Row = dict[str, Any]
LONGEST = 60.0


class Sql:
    """One connection of its own, opened when first needed. Asynchronous, so that a statement may be left waiting for a
    lock (`start`) while the test goes on."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        self._connection: extensions.connection | None = None
        self._cursor: extensions.cursor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, text: str, parameters: Any = None) -> list[Row]:
        """The rows of a statement (the last, where there are several). Raises psycopg2.Error."""
        self.start(text, parameters)
        return self.finish()

    def value(self, text: str, parameters: Any = None) -> Any:
        """The first column of the first row."""
        return next(iter(self.run(text, parameters)[0].values()))

    def start(self, text: str, parameters: Any = None) -> None:
        """Sends a statement and does not wait for it."""
        self._cursor = self._opened().cursor()
        self._cursor.execute(text, parameters)

    def finish(self) -> list[Row]:
        """Waits for the statement that was started."""
        assert self._cursor is not None
        assert self._connection is not None
        try:
            _wait(self._connection)
            if self._cursor.description is None:
                return []
            names = [column.name for column in self._cursor.description]
            return [dict(zip(names, row, strict=True)) for row in self._cursor.fetchall()]
        finally:
            self._cursor.close()

    @property
    def backend(self) -> int:
        return self._opened().info.backend_pid

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _opened(self) -> extensions.connection:
        if self._connection is None:
            self._connection = connected(self._settings)
            # Without the second, a vacuum finds the rows visible to all whose commit happened to be written out by then.
            self.run("SET statement_timeout = 0; SET synchronous_commit = on")
        return self._connection


def connected(settings: dict[str, str]) -> extensions.connection:
    """An asynchronous connection to the database that DB_* settings name."""
    connection = psycopg2.connect(
        host=settings["DB_HOST"],
        port=settings["DB_PORT"],
        dbname=settings["DB_NAME"],
        user=settings["DB_USER"],
        password=settings["DB_PASS"],
        application_name="tests",
        async_=True,
    )
    _wait(connection)
    return connection


def _wait(connection: extensions.connection) -> None:
    deadline = time.monotonic() + LONGEST
    while (state := connection.poll()) != extensions.POLL_OK:
        waiter = select.poll()
        waiter.register(connection.fileno(), select.POLLIN if state == extensions.POLL_READ else select.POLLOUT)
        if not waiter.poll(max(0.0, deadline - time.monotonic()) * 1000):
            raise TimeoutError(f"a statement of the test took longer than {LONGEST} s")
