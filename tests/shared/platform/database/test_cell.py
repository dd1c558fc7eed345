"""A process that was led to another cell's database does nothing there, and ends."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from shared.platform.database import Conflict, Database, DatabaseUnavailable
from shared.platform.database.connection import open_connection
from shared.platform.database.execution import execute
from tests.shared.platform.database.held import held
from tests.shared.platform.database.test_connection import soon
from tests.sql.rows import CLAIM
from tests.support.cluster import Place
from tests.support.wire import Wire

ENDED = "payment-service cannot start: CELL is 2, and the database test_[0-9]+ is of cell 0"
# Every way in which something is asked of a database.
ASKED: dict[str, Callable[[Database], object]] = {
    "run": lambda database: database.run("claim_payment", **CLAIM),
    "run_again": lambda database: database.run_again("payment", payment_id=1),
    "run_together": lambda database: database.run_together("ping", "ping"),
    "health": lambda database: database.writable_within(5),
    "is it stuck": lambda database: database._commits_are_waiting(),
}


@pytest.fixture
def other(place: Place) -> Iterator[Database]:
    """Cell 2's, led to the database of cell 0."""
    with closing(Database(place.settings(cell=2))) as database:
        yield database


@pytest.mark.parametrize("asked", ASKED)
def test_nothing_is_done_in_another_cell_s_database(other: Database, place: Place, asked: str) -> None:
    for _ in range(2):
        with pytest.raises(SystemExit, match=ENDED):
            ASKED[asked](other)
    assert place.sql.value("SELECT count(*) FROM payments") == 0


def test_a_connection_that_waited_long_before_its_first_use_is_asked_when_it_has_to_prove_itself(
    other: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.platform.database.connection.TRUSTED_FOR", -1)
    with pytest.raises(SystemExit, match=ENDED):
        other.run("claim_payment", **CLAIM)


def test_each_connection_is_asked_once_in_the_round_trip_of_its_first_statement(place: Place, wire: Wire) -> None:
    place.sql.run("CREATE SEQUENCE times_asked; GRANT USAGE ON times_asked TO PUBLIC; DROP FUNCTION in_cell")
    place.sql.run("CREATE FUNCTION in_cell(int) RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('times_asked') $$")
    with closing(open_connection(place.settings(db_port=wire.port), soon())) as connection:
        for _ in range(3):
            before = wire.round_trips
            assert execute(connection, "SELECT 7 AS seven", {}, soon()) == [{"seven": 7}]
            assert wire.round_trips - before == 1
    assert place.sql.value("SELECT last_value FROM times_asked") == 1


def test_one_whose_first_statement_was_refused_is_asked_again(place: Place) -> None:
    with closing(Database(place.settings(db_pool_size=1))) as database:
        database.run("claim_payment", **CLAIM)
        database.close()
        with pytest.raises(Conflict):
            database.run("claim_payment", **CLAIM)
        with held(database) as connection:
            assert connection.preface == "SELECT in_cell(0); "
        database.run("ping")
        with held(database) as connection:
            assert connection.preface == ""


@pytest.mark.parametrize("lacks", ["DELETE FROM cell", "DROP FUNCTION in_cell"])
def test_a_database_that_is_not_migrated_is_unavailable(place: Place, lacks: str) -> None:
    place.sql.run(lacks)
    with closing(Database(place.settings())) as database, pytest.raises(DatabaseUnavailable):
        database.run("ping")


@pytest.mark.parametrize(("server", "idle"), [("gunicorn/23", 1), ("", 0)])
def test_what_a_start_asked_with_is_kept_for_the_first_request_unless_a_fork_may_follow(
    place: Place, monkeypatch: pytest.MonkeyPatch, server: str, idle: int
) -> None:
    if server:
        monkeypatch.setenv("SERVER_SOFTWARE", server)
    with closing(Database(place.settings())) as database:
        database.refuse_another_cell()
        assert database.pool_use().idle == idle
        assert database.run("ping") == [{"writable": True}]
        assert database.pool_use().idle == 1


def test_a_start_waits_no_longer_than_a_connection_may_take(place: Place, wire: Wire) -> None:
    with closing(Database(place.settings(db_port=wire.port, db_connect_timeout=0.3))) as database:
        wire.freeze()
        began = time.monotonic()
        database.refuse_another_cell()
        assert time.monotonic() - began < 4
