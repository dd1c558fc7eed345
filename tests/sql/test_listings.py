"""A page of a listing costs what the first one costs, however deep it lies, whatever it is filtered by."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from shared.platform.database.statements import statement
from shared.rules.states import METHODS, STATUSES
from tests.sql.pages import pages
from tests.sql.rows import a_payment
from tests.sql.samples import LISTING
from tests.support.cluster import Cluster
from tests.support.sql import Sql

ROWS = 20_000
MANY = f"""
ALTER TABLE payments DISABLE TRIGGER USER;
INSERT INTO payments (trip_id, amount, currency, method, status, reference, refunded_amount, created_at)
SELECT CASE n % 2 WHEN 0 THEN 7 ELSE n END, 36.50, 'INR', (ARRAY['CARD', 'UPI', 'WALLET', 'CASH'])[1 + n % 4], status,
       'PAY-' || n, CASE status WHEN 'REFUNDED' THEN 36.50 ELSE 0 END, '2026-01-01'::timestamptz + make_interval(mins => n / 3)
  FROM (SELECT n, (ARRAY['SUCCESS', 'FAILED', 'REFUNDED', 'PENDING'])[1 + n / 4 % 4] AS status
          FROM generate_series(1, {ROWS}) AS n) AS made;
ALTER TABLE payments ENABLE TRIGGER USER;
ALTER TABLE payment_refunds DISABLE TRIGGER USER;
INSERT INTO payment_refunds (payment_id, amount, status, reference, created_at, updated_at)
SELECT 1, 0.01, 'REFUNDED', 'REF-' || n, '2026-01-01'::timestamptz + make_interval(mins => n / 3),
       '2026-01-01'::timestamptz + make_interval(mins => n / 2)
  FROM generate_series(1, {ROWS // 4}) AS n;
ALTER TABLE payment_refunds ENABLE TRIGGER USER;
"""
FILTERS: dict[str, dict[str, Any]] = {"none": {}} | {
    f"{status} and {method}": {
        "statuses": [status] if status else list(STATUSES),
        "methods": [method] if method else list(METHODS),
    }
    for status, method in product(["", *STATUSES], ["", *METHODS])
    if status or method
}
RANGE = {"from": "2026-01-01 12:00+00", "to": "2026-01-04 12:00+00"}


@pytest.fixture(scope="module")
def full(cluster: Cluster) -> Iterator[Sql]:
    with cluster.database() as place:
        place.sql.run(MANY)
        place.sql.run("VACUUM ANALYZE")
        yield place.sql


def near_the_end(sql: Sql, table: str, id_name: str) -> dict[str, Any]:
    [row] = sql.run(f"SELECT created_at, {id_name} FROM {table} ORDER BY 1, 2 OFFSET 2000 LIMIT 1")
    return {"before": row["created_at"], "before_id": row[id_name]}


@pytest.mark.parametrize("plan", ["custom", "generic"])
@pytest.mark.parametrize("within", [{}, RANGE], ids=["of all times", "of a range"])
@pytest.mark.parametrize("named", FILTERS)
def test_a_deep_page_of_payments_costs_what_the_first_costs(full: Sql, named: str, within: Any, plan: str) -> None:
    first = LISTING | FILTERS[named] | within
    deep = first | near_the_end(full, "payments", "payment_id")
    assert pages(full, "payments", deep, plan) <= 1.3 * pages(full, "payments", first, plan) + 10


@pytest.mark.parametrize("plan", ["custom", "generic"])
@pytest.mark.parametrize("within", [{}, RANGE], ids=["of all times", "of a range"])
def test_a_deep_page_of_a_trip_s_payments_costs_what_the_first_costs(full: Sql, within: Any, plan: str) -> None:
    first = LISTING | within | {"trip_id": 7}
    deep = first | near_the_end(full, "payments", "payment_id")
    assert pages(full, "payments_of_trip", deep, plan) <= 1.3 * pages(full, "payments_of_trip", first, plan) + 10
    assert pages(full, "payments_of_trip", first, plan) <= 50


@pytest.mark.parametrize("plan", ["custom", "generic"])
def test_a_deep_page_of_a_payment_s_refunds_costs_what_the_first_costs(full: Sql, plan: str) -> None:
    first = LISTING | {"payment_id": 1}
    deep = first | near_the_end(full, "payment_refunds", "refund_id")
    assert pages(full, "refunds", deep, plan) <= 1.3 * pages(full, "refunds", first, plan) + 10
    assert pages(full, "refunds", first, plan) <= 50


@pytest.mark.parametrize("plan", ["custom", "generic"])
def test_a_deep_page_of_a_payment_s_events_costs_what_the_first_costs(full: Sql, plan: str) -> None:
    first = LISTING | {"payment_id": 1}
    deep = first | near_the_end(full, "payment_refunds", "refund_id")
    assert pages(full, "payment_events", deep, plan) <= 1.3 * pages(full, "payment_events", first, plan) + 10
    assert pages(full, "payment_events", first, plan) <= 250


# The statement in other words, which reads everything.
PLAIN = """
SELECT created_at, payment_id FROM payments
 WHERE status = ANY (%(statuses)s) AND method = ANY (%(methods)s) AND created_at >= %(from)s AND created_at < %(to)s
   AND (created_at, payment_id) < (%(before)s, %(before_id)s)
 ORDER BY created_at DESC, payment_id DESC LIMIT %(limit)s
"""


@pytest.mark.parametrize("noted", [False, True], ids=["nothing noted", "what is open begins now"])
@pytest.mark.parametrize("within", [{}, RANGE], ids=["of all times", "of a range"])
@pytest.mark.parametrize("named", FILTERS)
def test_a_page_shows_what_it_is_to_show(full: Sql, named: str, within: Any, noted: bool) -> None:
    full.run("BEGIN")
    if noted:
        full.run("UPDATE oldest_open SET requests = now() - interval '1 min'")
        a_payment(full, status="PENDING")
    at = full.run("SELECT created_at, payment_id FROM payments ORDER BY payment_id DESC OFFSET 9001 LIMIT 1")[0]
    for place in ({}, {"before": at["created_at"], "before_id": at["payment_id"]}):
        asked = LISTING | FILTERS[named] | within | place
        shown = [(row["created_at"], row["payment_id"]) for row in full.run(statement("payments"), asked)]
        assert shown == [(row["created_at"], row["payment_id"]) for row in full.run(PLAIN, asked)]
    full.run("ROLLBACK")
