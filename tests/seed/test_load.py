"""Loading the rows of history once, against a real PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import count

import pytest

from local.postgres import Postgres
from seed.load import load
from sql.migrate import migrate
from sql.owner import connect

LOADED = "350 rows of history loaded."
THERE = "The rows of history are there already."
ONE = """INSERT INTO payments (trip_id, amount, currency, method, status, reference)
         VALUES (1, 1, 'INR', 'CASH', 'FAILED', 'PAY-' || gen_random_uuid()) RETURNING payment_id"""


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with Postgres.temporary() as server:
        yield server


NUMBERS = count()


@pytest.fixture
def database(server: Postgres) -> dict[str, str]:
    name = f"seed_{next(NUMBERS)}"
    server.create_database(name)
    migrate(server.environment(name))
    return server.environment(name)


def rows(database: dict[str, str], query: str) -> list[tuple[object, ...]]:
    with closing(connect(database)) as owner, owner.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def test_loads_once(database: dict[str, str]) -> None:
    assert load(database) == LOADED
    assert load(database) == THERE
    assert rows(database, "SELECT count(*), min(payment_id), max(payment_id) FROM payments") == [(350, 1, 350)]
    assert rows(database, "SELECT DISTINCT currency, gateway, base_fare FROM payments") == [("INR", None, None)]
    assert rows(database, "SELECT bool_and(created_at = updated_at) FROM payments") == [(True,)]


def test_every_success_has_a_receipt(database: dict[str, str]) -> None:
    load({**database, "CURRENCY": "EUR"})
    same = """SELECT count(*) FILTER (WHERE r.payment_id IS NULL), count(r), count(*)
                FROM payments p LEFT JOIN payment_receipts r
                  ON (r.payment_id, r.amount, r.currency, r.issued_at) = (p.payment_id, p.amount, 'EUR', p.created_at)
               WHERE p.status = 'SUCCESS'"""
    ((without, having, charged),) = rows(database, same)
    assert without == 0
    assert having == charged
    assert rows(database, "SELECT count(*) FROM payment_receipts") == [(charged,)]


def test_four_at_once_load_once(database: dict[str, str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(load, [database] * 4))
    assert sorted(said) == sorted([LOADED, THERE, THERE, THERE])
    assert rows(database, "SELECT count(*) FROM payments") == [(350,)]


def test_new_ids_go_on_after_the_rows(database: dict[str, str]) -> None:
    load(database)
    assert rows(database, ONE) == [(351,)]
    load(database)
    assert rows(database, ONE) == [(352,)]


def test_ids_never_go_back_and_what_is_there_stays(database: dict[str, str]) -> None:
    rows(database, "SELECT setval(pg_get_serial_sequence('payments', 'payment_id'), 7000)")
    assert rows(database, ONE) == [(7001,)]
    rows(database, "UPDATE payments SET payment_id = 5 RETURNING 1")
    assert load(database) == "349 rows of history loaded."
    assert load(database) == THERE
    assert rows(database, ONE) == [(7002,)]
    assert rows(database, "SELECT trip_id FROM payments WHERE payment_id = 5") == [(1,)]
