"""Migrations: once each, any number at once, and a role for the functions that changes rows only."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Self

import psycopg2
import pytest

from local.ports import pick
from local.postgres import Postgres
from sql.migrate import MIGRATIONS, UnsuitableDatabaseError, migrate
from sql.owner import DatabaseUnavailableError, connect

PASSWORD = "p'a \"s%s:w@rd"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres.temporary() as server:
        yield server


def application(settings: dict[str, str]) -> dict[str, str]:
    return {**settings, "DB_USER": settings["DB_APP_USER"], "DB_PASS": settings["DB_APP_PASS"]}


def test_four_at_once_apply_each_migration_once(server: Postgres) -> None:
    server.create_database("raced")
    settings = {**server.environment("raced"), "DB_APP_USER": "raced_app", "DB_APP_PASS": PASSWORD}
    with ThreadPoolExecutor(4) as pool:
        said = sorted(pool.map(migrate, [settings] * 4))
    names = ", ".join(sorted(path.stem for path in MIGRATIONS.glob("*.sql")))
    assert said == [f"Migrations applied: {names}.", *["The schema is current."] * 3]


# An index that is being built and waits for transactions that began before.
BUILDING = """
SELECT pid FROM pg_stat_activity
 WHERE datname = current_database() AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
"""
INVALID = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid"
EVENT = "INSERT INTO outbox (event_id, type, subject, correlation_id, data) VALUES (%s, '', '', '', '{}')"


class Busy:
    """A database with an event in it whose indexes of what is open are missing, and a transaction that goes on and on."""

    def __init__(self, server: Postgres, name: str) -> None:
        server.create_database(name)
        self.settings = server.environment(name)
        migrate(self.settings)
        self._owner, self._other = connect(self.settings), connect(self.settings)
        self.run("DROP INDEX idx_outbox_oldest, idx_idempotency_oldest")
        self.run("DELETE FROM _yoyo_migration WHERE migration_id = '0006_outbox_age'")
        self._other.autocommit = False
        self._other.cursor().execute(EVENT, ["old"])

    def run(self, text: str, *parameters: object) -> list[tuple[object, ...]]:
        with self._owner.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else []

    def building(self) -> object:
        """The process that builds an index, as soon as it waits."""
        deadline = time.monotonic() + 20
        while not (found := self.run(BUILDING)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found[0][0]

    def end(self) -> None:
        """The transaction comes to its end."""
        self._other.commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._other.close()
        self._owner.close()


def test_while_an_index_is_built_requests_write_and_another_migration_waits(server: Postgres) -> None:
    with ThreadPoolExecutor(2) as pool, Busy(server, "busy") as busy:
        migrations = [pool.submit(migrate, busy.settings) for _ in range(2)]
        busy.building()
        busy.run("SET lock_timeout = '1s'")
        busy.run(EVENT, "new")
        busy.run("UPDATE outbox SET delivered_at = now()")
        busy.end()
        said = sorted(migration.result(30) for migration in migrations)
        assert said == ["Migrations applied: 0006_outbox_age.", "The schema is current."]
        assert busy.run(INVALID) == []


def test_an_index_whose_building_was_cut_short_is_made_good_by_the_next_migration(server: Postgres) -> None:
    with ThreadPoolExecutor(1) as pool, Busy(server, "interrupted") as busy:
        cut_short = pool.submit(migrate, busy.settings)
        busy.run("SELECT pg_terminate_backend(%s)", busy.building())
        with pytest.raises(psycopg2.Error):
            cut_short.result(30)
        assert busy.run(INVALID) == [("idx_outbox_oldest",)]
        busy.end()
        assert migrate(busy.settings) == "Migrations applied: 0006_outbox_age."
        assert busy.run(INVALID) == []
        assert busy.run("SELECT count(*) FROM pg_indexes WHERE indexname LIKE %s", "idx%oldest") == [(2,)]


def test_an_index_may_take_longer_to_build_than_a_statement_of_the_functions_takes(server: Postgres) -> None:
    """Without a role of their own the owner has their time-out."""
    with ThreadPoolExecutor(1) as pool, Busy(server, "slow") as busy:
        busy.run("ALTER ROLE CURRENT_USER IN DATABASE slow SET statement_timeout = '200ms'")
        migration = pool.submit(migrate, busy.settings)
        builder = busy.building()
        busy.run("SELECT pg_sleep(0.5)")
        assert busy.building() == builder
        busy.end()
        assert migration.result(30) == "Migrations applied: 0006_outbox_age."


def test_databases_of_one_server_are_migrated_at_once_for_one_role(server: Postgres) -> None:
    settings = []
    for name in ("one", "two", "three"):
        server.create_database(name)
        settings.append({**server.environment(name), "DB_APP_USER": "shared_app", "DB_APP_PASS": PASSWORD})
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(migrate, settings))
    for each in settings:
        connect(application(each), wait=0).close()


def test_a_lock_that_a_killed_migration_left_does_not_stop_the_next(server: Postgres) -> None:
    server.create_database("locked")
    settings = server.environment("locked")
    migrate(settings)
    with closing(connect(settings)) as owner, owner.cursor() as cursor:
        cursor.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    assert migrate(settings) == "The schema is current."


def test_the_role_of_the_functions_changes_rows_only(server: Postgres) -> None:
    server.create_database("granted")
    settings = {**server.environment("granted"), "DB_APP_USER": "granted_app", "DB_APP_PASS": PASSWORD}
    migrate({**settings, "DB_STATEMENT_TIMEOUT": "1.5"})
    with closing(connect(settings)) as owner, owner.cursor() as cursor:
        cursor.execute("CREATE TABLE later (id bigint GENERATED BY DEFAULT AS IDENTITY)")
    with closing(connect(application(settings))) as role, role.cursor() as cursor:
        cursor.execute("RESET statement_timeout")
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("1500ms",)
        for forbidden in (
            "INSERT INTO later DEFAULT VALUES",
            "CREATE TABLE mine ()",
            "TRUNCATE payments",
            "ALTER TABLE payments ADD extra text",
            "SELECT FROM _yoyo_migration",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(forbidden)


def test_a_new_password_or_time_out_is_taken_over(server: Postgres) -> None:
    server.create_database("changed")
    settings = {**server.environment("changed"), "DB_APP_USER": "changed_app", "DB_APP_PASS": "first"}
    migrate(settings)
    changed = {**settings, "DB_APP_PASS": "second"}
    migrate(changed)
    connect(application(changed), wait=0).close()
    with pytest.raises(DatabaseUnavailableError):
        connect(application(settings), wait=0)


def test_without_a_role_of_their_own_the_owner_gets_the_time_out(server: Postgres) -> None:
    server.create_database("alone")
    settings = server.environment("alone")
    migrate({**settings, "DB_STATEMENT_TIMEOUT": "7"})
    with closing(connect(settings)) as owner, owner.cursor() as cursor:
        cursor.execute("RESET statement_timeout")
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("7s",)


def test_no_database_is_one_line_without_the_password() -> None:
    settings = {"DB_HOST": "127.0.0.1", "DB_PORT": str(pick(1)[0]), "DB_PASS": "very-secret"}
    with pytest.raises(DatabaseUnavailableError) as refused:
        migrate(settings, wait=0.2)
    assert "\n" not in str(refused.value)
    assert "very-secret" not in str(refused.value)
    assert settings["DB_PORT"] in str(refused.value)


def test_a_wrong_password_is_said_at_once(server: Postgres) -> None:
    with pytest.raises(DatabaseUnavailableError, match="authentication failed"):
        connect({**server.environment(), "DB_PASS": "wrong"}, wait=60)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_of_another_encoding_is_refused_in_one_line(server: Postgres, encoding: str) -> None:
    name = f"in_{encoding.lower()}"
    with closing(connect(server.environment())) as owner, owner.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING {encoding} LOCALE 'C' LOCALE_PROVIDER libc")
    with pytest.raises(UnsuitableDatabaseError) as refused:
        migrate(server.environment(name))
    assert str(refused.value) == f"The database {name} has the encoding {encoding}; it must be made with UTF8."
    with closing(connect(server.environment(name))) as owner, owner.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert cursor.fetchone() == (0,)


def test_the_functions_read_committed_rows_whatever_the_server_says(server: Postgres) -> None:
    server.create_database("strict")
    settings = {**server.environment("strict"), "DB_APP_USER": "strict_app", "DB_APP_PASS": PASSWORD}
    with closing(connect(settings)) as owner, owner.cursor() as cursor:
        cursor.execute("ALTER DATABASE strict SET default_transaction_isolation = 'serializable'")
    migrate(settings)
    with closing(connect(application(settings))) as role, role.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        assert cursor.fetchone() == ("read committed",)


def test_a_session_whose_client_is_gone_ends_within_minutes(server: Postgres) -> None:
    server.create_database("alive")
    settings = {**server.environment("alive"), "DB_APP_USER": "alive_app", "DB_APP_PASS": PASSWORD}
    migrate(settings)
    with closing(connect(application(settings))) as role, role.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('tcp_keepalives_idle')::int, current_setting('tcp_keepalives_count')::int"
        )
        assert cursor.fetchone() == (60, 3)


def test_text_is_migrated_and_seeded_in_utf_8_whatever_the_environment_says(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with closing(connect(server.environment())) as owner, owner.cursor() as cursor:
        cursor.execute("SELECT octet_length(%s)", ("€",))
        assert cursor.fetchone() == (3,)
