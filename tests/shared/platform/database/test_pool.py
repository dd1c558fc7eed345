"""Idle connections: what a firewall forgot costs one request a moment and no request its answer."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from shared.platform.database import Database, DatabaseUnavailable
from shared.platform.database import connection as connections
from shared.platform.database.execution import execute
from tests.shared.platform.database.held import held
from tests.shared.platform.database.test_statements import CONNECTIONS
from tests.sql.rows import CLAIM
from tests.support.cluster import Place
from tests.support.outbox import until
from tests.support.wire import Wire

PROOF = 1.0
# Of a busy machine. What has proved nothing waits for the statement's time-out, seconds longer.
SLACK = 1.5


@pytest.fixture
def database(place: Place, wire: Wire) -> Iterator[Database]:
    """A pool of five, in use and given back, over a wire that can forget."""
    database = Database(place.settings(db_port=wire.port, db_pool_size=5, db_connect_timeout=PROOF))
    with ExitStack() as in_use:
        for _ in range(5):
            in_use.enter_context(held(database))
    yield database
    database.close()


@pytest.fixture
def distrusts(database: Database) -> None:
    """Every connection that the pool has now has to prove itself, as if it had been idle for long."""
    for connection in database._pool._idle:
        connection.used_at -= connections.TRUSTED_FOR + 1


def timed(database: Database, name: str = "ping") -> float:
    began = time.monotonic()
    assert database.run_again(name)
    return time.monotonic() - began


def test_a_forgotten_connection_costs_one_request_a_moment_and_none_its_answer(
    database: Database, wire: Wire, distrusts: None
) -> None:
    wire.forget()
    assert PROOF <= timed(database) < PROOF + SLACK
    assert max(timed(database) for _ in range(10)) < PROOF / 2


def test_even_one_that_was_used_a_moment_ago_costs_a_reader_no_answer(database: Database, wire: Wire) -> None:
    wire.forget()
    assert PROOF <= timed(database) < PROOF + SLACK
    assert max(timed(database) for _ in range(10)) < PROOF / 2


def test_of_requests_at_the_same_moment_one_pays(database: Database, wire: Wire, distrusts: None) -> None:
    wire.forget()
    with ThreadPoolExecutor(5) as pool:
        waits = sorted(pool.map(lambda _: timed(database), range(5)))
    assert waits[-1] >= PROOF
    assert waits[-2] < PROOF


def test_a_claim_is_never_sent_into_a_forgotten_connection(
    place: Place, database: Database, wire: Wire, distrusts: None
) -> None:
    wire.forget()
    began = time.monotonic()
    database.run("claim_payment", **CLAIM)
    assert PROOF <= time.monotonic() - began < PROOF + SLACK
    assert place.sql.value("SELECT count(*) FROM payments") == 1


def test_a_connection_that_is_in_use_has_nothing_to_prove(database: Database, wire: Wire) -> None:
    before = wire.round_trips
    database.run("claim_payment", **CLAIM)
    assert wire.round_trips - before == 1


def test_a_look_is_its_own_proof(database: Database, wire: Wire, distrusts: None) -> None:
    before = wire.round_trips
    database.run_again("look", key_hash=b"k", lease_seconds=3)
    assert wire.round_trips - before == 1


def test_a_server_that_is_slow_to_prove_itself_is_given_its_time_on_a_fresh_connection(
    place: Place, database: Database, distrusts: None
) -> None:
    lock = place.connection()
    lock.run("BEGIN; LOCK TABLE payments IN ACCESS EXCLUSIVE MODE")
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(database.run_again, "payment", payment_id=1)
        time.sleep(PROOF * 1.5)  # longer than a proof may take
        lock.close()
        assert looking.result(10) == []


def test_a_health_check_is_not_told_of_a_forgotten_connection(database: Database, wire: Wire) -> None:
    wire.forget()
    assert database.writable_within(2 * PROOF)


def test_connections_live_no_longer_than_they_may(place: Place) -> None:
    database = Database(place.settings(db_max_lifetime=0.2))
    database.run("ping")
    backend = (
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'payment-service' AND datname = current_database()"
    )
    first = place.sql.value(backend)
    database.run("ping")
    assert place.sql.value(backend) == first
    time.sleep(0.25)
    database.run("ping")
    assert place.sql.value(backend) != first
    assert place.sql.value(CONNECTIONS) == 1
    database.close()


def test_what_befell_one_connection_befell_the_idle_ones(place: Place, database: Database, wire: Wire) -> None:
    opened = place.sql.value(CONNECTIONS)
    assert opened > 1
    wire.cut_before("EXECUTE payment_totals")
    assert database.run_again("payment_totals") == []
    wait_until_one_is_left(place)


def test_when_every_connection_is_in_use_the_others_say_so(place: Place) -> None:
    database = Database(place.settings(db_pool_size=1, db_statement_timeout=0.1))
    with held(database), pytest.raises(DatabaseUnavailable, match="in use"):
        database.run("ping")
    database.close()


def test_many_that_want_few_connections_all_get_one_and_none_is_lost(place: Place) -> None:
    """Some of them give up at the very moment when one is given back."""
    database = Database(place.settings(db_pool_size=2))
    gave_up = []

    def want(number: int) -> None:
        for turn in range(150):
            try:
                with held(database, 0.001 if (number + turn) % 3 == 0 else 30) as connection:
                    execute(connection, "SELECT 1", {}, time.monotonic() + 30)
            except DatabaseUnavailable as failure:
                gave_up.append(str(failure))

    with ThreadPoolExecutor(12) as pool:
        with held(database), held(database):
            wants = [pool.submit(want, number) for number in range(12)]
            until(lambda: len(gave_up) >= 4)
        for each in wants:
            each.result()
    assert set(gave_up) == {"every connection is in use"}
    assert len(gave_up) < 12 * 50
    with held(database, 1), held(database, 1):
        assert place.sql.value(CONNECTIONS) == 2
    database.close()


def wait_until_one_is_left(place: Place) -> None:
    deadline = time.monotonic() + 5
    while place.sql.value(CONNECTIONS) != 1:
        assert time.monotonic() < deadline, place.sql.value(CONNECTIONS)
        place.sql.run("SELECT pg_sleep(0.01)")
