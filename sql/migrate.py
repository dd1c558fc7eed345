"""Brings a database to the current schema: `python -m sql.migrate`. Any number at once are safe.

The numbered files of `sql/migrations` are applied in order, each once and in one transaction, but for those that say that they
build an index beside the writes: these may be repeated. Then the database is CELL's, where it was nobody's; and the role that
the functions use gets the rights of `sql/rights.sql`, and its `statement_timeout`, isolation and keep-alives, which no pooler
drops.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection
from yoyo import read_migrations
from yoyo.backends.core.postgresql import PostgresqlBackend
from yoyo.connections import DatabaseURI
from yoyo.migrations import default_migration_table

from shared.platform.settings import Settings
from sql import rights
from sql.cell import be_cell, refuse_another
from sql.owner import CONNECTION, DatabaseUnavailableError, UnsuitableDatabaseError, connect, run

MIGRATIONS = Path(__file__).parent / "migrations"
RACED = (psycopg2.errors.InternalError_, psycopg2.errors.UniqueViolation, psycopg2.errors.DuplicateObject)
# READ COMMITTED is what every statement was written for; under SERIALIZABLE by default half of the parallel refunds fail.
ISOLATION = "read committed"
# A server process whose client a firewall forgot would wait for it for hours, and be one of max_connections meanwhile.
ALIVE = {"tcp_keepalives_idle": 60, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
LOCK = 5_206_417_880_337_914  # any number, the same for every migration of this service


def migrate(environment: Mapping[str, str], wait: float = 30) -> str:
    """Migrates the database that `environment` names (DB_*), and says in one line what it did.

    Raises DatabaseUnavailableError when it gives no connection within `wait` seconds, UnsuitableDatabaseError when it cannot
    hold what is stored there or is another cell's than CELL says, and then it is as it was, psycopg2.Error when it refuses.
    """
    cell = Settings.read(environment).cell
    with closing(connect(environment, wait)) as owner:
        _check_encoding(owner)
        _lock(owner)
        refuse_another(owner, cell)
        applied = _apply(environment)
        be_cell(owner, cell)
        _prepare_role(owner, environment)
    return f"Migrations applied: {', '.join(applied)}." if applied else "The schema is current."


def _check_encoding(owner: connection) -> None:
    """Names and reasons are written in any script; a database of another encoding would refuse, or mangle, what it cannot
    write."""
    with owner.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_setting('server_encoding')")
        name, encoding = cursor.fetchone() or ("", "")
    if encoding != "UTF8":
        raise UnsuitableDatabaseError(f"The database {name} has the encoding {encoding}; it must be made with UTF8.")


def _lock(owner: connection) -> None:
    """Waits until no other migration is under way. It asks again and again: whoever waits for a lock inside a statement has a
    snapshot, and the index that the other builds concurrently would wait for that for ever."""
    with owner.cursor() as cursor:
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            if cursor.fetchone() == (True,):
                return
            time.sleep(0.2)


def _apply(environment: Mapping[str, str]) -> list[str]:
    """Applies what is missing. The caller holds the advisory lock, so a lock row of yoyo's is one whose process died."""
    settings = Settings.read(environment)
    place = DatabaseURI(
        "postgresql",
        settings.db_user,
        settings.db_pass,
        settings.db_host,
        settings.db_port,
        settings.db_name,
        dict(CONNECTION),
    )
    backend = PostgresqlBackend(place, default_migration_table)
    with closing(backend.connection):
        backend.execute("SET statement_timeout = 0")
        backend.init_database()
        backend.break_lock()
        with backend.lock():
            missing = backend.to_apply(read_migrations(str(MIGRATIONS)))
            backend.apply_migrations(missing)
            return [migration.id for migration in missing]


def _prepare_role(owner: connection, environment: Mapping[str, str]) -> None:
    """Gives the functions' role its rights and what holds for each of its sessions."""
    settings = Settings.read(environment)
    role = environment.get("DB_APP_USER") or settings.db_user
    if role != settings.db_user:
        _ensure_role(owner, role, environment)
        rights.give(owner, role)
    _set(owner, role, "statement_timeout", f"{round(settings.db_statement_timeout * 1000)}ms")
    _set(owner, role, "default_transaction_isolation", ISOLATION)
    for setting, seconds in ALIVE.items():
        _set(owner, role, setting, str(seconds))


def _ensure_role(owner: connection, role: str, environment: Mapping[str, str]) -> None:
    """The role exists and may log in with its password, or is given it."""
    password = environment.get("DB_APP_PASS", "")

    def ensure() -> None:
        try:
            connect(environment, wait=0, user=role, password=password).close()
        except DatabaseUnavailableError:
            with owner.cursor() as cursor:
                cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
                verb = sql.SQL("ALTER" if cursor.rowcount else "CREATE")
                change = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
                cursor.execute(change.format(verb, sql.Identifier(role), sql.Literal(password)))

    _again_when_raced(ensure)


def _set(owner: connection, role: str, setting: str, value: str) -> None:
    def change() -> None:
        with owner.cursor() as cursor:
            cursor.execute("SELECT rolconfig FROM pg_roles WHERE rolname = %s", [role])
            (settings,) = cursor.fetchone() or (None,)
            if f"{setting}={value}" not in (settings or []):
                alter = sql.SQL("ALTER ROLE {} SET {} = {}")
                cursor.execute(alter.format(sql.Identifier(role), sql.Identifier(setting), sql.Literal(value)))

    _again_when_raced(change)


def _again_when_raced(change: Callable[[], None]) -> None:
    """A role belongs to the whole server: a migration of another of its databases may be changing it at this moment."""
    for _ in range(20):
        try:
            return change()
        except RACED as raced:
            last = raced
            time.sleep(0.05)
    raise last


if __name__ == "__main__":
    run(migrate)
