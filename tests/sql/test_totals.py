"""The totals that the database keeps equal what the tables say, however rows get there."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import errors

from shared.platform.database import Database
from shared.reading.totals import Figures, Totals, read_totals
from shared.rules.states import DISPUTE_STATUSES, METHODS, STATUSES
from tests.sql.rows import a_dispute, a_movement, a_payment, a_reconciliation, a_refund, insert
from tests.support.cluster import Cluster, Place
from tests.support.sql import Sql
from tests.support.till import WatchedDatabase

STEPS = st.one_of(
    st.tuples(st.just("insert"), st.integers(0, 2**31), st.integers(0, 40)),
    st.tuples(st.just("update"), st.integers(0, 2**31), st.sampled_from(STATUSES)),
    st.tuples(st.just("method"), st.integers(0, 2**31), st.sampled_from(METHODS)),
    st.tuples(st.just("amount"), st.integers(0, 2**31), st.just(None)),
    st.tuples(st.just("delete"), st.integers(0, 2**31), st.just(None)),
    st.tuples(st.just("truncate"), st.just(0), st.just(None)),
    st.tuples(st.just("refunds"), st.integers(0, 2**31), st.integers(0, 20)),
    st.tuples(
        st.just("settle_refunds"), st.integers(0, 2**31), st.sampled_from(["REFUNDED", "FAILED", "PENDING", "REVERSED"])
    ),
    st.tuples(st.just("delete_refunds"), st.integers(0, 2**31), st.just(None)),
    st.tuples(st.just("disputes"), st.integers(0, 2**31), st.integers(0, 20)),
    st.tuples(st.just("move_disputes"), st.integers(0, 2**31), st.sampled_from(DISPUTE_STATUSES)),
    st.tuples(st.just("reconnect"), st.just(0), st.just(None)),
    st.tuples(st.just("rolled back"), st.integers(0, 2**31), st.just(None)),
)

INSERT = """
INSERT INTO payments (trip_id, amount, currency, method, status, refunded_amount, reference)
SELECT 1 + n, amount, (ARRAY['INR', 'JPY', 'USD'])[1 + n %% 3], (ARRAY['CARD', 'UPI', 'WALLET', 'CASH'])[1 + n %% 4], status,
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
                     AND NOT EXISTS (SELECT FROM payment_refunds r WHERE r.payment_id = payments.payment_id)
                     AND NOT EXISTS (SELECT FROM payment_disputes d WHERE d.payment_id = payments.payment_id)""",
    "truncate": "TRUNCATE payments, payment_refunds CASCADE",
    "refunds": """INSERT INTO payment_refunds (payment_id, amount, status, reference)
                  SELECT payment_id, 1 + payment_id % 7, (ARRAY['PENDING', 'REFUNDED', 'FAILED'])[1 + payment_id % 3],
                         'REF-' || gen_random_uuid()
                    FROM payments ORDER BY hashint8(payment_id + %(seed)s) LIMIT %(to)s""",
    "settle_refunds": "UPDATE payment_refunds SET status = %(to)s, reversed_at = CASE %(to)s WHEN 'REVERSED' THEN now() END"
    " WHERE hashint8(refund_id + %(seed)s) % 2 = 0",
    "delete_refunds": "DELETE FROM payment_refunds WHERE hashint8(refund_id + %(seed)s) % 2 = 0",
    "disputes": """INSERT INTO payment_disputes
                          (payment_id, gateway, gateway_id, amount, currency, status, opened_at, closed_at)
                   SELECT payment_id, 'scripted', gen_random_uuid(), 1 + payment_id % 7, currency,
                          (ARRAY['INQUIRY', 'OPEN', 'LOST'])[1 + payment_id % 3], now(),
                          CASE payment_id % 3 WHEN 2 THEN now() END
                     FROM payments ORDER BY hashint8(payment_id + %(seed)s) LIMIT %(to)s""",
    "move_disputes": """UPDATE payment_disputes
                           SET status = %(to)s, amount = amount + 1,
                               closed_at = CASE WHEN %(to)s NOT IN ('INQUIRY', 'OPEN') THEN now() END
                         WHERE hashint8(dispute_id + %(seed)s) % 2 = 0""",
}

# Totals are right whatever is done, so also after moves and changes that no payment or refund makes, and the journal refuses.
ANY_MOVE = """
ALTER TABLE payments DISABLE TRIGGER payments_moved, DISABLE TRIGGER payments_request_stays,
                     DISABLE TRIGGER payments_settled_stays, DISABLE TRIGGER payments_written;
ALTER TABLE payment_refunds DISABLE TRIGGER refunds_written, DISABLE TRIGGER refunds_moved,
                            DISABLE TRIGGER refunds_settled_stays, DISABLE TRIGGER refunds_booked;
ALTER TABLE payment_disputes DISABLE TRIGGER disputes_moved, DISABLE TRIGGER disputes_booked
"""
OFTEN = """
CREATE OR REPLACE FUNCTION keep_up_often() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM keep_up(); RETURN NULL; END';
CREATE OR REPLACE TRIGGER often AFTER INSERT ON totals_entries
    FOR EACH STATEMENT WHEN (random() < {chance}) EXECUTE FUNCTION keep_up_often()
"""
COUNTED = """
SELECT currency, status, method, {count} AS count, sum(amount) AS amount, {refunded} AS refunded
  FROM {table} GROUP BY currency, status, method HAVING {count} <> 0 ORDER BY currency, status, method
"""
KEPT = COUNTED.format(table="payment_totals", count="sum(count)", refunded="sum(refunded)")
TRUE = COUNTED.format(table="payments", count="count(*)", refunded="sum(refunded_amount)")
KEPT_REFUNDS = """
SELECT currency, sum(count) AS count, sum(amount) AS amount
  FROM refund_totals GROUP BY currency HAVING sum(count) <> 0 ORDER BY currency
"""
TRUE_REFUNDS = """
SELECT p.currency, count(*) AS count, sum(r.amount) AS amount
  FROM payment_refunds r JOIN payments p USING (payment_id) WHERE r.status = 'REFUNDED' GROUP BY p.currency ORDER BY p.currency
"""
KEPT_DISPUTES = """
SELECT currency, status, sum(count) AS count, sum(amount) AS amount
  FROM dispute_totals GROUP BY currency, status HAVING sum(count) <> 0 ORDER BY currency, status
"""
TRUE_DISPUTES = """
SELECT currency, status, count(*) AS count, sum(amount) AS amount
  FROM payment_disputes GROUP BY currency, status ORDER BY currency, status
"""
REMAINDERS = """
SELECT (SELECT count(*) FROM (SELECT FROM payment_totals GROUP BY currency, status, method
                              HAVING sum(count) = 0 AND (sum(amount) <> 0 OR sum(refunded) <> 0)) AS payments)
     + (SELECT count(*) FROM (SELECT FROM refund_totals GROUP BY currency
                              HAVING sum(count) = 0 AND sum(amount) <> 0) AS refunds)
"""
# Of all quarters together what happened is what there is.
FIGURES = """
SELECT currency, status, sum(count) AS count, sum(amount) AS amount, sum(refunded) AS refunded
  FROM figures_with_disputes GROUP BY currency, status HAVING sum(count) <> 0 ORDER BY currency, status
"""
TRUE_FIGURES = """
SELECT currency, status, count(*) AS count, sum(amount) AS amount, sum(refunded_amount) AS refunded
  FROM payments GROUP BY currency, status
 UNION ALL
SELECT p.currency, NULL, count(*), sum(r.amount), 0
  FROM payment_refunds r JOIN payments p USING (payment_id) WHERE r.status = 'REFUNDED' GROUP BY p.currency
 UNION ALL
SELECT currency, 'DISPUTE ' || status, count(*), sum(amount), 0 FROM payment_disputes GROUP BY currency, status
 ORDER BY currency, status
"""
# It would take a dispute for a payment.
SHOWN_TO_THE_VERSION_BEFORE = """
SELECT status FROM totals_counted WHERE status LIKE 'DISPUTE%'
 UNION ALL
SELECT status FROM figures_counted WHERE status LIKE 'DISPUTE%'
"""


def folded_by(chance: float) -> str:
    """Has so many of the entries that are written fold the totals, where one claim in a thousand does otherwise."""
    return OFTEN.format(chance=chance)


def totals_equal_the_tables(sql: Sql) -> None:
    assert sql.run(KEPT) == sql.run(TRUE)
    assert sql.run(KEPT_REFUNDS) == sql.run(TRUE_REFUNDS)
    assert sql.run(KEPT_DISPUTES) == sql.run(TRUE_DISPUTES)
    assert sql.value(REMAINDERS) == 0
    assert sql.run(FIGURES) == sql.run(TRUE_FIGURES)
    assert sql.run(SHOWN_TO_THE_VERSION_BEFORE) == []


def take(sql: Sql, place: Place, step: tuple[str, int, Any]) -> Sql:
    kind, seed, to = step
    if kind == "insert":
        sql.run(INSERT, {"seed": seed, "count": to})
    elif kind == "reconnect":
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
    """Where any move may be made, and one in ten entries that are written has the totals folded."""
    with cluster.database() as place:
        place.sql.run(f"{ANY_MOVE}; {folded_by(0.1)}")
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
    for payment_id in range(1, 12):
        a_refund(place.sql, payment_id)
        a_dispute(place.sql, payment_id)
    place.sql.run("TRUNCATE payments CASCADE")
    totals_equal_the_tables(place.sql)
    a_payment(place.sql)
    totals_equal_the_tables(place.sql)


PLANS = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["update", "method", "amount", "refunds", "settle_refunds"]), st.integers(0, 999)),
        min_size=1,
        max_size=8,
    ),
    min_size=2,
    max_size=4,
)
TO = {"update": STATUSES, "method": METHODS, "settle_refunds": ("REFUNDED", "FAILED", "PENDING")}
OF_ONE = " AND payment_id %% 4 = %(owner)s"


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(plans=PLANS)
def test_totals_equal_the_tables_whatever_is_done_to_all_currencies_at_once(
    shared_place: Place, plans: list[list[tuple[str, int]]]
) -> None:
    """Each worker has rows of its own, so only the totals are shared."""
    sql = shared_place.sql
    sql.run("TRUNCATE payments, payment_refunds RESTART IDENTITY CASCADE")
    sql.run(INSERT, {"seed": 5, "count": 48})
    start = threading.Barrier(len(plans))

    def work(owner: int) -> None:
        with shared_place.connection() as mine:
            start.wait(10)
            for kind, seed in plans[owner]:
                to = TO[kind][seed % len(TO[kind])] if kind in TO else 3
                change = CHANGE[kind].replace("% ", "%% ")
                if kind == "refunds":
                    change = change.replace("FROM payments", "FROM payments WHERE payment_id %% 4 = %(owner)s")
                else:
                    change += OF_ONE
                mine.run(change, {"seed": seed, "to": to, "owner": owner})

    with ThreadPoolExecutor(len(plans)) as pool:
        list(pool.map(work, range(len(plans))))
    totals_equal_the_tables(sql)
    assert sql.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


def test_updates_of_rows_in_opposite_orders_at_once_never_deadlock(shared_place: Place) -> None:
    """Half of the threads move payments of all currencies one way, half the other."""
    place = shared_place
    place.sql.run("TRUNCATE payments, payment_refunds RESTART IDENTITY CASCADE")
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


AMOUNTS = """
SELECT coalesce(round(avg(amount) FILTER (WHERE status = 'SUCCESS'), 2), 0) AS average,
       coalesce(sum(amount - refunded_amount) FILTER (WHERE status IN ('SUCCESS', 'REFUNDED')), 0) AS revenue
  FROM payments WHERE currency = %s
"""


def figures_of_the_tables(sql: Sql, currency: str) -> Figures:
    def counted(column: str) -> dict[str, int]:
        rows = sql.run(f"SELECT {column} AS value, count(*) FROM payments WHERE currency = %s GROUP BY 1", (currency,))
        return {row["value"]: row["count"] for row in rows}

    amounts = sql.run(AMOUNTS, (currency,))[0]
    refunds = {row["currency"]: (row["count"], row["amount"]) for row in sql.run(TRUE_REFUNDS)}
    found = [row for row in sql.run(TRUE_DISPUTES) if row["currency"] == currency]
    disputes = {row["status"]: row["count"] for row in found}
    disputed = sum((row["amount"] for row in found if row["status"] in ("OPEN", "LOST")), Decimal(0))
    return Figures(
        dict.fromkeys(STATUSES, 0) | counted("status"),
        dict.fromkeys(METHODS, 0) | counted("method"),
        amounts["average"],
        amounts["revenue"] - disputed,
        *refunds.get(currency, (0, 0)),
        dict.fromkeys(DISPUTE_STATUSES, 0) | disputes,
        disputed,
    )


def test_the_metrics_say_what_the_tables_say_of_each_currency(place: Place, database: Database) -> None:
    place.sql.run(INSERT, {"seed": 11, "count": 200})
    for payment_id in range(1, 12):
        a_refund(place.sql, payment_id, amount="2.50", status=("REFUNDED", "FAILED", "PENDING")[payment_id % 3])
        a_dispute(place.sql, payment_id, amount="3.25", status=DISPUTE_STATUSES[payment_id % 5], currency="INR")
    totals = read_totals(database, "INR")
    assert (totals.currency, totals.figures) == ("INR", figures_of_the_tables(place.sql, "INR"))
    assert totals.others == {currency: figures_of_the_tables(place.sql, currency) for currency in ("JPY", "USD")}
    assert totals.figures.refund_count + sum(other.refund_count for other in totals.others.values()) == 3
    assert (totals.pending_count, totals.pending_oldest) == (0, 0)  # rows of history are not waited for


def test_the_service_s_own_currency_has_its_figures_before_its_first_payment(place: Place, database: Database) -> None:
    a_payment(place.sql)
    totals = read_totals(database, "USD")
    assert (totals.currency, totals.figures) == ("USD", figures_of_the_tables(place.sql, "USD"))
    assert list(totals.others) == ["INR"]


def test_a_currency_of_which_nothing_is_left_is_not_shown(place: Place, database: Database) -> None:
    a_payment(place.sql, currency="USD", status="FAILED")
    place.sql.run("DELETE FROM payments")
    assert read_totals(database, "INR").others == {}


def test_a_status_or_method_that_this_version_does_not_know_is_shown(place: Place, database: Database) -> None:
    place.sql.run("ALTER TABLE payments DROP CONSTRAINT payments_status_check, DROP CONSTRAINT payments_method_check")
    a_payment(place.sql, status="REVERSED", method="CRYPTO", gateway=None)
    a_payment(place.sql)
    figures = read_totals(database, "INR").figures
    assert figures.by_status == {"PENDING": 0, "SUCCESS": 1, "FAILED": 0, "REFUNDED": 0, "REVERSED": 1}
    assert figures.by_method == {"CARD": 1, "UPI": 0, "WALLET": 0, "CASH": 0, "CRYPTO": 1}


def test_the_currency_of_a_payment_never_changes(place: Place) -> None:
    payment_id = a_payment(place.sql)
    a_refund(place.sql, payment_id)
    with pytest.raises(errors.IntegrityConstraintViolation, match="never changes"):
        place.sql.run("UPDATE payments SET currency = 'USD'")
    totals_equal_the_tables(place.sql)


def test_a_payment_is_not_deleted_together_with_the_refunds_that_are_counted_under_its_currency(place: Place) -> None:
    a_refund(place.sql, a_payment(place.sql))
    together = "WITH refunds AS (DELETE FROM payment_refunds) DELETE FROM payments"
    with pytest.raises((errors.NotNullViolation, errors.ForeignKeyViolation)):
        place.sql.run(together)
    totals_equal_the_tables(place.sql)
    place.sql.run("DELETE FROM payment_refunds")
    place.sql.run("DELETE FROM payments")
    totals_equal_the_tables(place.sql)


def test_contradictions_are_counted(place: Place, database: Database) -> None:
    payment_id = a_payment(place.sql)
    entry = {"actor": "a", "payment_id": payment_id, "outcome": "succeeded", "reason": "r", "gateway_said": "pi_1"}
    assert read_totals(database, "INR").contradiction_count == 0
    for gateway_id, action in enumerate(("contradiction", "settle_payment", "contradiction")):
        insert(place.sql, "audit_log", entry | {"action": action, "gateway_id": str(gateway_id)})
    assert read_totals(database, "INR").contradiction_count == 2


def test_a_charge_that_was_paid_late_counts_as_a_contradiction_until_it_is_put_right(
    place: Place, database: Database
) -> None:
    payment_id = a_payment(place.sql, status="FAILED")
    entry = {"actor": "a", "action": "contradiction", "payment_id": payment_id, "outcome": "succeeded", "reason": "r"}
    for gateway_id in ("pi_1", "pi_2"):
        insert(place.sql, "audit_log", entry | {"gateway_said": "succeeded", "gateway_id": gateway_id})
    assert read_totals(database, "INR").contradiction_count == 2
    place.sql.run("UPDATE payments SET late_charge_id = 'pi_1'")
    assert read_totals(database, "INR").contradiction_count == 1
    refund_id = a_refund(place.sql, payment_id)
    of_refund = entry | {"refund_id": refund_id, "outcome": "failed", "gateway_said": "failed", "gateway_id": "pi_1"}
    insert(place.sql, "audit_log", of_refund)
    assert read_totals(database, "INR").contradiction_count == 2


def test_the_totals_of_nothing_are_nothing(database: Database) -> None:
    totals = read_totals(database, "INR")
    none = Decimal(0)
    statuses, methods, disputes = (dict.fromkeys(each, 0) for each in (STATUSES, METHODS, DISPUTE_STATUSES))
    nothing = Figures(statuses, methods, none, none, 0, none, disputes, none)
    assert totals == Totals("INR", nothing, {}, {}, 0, 0, 0, 0, 0, 0, None, 0, 0, 0, 0)


def test_the_evidence_that_is_due_next_is_told_of_open_disputes_alone_and_while_it_can_be_sent(
    place: Place, database: Database
) -> None:
    payment_id = a_payment(place.sql)
    hours = {"OPEN": (-1, 3), "INQUIRY": (2, None), "LOST": (1,)}
    for status, due in ((status, due) for status, each in hours.items() for due in each):
        at = place.sql.value("SELECT now() + make_interval(hours => %s)", (due,)) if due else None
        a_dispute(place.sql, payment_id, status=status, evidence_due_by=at)
    assert read_totals(database, "INR").evidence_due == pytest.approx(7200, abs=60)


def test_the_balances_are_those_of_the_journal_and_sum_to_zero_before_a_fold_and_after(
    place: Place, database: Database
) -> None:
    payment_id = a_payment(place.sql, method="CASH", driver_id="d-1", commission="20.00")
    a_refund(place.sql, payment_id)
    a_payment(place.sql, currency="JPY")
    expected = {"INR": {"cash_with_drivers": 90, "revenue": -20, "refunds": 10, "drivers_payable": -80}}
    expected["JPY"] = {"gateway_receivable": 100, "revenue": -100}
    for _ in range(2):
        balances = read_totals(database, "INR").balances
        kept = {currency: {name: each for name, each in of.items() if each} for currency, of in balances.items()}
        assert (kept, [len(of) for of in balances.values()]) == (expected, [9, 9])
        assert [sum(of.values()) for of in balances.values()] == [0, 0]
        place.sql.run("SELECT fold_totals()")


def ended(place: Place, days: int, **fields: Any) -> int:
    """A reconciliation of a day that ended so many days ago."""
    since, until = (place.sql.value("SELECT now() - make_interval(days => %s)", (each,)) for each in (days + 1, days))
    return a_reconciliation(place.sql, from_at=since, to_at=until, **fields)


def test_what_differs_is_counted_for_35_days_once_however_many_times_have_it(place: Place, database: Database) -> None:
    old, before, last = (ended(place, days) for days in (36, 34, 2))
    again = a_reconciliation(
        place.sql,
        from_at="2020-01-01",
        to_at="tomorrow",
        finished_at=None,
        differences=None,
        not_yet_due=None,
        movements=None,
    )
    for reconciliation, movement, verdict in (
        (old, "txn_old", "missing_here"),
        (before, "txn_1", "amount_differs"),
        (last, "txn_2", "status_differs"),
        (last, "ours 7", "missing_there"),
        (again, "ours 7", "missing_there"),
        (last, "txn_3", "matched"),
        (last, "txn_4", "not_yet_due"),
    ):
        a_movement(place.sql, reconciliation, movement, verdict=verdict)
    totals = read_totals(database, "INR")
    assert totals.differences == 3
    # By the latest time that came to its end, though a later one was begun.
    assert totals.unreconciled == pytest.approx(2 * 86_400, abs=60)


def test_a_time_that_is_not_over_yet_leaves_nothing_unreconciled(place: Place, database: Database) -> None:
    a_reconciliation(place.sql, to_at="tomorrow")
    assert read_totals(database, "INR").unreconciled == 0


def test_the_totals_take_two_round_trips(database: WatchedDatabase) -> None:
    read_totals(database, "INR")
    assert database.ran == ["payment_totals", "watch_totals"]
