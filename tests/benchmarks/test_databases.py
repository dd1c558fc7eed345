"""The databases of the benchmarks: made once, kept for later runs, and never of another schema than today's."""

from collections.abc import Iterator

import pytest

from benchmarks.databases import HISTORY, Databases, migrations
from local.postgres import Postgres
from tests.support.sql import Sql

NAMES = "SELECT datname FROM pg_database WHERE datname LIKE ANY ('{history,kept,making%,copy%}') ORDER BY datname"


class Filled:
    """Notes what it was asked to fill, and leaves nothing in it."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, server: Postgres, name: str) -> None:
        self.names.append(name)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One of these tests' own: to migrate a database changes the functions' role on its whole server."""
    with Postgres.temporary() as server:
        yield server


@pytest.fixture
def databases(server: Postgres) -> Iterator[Databases]:
    yield Databases(server)
    with Sql(server.environment()) as sql:
        for row in sql.run(NAMES):
            sql.run(f"DROP DATABASE {row['datname']} WITH (FORCE)")


def test_a_database_is_filled_once_and_kept(databases: Databases, server: Postgres) -> None:
    fill = Filled()
    for _ in range(2):
        assert databases.kept("kept", fill) == "kept"
    assert fill.names == ["making_kept"]
    with Sql(server.environment()) as sql:
        assert [row["datname"] for row in sql.run(NAMES)] == [HISTORY, "kept"]


def test_what_is_of_an_earlier_schema_is_migrated_and_what_is_of_another_is_made_anew(
    databases: Databases, server: Postgres
) -> None:
    fill = Filled()
    databases.kept("kept", fill)
    with Sql(server.environment()) as sql:
        sql.run(f"COMMENT ON DATABASE kept IS '{' '.join(migrations()[:-1])}'")
        databases.kept("kept", fill)
        assert fill.names == ["making_kept"]
        sql.run(f"COMMENT ON DATABASE kept IS '{' '.join(['0000:abc', *migrations()[1:]])}'")
        databases.kept("kept", fill)
        assert fill.names == ["making_kept"] * 2


def test_a_copy_has_the_history_and_is_gone_afterwards(databases: Databases, server: Postgres) -> None:
    with databases.copy() as place:
        assert place.sql.value("SELECT count(*) FROM payments") == 350
    with Sql(server.environment()) as sql:
        assert [row["datname"] for row in sql.run(NAMES)] == [HISTORY]
