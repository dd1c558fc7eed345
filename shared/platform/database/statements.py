"""PostgreSQL, by named statements: each one round trip and one commit, tried again where that cannot do harm."""

import math
import os
import re
import time
from functools import cache
from pathlib import Path
from typing import Any

from shared.platform.counting import PoolUse
from shared.platform.database.breaker import Breaker
from shared.platform.database.connection import Connection
from shared.platform.database.execution import Conflict, DatabaseUnavailable, Row, execute, execute_prepared
from shared.platform.database.pool import Pool
from shared.platform.database.prepared import Prepared
from shared.platform.settings import Settings
from shared.platform.spans import span

__all__ = ["Conflict", "Database", "DatabaseUnavailable", "Row", "statement"]

# What gunicorn writes into the environment before it forks. On a developer's machine functions-framework loads a function
# before that, and two processes would share the connection.
FORKED = "SERVER_SOFTWARE"
# Seconds, the contract's for GET /health: whoever probes waits little longer.
HEALTH_WITHIN = 2.0
STATEMENTS = Path(__file__).parents[3] / "sql" / "statements"


@cache
def statement(name: str) -> str:
    """The text of sql/statements/<name>.sql, without its comments."""
    text = (STATEMENTS / f"{name}.sql").read_text(encoding="utf-8")
    return re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE).strip()


@cache
def prepared(name: str) -> Prepared:
    """The statement of sql/statements/<name>.sql, as the server is told of it."""
    return Prepared.of(name, statement(name))


class Database:
    """A database that DB_* name, over at most DB_POOL_SIZE connections, all of them to a server that takes writes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = Pool(settings)
        self._breaker = Breaker(self._commits_are_waiting)
        self._patience = settings.db_statement_timeout + 1  # the server's own time-out comes first
        self._proof = settings.db_connect_timeout

    def run(self, name: str, **parameters: Any) -> list[Row]:
        """Runs a named statement once; a second time only where the first surely changed nothing.

        Raises Conflict where a unique index refuses it, else DatabaseUnavailable.
        """
        return self._run(prepared(name), parameters)

    def run_together(self, *names: str, repeatable: bool = False, **parameters: Any) -> list[Row]:
        """Runs named statements in one round trip and one commit, and returns the rows of the last. Raises as `run`; where all
        of them are `repeatable`, tries as `run_again`."""
        statements = [prepared(name) for name in names]
        what = statements[0] if len(statements) == 1 else Prepared.together(*statements)
        return self._run(what, parameters, repeatable=repeatable)

    def run_again(self, name: str, **parameters: Any) -> list[Row]:
        """As `run`, for a statement that may be repeated (it reads, or is conditional): tries once more, on a fresh
        connection, also where the first connection broke."""
        return self._run(prepared(name), parameters, repeatable=True)

    def one(self, name: str, **parameters: Any) -> Row | None:
        """The first row of a statement that may be repeated, or None."""
        rows = self.run_again(name, **parameters)
        return rows[0] if rows else None

    def writable_within(self, seconds: float) -> bool:
        """Whether a migrated database that takes writes answers within so many seconds, a new connection included."""
        deadline = time.monotonic() + seconds
        try:
            if self._run(prepared("ping"), {}, repeatable=True, deadline=deadline)[0]["writable"]:
                return True
            self.close()  # a pooler's connection may lead to another server now
            return bool(self._run(prepared("ping"), {}, deadline=deadline)[0]["writable"])
        except DatabaseUnavailable:
            return False

    def refuse_another_cell(self) -> None:
        """Ends this process, at its start, where the database answers and is another cell's."""
        from shared.platform.database.at_start import of_own_cell

        asked = of_own_cell(self._settings)
        if asked and FORKED in os.environ:
            self._pool.keep(asked)
        elif asked:
            asked.close()

    def pool_use(self) -> PoolUse:
        """How many connections there may be, are in use, and are idle."""
        return self._pool.use()

    def close(self) -> None:
        """Closes the connections that nobody is using."""
        self._pool.close_idle()

    def _run(
        self, what: Prepared, parameters: Row, *, repeatable: bool = False, deadline: float = math.inf
    ) -> list[Row]:
        # The statement's name and nothing of its parameters; what waits for a connection counts.
        with span(what.called, "client", {"db.system.name": "postgresql", "db.query.summary": what.called}):
            if what.awaits_its_commit:
                return self._breaker.run(lambda: self._try_twice(what, parameters, repeatable, deadline))
            return self._try_twice(what, parameters, repeatable, deadline)

    def _try_twice(self, what: Prepared, parameters: Row, repeatable: bool, deadline: float) -> list[Row]:
        try:
            return self._try(what, parameters, repeatable, deadline)
        except DatabaseUnavailable as failure:
            if not (failure.undone or (failure.passing and repeatable)):
                raise
        return self._try(what, parameters, repeatable, deadline)

    def _try(self, what: Prepared, parameters: Row, repeatable: bool, deadline: float) -> list[Row]:
        connection = self._pool.take(min(deadline, time.monotonic() + self._patience))
        try:
            return self._on(connection, what, parameters, repeatable and not what.awaits_its_commit, deadline)
        finally:
            self._pool.give_back(connection)

    def _on(self, connection: Connection, what: Prepared, parameters: Row, reads: bool, deadline: float) -> list[Row]:
        now = time.monotonic()
        deadline = min(deadline, now + self._patience)
        proved_by = now + min((deadline - now) / 2, self._proof)  # the fresh try needs its time too
        try:
            if connection.unproven and not reads:
                execute(connection, "SELECT 1", {}, proved_by)
                self._pool.proved(connection)
            rows = execute_prepared(
                connection, what, parameters, proved_by if reads and connection.reused else deadline
            )
        except DatabaseUnavailable as failure:
            # What was read again does no harm, and what was to be written was not sent.
            if connection.unproven or (failure.timed_out and reads and connection.reused):
                raise DatabaseUnavailable(f"an idle connection: {failure}", undone=True) from failure
            raise
        if connection.lost_its_writes:
            connection.close()
            if reads:
                raise DatabaseUnavailable("the server takes no writes any more", undone=True)
        return rows

    def _commits_are_waiting(self) -> bool:
        """Whether writes of ours have been waiting for a standby for long, on the server that is asked."""
        return bool(self._try_twice(prepared("commits_waiting"), {}, True, math.inf)[0]["waiting"])
