"""The entries of the totals, and their folding: right in every snapshot, whoever writes, folds and reads at the same moment."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.platform.database.statements import statement
from tests.sql.pages import pages
from tests.sql.rows import a_payment, a_refund
from tests.sql.test_totals import INSERT, folded_by, totals_equal_the_tables
from tests.support.cluster import Place

FOLD = statement("keep_up")
# In one statement, so in one snapshot: how many totals are not what the tables say.
WRONG = """
SELECT (SELECT count(*) FROM (
          SELECT currency, status, method, sum(count), sum(amount), sum(refunded) FROM (
            SELECT currency, status, method, count, amount, refunded FROM payment_totals
             UNION ALL
            SELECT currency, status, method, -1, -amount, -refunded_amount FROM payments) AS payments
           GROUP BY 1, 2, 3 HAVING (sum(count), sum(amount), sum(refunded)) <> (0, 0, 0)) AS payments)
     + (SELECT count(*) FROM (
          SELECT currency, sum(count), sum(amount) FROM (
            SELECT currency, count, amount FROM refund_totals
             UNION ALL
            SELECT p.currency, -1, -r.amount
              FROM payment_refunds r JOIN payments p USING (payment_id) WHERE r.status = 'REFUNDED') AS refunds
           GROUP BY 1 HAVING (sum(count), sum(amount)) <> (0, 0)) AS refunds)
     + (SELECT count(*) FROM (
          SELECT currency, status, sum(count), sum(amount), sum(refunded) FROM (
            SELECT currency, status, count, amount, refunded FROM figures_counted
             UNION ALL
            SELECT currency, status, -count, -amount, -refunded FROM totals_counted) AS moves
           GROUP BY 1, 2 HAVING (sum(count), sum(amount), sum(refunded)) <> (0, 0, 0)) AS figures)
"""
ENTRIES = """
SELECT count(*) FILTER (WHERE gateway_receivable IS NULL) AS of_totals,
       count(*) FILTER (WHERE gateway_receivable IS NOT NULL) AS of_balances
  FROM totals_entries
"""


def entries(place: Place) -> tuple[int, int]:
    """How many there are of totals, and of the balances with gateways (0026_ledger)."""
    [row] = place.sql.run(ENTRIES)
    return row["of_totals"], row["of_balances"]


def test_entries_are_folded_into_one_for_each_total_and_each_gateway(place: Place) -> None:
    for _ in range(30):
        a_payment(place.sql)
    assert min(entries(place)) >= 30
    assert place.sql.run(FOLD)[0]["folded"] >= 60
    assert entries(place) == (1, 1)
    totals_equal_the_tables(place.sql)


def test_what_is_under_way_is_not_folded_and_counts_once_it_is_committed(place: Place) -> None:
    with place.connection() as slow:
        slow.run("BEGIN")
        a_payment(slow, method="UPI")
        for _ in range(5):
            a_payment(place.sql)
            place.sql.run(FOLD)
        totals_equal_the_tables(place.sql)
        slow.run("COMMIT")
    totals_equal_the_tables(place.sql)
    place.sql.run(FOLD)
    totals_equal_the_tables(place.sql)


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_entries_are_folded_past_a_transaction_that_writes_for_long(place: Place, end: str) -> None:
    with place.connection() as slow, place.connection() as elsewhere:
        elsewhere.run("BEGIN; SELECT pg_current_xact_id()")
        slow.run("BEGIN")
        a_payment(slow, method="UPI")
        for _ in range(5):
            a_payment(place.sql)
            place.sql.run(FOLD)
            assert entries(place) == (1, 1)
            totals_equal_the_tables(place.sql)
        slow.run(end)
        totals_equal_the_tables(place.sql)
        a_payment(place.sql)
        place.sql.run(FOLD)
        assert entries(place) == (2 if end == "COMMIT" else 1, 1)  # one for each total, and one for the gateway
        totals_equal_the_tables(place.sql)
        elsewhere.run("COMMIT")


@pytest.mark.parametrize("end", ["ROLLBACK", "ROLLBACK TO s; COMMIT"])
def test_a_fold_that_is_undone_leaves_the_totals_as_they_were(place: Place, end: str) -> None:
    for _ in range(5):
        a_payment(place.sql)
    place.sql.run("BEGIN; SAVEPOINT s")
    a_payment(place.sql)
    place.sql.run(FOLD)
    place.sql.run(end)
    totals_equal_the_tables(place.sql)
    a_payment(place.sql)
    place.sql.run(FOLD)
    totals_equal_the_tables(place.sql)


def test_a_fold_inside_a_savepoint_is_right_too(place: Place) -> None:
    a_payment(place.sql)
    place.sql.run("BEGIN; SAVEPOINT s")
    place.sql.run(FOLD)
    place.sql.run("RELEASE s; COMMIT")
    for _ in range(3):
        a_payment(place.sql)
        totals_equal_the_tables(place.sql)
        place.sql.run(FOLD)
    totals_equal_the_tables(place.sql)


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_whoever_keeps_a_snapshot_writes_although_others_fold(place: Place, isolation: str) -> None:
    place.sql.run(folded_by(1))
    with place.connection() as other:
        other.run(f"BEGIN ISOLATION LEVEL {isolation}")
        other.run("SELECT count(*) FROM payments")
        a_payment(place.sql)
        a_payment(other)
        other.run("COMMIT")
    totals_equal_the_tables(place.sql)


def test_whoever_keeps_a_snapshot_reads_the_totals_of_its_moment(place: Place) -> None:
    a_payment(place.sql)
    with place.connection() as backup:
        backup.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert backup.value("SELECT count(*) FROM payments") == 1
        for _ in range(20):
            a_payment(place.sql)
            place.sql.run(FOLD)
        assert backup.value(WRONG) == 0
        assert backup.value("SELECT sum(count) FROM payment_totals") == 1
        backup.run("COMMIT")


def test_a_hundred_folds_behind_a_held_snapshot_leave_little_to_read(place: Place) -> None:
    with place.connection() as backup:
        backup.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        backup.run("SELECT count(*) FROM payments")
        place.sql.run(folded_by(0.01))
        for _ in range(5000):
            place.sql.run("INSERT INTO totals_entries (currency, count, amount, refunded) VALUES ('INR', 1, 1, 0)")
        place.sql.run(FOLD)
        for plan in ("custom", "generic"):
            assert pages(place.sql, "payment_totals", {}, plan) <= 20
        backup.run("COMMIT")


# As a dump leaves it that was restored where fewer transactions were counted: all numbers are from before.
RESTORED = """
UPDATE totals_entries SET written = '9999999999';
UPDATE totals_folded SET since = '9999999990', noted_by = '9999999990';
UPDATE oldest_open SET noted_by = '9999999990', noted_at = now() - interval '1 hour'
"""


def test_a_restored_database_whose_transactions_are_counted_anew_counts_right(place: Place) -> None:
    for _ in range(3):
        a_payment(place.sql)
    place.sql.run(FOLD)
    a_payment(place.sql)
    place.sql.run(RESTORED)
    totals_equal_the_tables(place.sql)
    for _ in range(3):
        a_payment(place.sql)
        totals_equal_the_tables(place.sql)
        place.sql.run(FOLD)
        totals_equal_the_tables(place.sql)
    assert place.sql.value("SELECT noted_at = now() FROM oldest_open") is False
    assert place.sql.value("SELECT noted_at > now() - interval '1 min' FROM oldest_open")


AS_MIGRATED = """
INSERT INTO totals_folded (since, noted_by) VALUES ('0', '0');
INSERT INTO oldest_open VALUES (true, '-infinity', '-infinity', '-infinity', '-infinity', '-infinity', '0', '-infinity')
"""


def test_the_totals_are_right_though_nobody_knows_where_to_begin(place: Place) -> None:
    a_payment(place.sql)
    place.sql.run(FOLD)
    place.sql.run("TRUNCATE totals_folded, oldest_open")
    a_payment(place.sql)
    place.sql.run(FOLD)
    totals_equal_the_tables(place.sql)
    assert place.sql.value("SELECT '-infinity' = ALL (ARRAY[requests, events, expired, delivered]) FROM open_from")
    place.sql.run(AS_MIGRATED)


def test_writers_folds_and_readers_at_once_see_totals_that_equal_the_tables(place: Place) -> None:
    place.sql.run(INSERT, {"seed": 3, "count": 40})
    place.sql.run(folded_by(0.2))
    over = threading.Event()
    wrong: list[Any] = []

    def write(number: int) -> None:
        with place.connection() as sql:
            for turn in range(60):
                if turn % 7 == 3:
                    sql.run("BEGIN; SAVEPOINT a")
                    a_payment(sql, method=("CARD", "UPI")[turn % 2])
                    sql.run(("ROLLBACK TO a", "RELEASE a")[turn % 2] + "; COMMIT")
                payment_id = a_payment(sql, currency=("INR", "USD")[number % 2])
                if turn % 5 == 0:
                    a_refund(sql, payment_id, amount="1.00")

    def fold() -> None:
        with place.connection() as sql:
            while not over.is_set():
                sql.run(FOLD)

    def read(isolation: str) -> None:
        with place.connection() as sql:
            while not over.is_set():
                sql.run(f"BEGIN ISOLATION LEVEL {isolation}")
                wrong.extend(filter(None, [sql.value(WRONG), sql.value(WRONG)]))
                sql.run("COMMIT")

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read, isolation) for isolation in ("READ COMMITTED", "REPEATABLE READ")]
        readers += [pool.submit(fold), pool.submit(fold)]
        try:
            list(pool.map(write, range(4)))
        finally:
            over.set()
        for reader in readers:
            reader.result()
    assert wrong == []
    totals_equal_the_tables(place.sql)
    deadlocks: int = place.sql.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks == 0


OF_NOTHING = """
INSERT INTO totals_entries (currency, status, method, count, amount, refunded)
SELECT 'INR', 'SUCCESS', 'CARD', CASE n % 2 WHEN 0 THEN 1 ELSE -1 END, 0, 0 FROM generate_series(1, 6000) AS n
"""


def test_without_a_fold_for_long_the_totals_are_right_and_folded_bit_by_bit(place: Place) -> None:
    a_payment(place.sql)
    for _ in range(3):
        place.sql.run(OF_NOTHING)
    totals_equal_the_tables(place.sql)
    folded = [place.sql.run(FOLD)[0]["folded"] for _ in range(2)]
    assert 10_000 <= folded[0] < 18_000
    assert sum(folded) >= 18_000
    totals_equal_the_tables(place.sql)
