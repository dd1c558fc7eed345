"""The totals that the database keeps equal what the tables say, however rows get there."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.database import Database
from shared.kinds import METHODS, STATUSES
from shared.totals import read_totals
from tests.sql.rows import a_payment, a_refund
from tests.support.cluster import Cluster, Place
from tests.support.sql import Sql

STEPS = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 2**31), st.integers(0, 40)),
    st.tuples(st.just("update"), st.integers(0, 2**31), st.sampled_from(STATUSES)),
    st.tuples(st.just("method"), st.integers(0, 2**31), st.sampled_from(METHODS)),
    st.tuples(st.just("amount"), st.integers(0, 2**31), st.just(None)),
    st.tuples(st.just("delete"), st.integers(0, 2**31), st.just(None)),
    st.tuples(st.just("truncate"), st.just(0), st.just(None)),
    st.tuples(st.just("refunds"), st.integers(0, 2**31), st.integers(0, 20)),
    st.tuples(st.just("settle_refunds"), st.integers(0, 2**31), st.sampled_from(["REFUNDED", "FAILED", "PENDING"])),
    st.tuples(st.just("delete_refunds"), st.integers(0, 2**31), st.just(None)),
    st.tuples(st.just("reconnect"), st.just(0), st.just(None)),
    st.tuples(st.just("rolled back"), st.integers(0, 2**31), st.just(None)),
)

INSERT = """
INSERT INTO payments (trip_id, amount, currency, method, status, refunded_amount, reference)
SELECT 1 + n, amount, 'INR', (ARRAY['CARD', 'UPI', 'WALLET', 'CASH'])[1 + n %% 4], status,
       CASE status WHEN 'REFUNDED' THEN amount WHEN 'SUCCESS' THEN trunc(amount / 3, 2) ELSE 0 END,
       'PAY-' || gen_random_uuid()
  FROM (SELECT n, (1 + (n * 7919 + %(seed)s::bigint) %% 99991)::numeric / 100 AS amount,
               (ARRAY['PENDING', 'SUCCESS', 'FAILED', 'REFUNDED'])[1 + (n / 4 + %(seed)s::bigint) %% 4] AS status
          FROM generate_series(1, %(count)s) AS n) AS made
"""
CHOSEN = "hashint8(payment_id + %(seed)s) % 3 = 0"
CHANGE = {
    "update": f"""UPDATE payments SET status = %(to)s,
                         refunded_amount = CASE %(to)s WHEN 'REFUNDED' THEN amount WHEN 'SUCCESS'
                                           THEN trunc(amount / 2, 2) ELSE 0 END
                   WHERE {CHOSEN}""",
    "method": f"UPDATE payments SET method = %(to)s WHERE {CHOSEN}",
    "amount": f"""UPDATE payments SET amount = amount + 1,
                         refunded_amount = CASE status WHEN 'REFUNDED' THEN amount + 1 ELSE refunded_amount END
                   WHERE {CHOSEN}""",
    "delete": f"""DELETE FROM payments WHERE {CHOSEN}
                     AND NOT EXISTS (SELECT FROM payment_refunds r WHERE r.payment_id = payments.payment_id)""",
    "truncate": "TRUNCATE payments, payment_refunds CASCADE",
    "refunds": """INSERT INTO payment_refunds (payment_id, amount, status, reference)
                  SELECT payment_id, 1 + payment_id % 7, (ARRAY['PENDING', 'REFUNDED', 'FAILED'])[1 + payment_id % 3],
                         'REF-' || gen_random_uuid()
                    FROM payments ORDER BY hashint8(payment_id + %(seed)s) LIMIT %(to)s""",
    "settle_refunds": "UPDATE payment_refunds SET status = %(to)s WHERE hashint8(refund_id + %(seed)s) % 2 = 0",
    "delete_refunds": "DELETE FROM payment_refunds WHERE hashint8(refund_id + %(seed)s) % 2 = 0",
}

ONE_SHARD = "CREATE OR REPLACE FUNCTION totals_shard() RETURNS smallint LANGUAGE sql STABLE AS 'SELECT 0::smallint'"
BY_STATUS_AND_METHOD = """
SELECT status, method, {count} AS count, sum(amount) AS amount, {refunded} AS refunded
  FROM {table} GROUP BY status, method HAVING {count} <> 0 ORDER BY status, method
"""
KEPT = BY_STATUS_AND_METHOD.format(table="payment_totals", count="sum(count)", refunded="sum(refunded)")
TRUE = BY_STATUS_AND_METHOD.format(table="payments", count="count(*)", refunded="sum(refunded_amount)")
EMPTY_REMAINDERS = """
SELECT count(*) FROM (SELECT FROM payment_totals GROUP BY status, method
                      HAVING sum(count) = 0 AND (sum(amount) <> 0 OR sum(refunded) <> 0)) AS remainders
"""


def totals_equal_the_tables(sql: Sql) -> None:
    assert sql.run(KEPT) == sql.run(TRUE)
    assert sql.value(EMPTY_REMAINDERS) == 0
    kept = sql.run("SELECT coalesce(sum(count), 0) AS count, coalesce(sum(amount), 0) AS amount FROM refund_totals")
    refunds = "SELECT count(*) AS count, coalesce(sum(amount), 0) AS amount FROM payment_refunds"
    assert kept == sql.run(refunds + " WHERE status = 'REFUNDED'")


def take(sql: Sql, place: Place, step: tuple[str, int, Any]) -> Sql:
    kind, seed, to = step
    if kind == "insert":
        sql.run(INSERT, {"seed": seed, "count": to})
    elif kind == "reconnect":  # another backend, so perhaps another shard
        sql.close()
        return place.connection()
    elif kind == "rolled back":
        sql.run("BEGIN")
        sql.run(INSERT, {"seed": seed, "count": 5})
        sql.run("ROLLBACK")
    else:
        sql.run(CHANGE[kind].replace("% ", "%% "), {"seed": seed % 1000, "to": to})
    return sql


@pytest.fixture(scope="module")
def shared_place(cluster: Cluster) -> Iterator[Place]:
    with cluster.database() as place:
        yield place


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, max_size=12))
def test_totals_equal_the_tables_whatever_is_done_to_them(
    shared_place: Place, steps: list[tuple[str, int, Any]]
) -> None:
    sql = shared_place.connection()
    try:
        sql.run("TRUNCATE payments, payment_refunds CASCADE")
        for step in [("insert", 7, 30), *steps]:
            sql = take(sql, shared_place, step)
            totals_equal_the_tables(sql)
    finally:
        sql.close()


def test_totals_survive_a_truncate_with_all_their_rows_gone(place: Place) -> None:
    place.sql.run(INSERT, {"seed": 1, "count": 50})
    place.sql.run("TRUNCATE payments CASCADE")
    assert place.sql.value("SELECT count(*) FROM payment_totals") == 0
    assert place.sql.value("SELECT count(*) FROM refund_totals") == 0


def test_updates_of_rows_in_opposite_orders_at_once_never_deadlock(place: Place) -> None:
    """All on one shard, which is the worst case; half of the threads move payments one way, half the other."""
    place.sql.run(ONE_SHARD)
    place.sql.run(INSERT, {"seed": 3, "count": 64})
    place.sql.run("UPDATE payments SET status = 'FAILED', refunded_amount = 0")
    threads, rounds = 8, 40
    start = threading.Barrier(threads)

    def work(number: int) -> None:
        with place.connection() as sql:
            start.wait(10)
            mine = list(range(1 + number * 8, 9 + number * 8))
            for turn in range(rounds):
                to = ("SUCCESS", "FAILED")[(turn + number) % 2]
                sql.run("UPDATE payments SET status = %s WHERE payment_id = ANY (%s)", (to, mine))

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    totals_equal_the_tables(place.sql)
    assert place.sql.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


def test_there_is_no_one_hot_row(place: Place) -> None:
    """A transaction that holds its totals does not keep one on another shard waiting."""
    connections = [place.connection() for _ in range(40)]
    try:
        shards: dict[int, Sql] = {}
        for connection in connections:
            shards.setdefault(connection.backend % 16, connection)
        first, second = list(shards.values())[:2]
        first.run("BEGIN")
        a_payment(first)
        second.run("SET statement_timeout = 1000")
        a_payment(second)
        first.run("COMMIT")
    finally:
        for connection in connections:
            connection.close()
    totals_equal_the_tables(place.sql)


def test_the_metrics_say_what_the_tables_say(place: Place, database: Database) -> None:
    sql = place.sql
    sql.run(INSERT, {"seed": 11, "count": 200})
    for payment_id in range(1, 12):
        a_refund(sql, payment_id, amount="2.50", status=("REFUNDED", "FAILED", "PENDING")[payment_id % 3])
    totals = read_totals(database)
    counts = {row["status"]: row["n"] for row in sql.run("SELECT status, count(*) AS n FROM payments GROUP BY 1")}
    assert totals.by_status == dict.fromkeys(STATUSES, 0) | counts
    counts = {row["method"]: row["n"] for row in sql.run("SELECT method, count(*) AS n FROM payments GROUP BY 1")}
    assert totals.by_method == dict.fromkeys(METHODS, 0) | counts
    average = "SELECT round(avg(amount), 2) FROM payments WHERE status = 'SUCCESS'"
    assert totals.average_amount == sql.value(average)
    revenue = "SELECT sum(amount - refunded_amount) FROM payments WHERE status IN ('SUCCESS', 'REFUNDED')"
    assert totals.revenue == sql.value(revenue)
    refunded = sql.run("SELECT count(*) AS n, sum(amount) AS s FROM payment_refunds WHERE status = 'REFUNDED'")[0]
    assert (totals.refund_count, totals.refund_amount) == (refunded["n"], refunded["s"])
    assert (totals.pending_count, totals.pending_oldest) == (0, 0)  # rows of history are not waited for


def test_the_totals_of_nothing_are_nothing(database: Database) -> None:
    totals = read_totals(database)
    assert totals.by_status == dict.fromkeys(STATUSES, 0)
    assert totals.by_method == dict.fromkeys(METHODS, 0)
    assert (totals.average_amount, totals.revenue, totals.refund_count, totals.refund_amount) == (0, 0, 0, 0)
    assert (totals.pending_count, totals.undelivered_count, totals.undelivered_oldest) == (0, 0, 0)
