"""One statement on a connection: its rows, or what the server's refusal means to whoever asked."""

from typing import Any

import psycopg2
import psycopg2.errors

from shared.platform.database.cell import ANOTHER_CELL, end
from shared.platform.database.connection import Connection, TimedOut
from shared.platform.database.prepared import Prepared
from shared.platform.unavailable import DatabaseUnavailable

__all__ = ["Conflict", "DatabaseUnavailable", "Row", "execute", "unavailable"]

Row = dict[str, Any]


class Conflict(Exception):
    """A unique index or constraint refused the statement, which changed nothing. `constraint` is its name."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


def execute_prepared(connection: Connection, prepared: Prepared, parameters: Row, deadline: float) -> list[Row]:
    """Runs a statement and gives its rows. The server plans it once for a connection; it is told what to plan with the first
    use, in the same round trip.

    What this side knows of the connection may be wrong: behind a pooler another server connection may have been meant, and a
    migration may have changed what the statement gives. The server says so before it does anything; if it says so twice, the
    statement is run as it is. Raises as `execute`.
    """
    if not prepared.name:
        return execute(connection, prepared.text, parameters, deadline)
    known = prepared.name in connection.prepared
    text = prepared.execute if known else f"{prepared.prepare}; {prepared.execute}"
    for _ in range(2):
        try:
            rows = execute(connection, text, parameters, deadline)
        except psycopg2.errors.InvalidSqlStatementName:
            text = f"{prepared.prepare}; {prepared.execute}"
        except psycopg2.errors.DuplicatePreparedStatement:
            text = prepared.execute
        except psycopg2.errors.FeatureNotSupported:
            text = f"DEALLOCATE {prepared.name}; {prepared.prepare}; {prepared.execute}"
        else:
            connection.prepared.add(prepared.name)
            return rows
    return execute(connection, prepared.text, parameters, deadline)


def execute(connection: Connection, text: str, parameters: Row, deadline: float) -> list[Row]:
    """Runs a statement, the last of several where they are parted by semicolons, and gives its rows.

    Raises Conflict where a unique index refuses it, and DatabaseUnavailable where the database is at fault or gives no answer
    by `deadline` (monotonic clock). Ends the process where the first on a connection finds another cell's database.
    """
    try:
        with connection.until(deadline), connection.cursor() as cursor:
            cursor.execute(connection.preface + text, parameters)
            connection.preface = ""
            if cursor.description is None:
                return []
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    except _NOT_AS_PREPARED:
        raise
    except psycopg2.errors.UniqueViolation as refusal:
        raise Conflict(refusal.diag.constraint_name or "") from refusal
    except _OUT_OF_ORDER as failure:
        if isinstance(failure, psycopg2.errors.ReadOnlySqlTransaction):
            connection.close()
        raise unavailable(failure, connection) from failure
    except psycopg2.DatabaseError as refusal:
        if refusal.pgcode == ANOTHER_CELL:
            end(refusal.diag.message_primary or "")
        raise


def unavailable(failure: psycopg2.Error | OSError, connection: Connection | None = None) -> DatabaseUnavailable:
    """What a failure means, with as much of its text as may be logged. `connection`: the one it happened on, once there was
    one."""
    if not isinstance(failure, psycopg2.Error):
        return DatabaseUnavailable(str(failure))
    timed_out = connection is not None and isinstance(failure, TimedOut)
    return DatabaseUnavailable(
        failure.pgcode or str(failure).split("\n", 1)[0],
        passing=connection is not None and bool(connection.closed) and not timed_out,
        undone=isinstance(failure, _UNDONE),
        timed_out=timed_out,
    )


# A prepared statement is not there, is there already, or gives something else by now ("cached plan must not change result
# type"): `execute_prepared` knows what to do.
_NOT_AS_PREPARED = (
    psycopg2.errors.InvalidSqlStatementName,
    psycopg2.errors.DuplicatePreparedStatement,
    psycopg2.errors.FeatureNotSupported,
)
# What the server surely undid, or never began: another try may well do. Deadlocks and serialization failures
# (https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html), and a server that is a standby.
_UNDONE = (
    psycopg2.errors.SerializationFailure,
    psycopg2.errors.DeadlockDetected,
    psycopg2.errors.ReadOnlySqlTransaction,
)
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
