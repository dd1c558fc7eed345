"""Statements are planned once for a connection, whatever the server knows or forgets of them."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg2.errors
import pytest

from shared.platform.database import Database, execution
from shared.platform.database.connection import Connection, open_connection
from shared.platform.database.execution import Row, execute, execute_prepared
from shared.platform.database.prepared import Prepared
from tests.shared.platform.database.held import held
from tests.shared.platform.database.test_connection import soon
from tests.sql.rows import CLAIM
from tests.support.cluster import Place
from tests.support.wire import Wire

DOUBLE = Prepared.of("double", "SELECT %(number)s * 2 AS doubled, %(number)s AS number WHERE %(other)s = 'x'")
NUMBERS = {"number": 21, "other": "x"}
ANSWER = [{"doubled": 42, "number": 21}]


@pytest.fixture
def connection(place: Place) -> Iterator[Connection]:
    with closing(open_connection(place.settings(), soon())) as connection:
        yield connection


def known(connection: Connection) -> list[str]:
    """The statements that the server knows on this connection."""
    return [row["name"] for row in execute(connection, "SELECT name FROM pg_prepared_statements", {}, soon())]


def double(connection: Connection) -> list[Row]:
    return execute_prepared(connection, DOUBLE, NUMBERS, soon())


def test_a_statement_is_told_the_server_once(connection: Connection) -> None:
    for _ in range(3):
        assert double(connection) == ANSWER
    assert known(connection) == [DOUBLE.name]


def test_the_first_use_takes_one_round_trip_like_every_other(place: Place, wire: Wire) -> None:
    database = Database(place.settings(db_port=wire.port))
    database.run("ping")
    for _ in range(2):
        before = wire.round_trips
        database.run("payment", payment_id=1)
        assert wire.round_trips - before == 1
    database.close()


def test_another_version_of_a_statement_is_another_statement(connection: Connection) -> None:
    double(connection)
    other = Prepared.of("double", "SELECT %(number)s * 3 AS tripled")
    assert execute_prepared(connection, other, {"number": 2}, soon()) == [{"tripled": 6}]


def test_a_server_that_does_not_know_a_statement_is_told_again(connection: Connection) -> None:
    """Behind a pooler, any of its connections to the server may come."""
    double(connection)
    execute(connection, "DEALLOCATE ALL", {}, soon())
    assert double(connection) == ANSWER
    assert known(connection) == [DOUBLE.name]


def test_a_server_that_knows_a_statement_already_runs_it(connection: Connection) -> None:
    double(connection)
    connection.prepared.clear()
    assert double(connection) == ANSWER
    assert connection.prepared == {DOUBLE.name}


def test_a_write_is_carried_out_once_though_the_server_had_to_be_told_again(place: Place) -> None:
    database = Database(place.settings(db_pool_size=1))
    database.run("claim_payment", **CLAIM)
    with held(database) as connection:
        execute(connection, "DEALLOCATE ALL", {}, soon())
    database.run("claim_payment", **CLAIM | {"reference": "PAY-2", "key_hash": b"2" * 32})
    assert place.sql.value("SELECT count(*) FROM payments") == 2
    database.close()


def test_a_plan_that_a_migration_made_stale_is_made_again(place: Place, connection: Connection) -> None:
    place.sql.run("CREATE TABLE changing AS SELECT 1 AS a; GRANT SELECT ON changing TO PUBLIC")
    every = Prepared.of("every", "SELECT * FROM changing")
    assert execute_prepared(connection, every, {}, soon()) == [{"a": 1}]
    place.sql.run("ALTER TABLE changing ADD COLUMN b integer DEFAULT 2")
    for _ in range(2):
        assert execute_prepared(connection, every, {}, soon()) == [{"a": 1, "b": 2}]


def test_a_server_that_says_so_twice_is_given_the_statement_as_it_is(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the two tries met another connection of the pooler's."""
    double(connection)
    refusals = [psycopg2.errors.InvalidSqlStatementName, psycopg2.errors.DuplicatePreparedStatement]
    asked: list[str] = []

    def bounced(connection: Connection, text: str, *rest: Any) -> list[Row]:
        asked.append(text)
        if refusals:
            raise refusals.pop(0)
        return execute(connection, text, *rest)

    monkeypatch.setattr(execution, "execute", bounced)
    assert double(connection) == ANSWER
    assert asked[-1] == DOUBLE.text


def test_what_the_server_refuses_for_another_reason_is_refused(connection: Connection) -> None:
    with pytest.raises(psycopg2.errors.DivisionByZero):
        execute_prepared(connection, Prepared.of("none", "SELECT 1 / %(number)s"), {"number": 0}, soon())
    assert double(connection) == ANSWER
