"""Reading: what a page, a payment and its refunds say, against the tables."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.platform.database import Database
from shared.reading import payments
from shared.reading.queries import Page, read_page, read_payment_query
from shared.rules.states import METHODS, STATUSES
from shared.web.problems import Problem
from tests.sql.rows import a_payment, a_refund
from tests.support.cluster import Place
from tests.support.till import Till, shown

# Ten payments share each moment, so that a cursor has to tell them apart by their id.
ROWS = """
INSERT INTO payments (trip_id, amount, currency, method, status, refunded_amount, reference, created_at)
SELECT 1 + n % 7, 10, 'INR', (ARRAY['CARD', 'UPI', 'WALLET', 'CASH'])[1 + (n * 5) % 4], status,
       CASE status WHEN 'REFUNDED' THEN 10 ELSE 0 END, 'PAY-' || n,
       timestamptz '2026-11-22 12:00:00.000001Z' + n / 10 * interval '1 s'
  FROM (SELECT n, (ARRAY['PENDING', 'SUCCESS', 'FAILED', 'REFUNDED'])[1 + (n * 3) % 4] AS status
          FROM generate_series(1, 120) AS n) AS made
"""


def page(database: Database, *parameters: tuple[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        payments.payments(database, read_payment_query(list(parameters))), parse_float=Decimal
    )
    assert set(found) == {"data", "next_cursor"}
    return found


def all_pages(database: Database, limit: int, *parameters: tuple[str, str]) -> list[dict[str, Any]]:
    rows, cursor = [], None
    while True:
        more = [("cursor", cursor)] if cursor else []
        found = page(database, *parameters, ("limit", str(limit)), *more)
        assert len(found["data"]) <= limit
        rows += found["data"]
        cursor = found["next_cursor"]
        if cursor is None:
            return rows
        assert len(found["data"]) == limit


FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(STATUSES),
        "method": st.sampled_from(METHODS),
        "trip_id": st.integers(1, 8).map(str),
        "from": st.integers(-1, 13).map(lambda s: f"2026-11-22T12:00:{s + 1:02}.000001Z"),
        "to": st.integers(-1, 13).map(lambda s: f"2026-11-22T17:30:{s + 1:02}.000001+05:30"),
    },
)


def wanted(place: Place, filters: dict[str, str]) -> list[int]:
    conditions = {
        "status": "status = %(status)s",
        "method": "method = %(method)s",
        "trip_id": "trip_id = %(trip_id)s::bigint",
        "from": "created_at >= %(from)s::timestamptz",
        "to": "created_at < %(to)s::timestamptz",
    }
    where = " AND ".join(["true", *(conditions[name] for name in filters)])
    query = f"SELECT payment_id FROM payments WHERE {where} ORDER BY created_at DESC, payment_id DESC"
    return [row["payment_id"] for row in place.sql.run(query, filters)]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(filters=FILTERS, limit=st.sampled_from([1, 3, 7, 10, 100]))
def test_pages_together_are_what_the_table_says(
    place: Place, database: Database, filters: dict[str, str], limit: int
) -> None:
    if place.sql.value("SELECT count(*) FROM payments") == 0:
        place.sql.run(ROWS)
    listed = all_pages(database, limit, *filters.items())
    assert [row["payment_id"] for row in listed] == wanted(place, filters)


def test_twenty_come_without_a_limit(place: Place, database: Database) -> None:
    place.sql.run(ROWS)
    assert len(page(database)["data"]) == 20


def test_a_cursor_stays_right_while_payments_are_being_added(place: Place, database: Database) -> None:
    place.sql.run(ROWS)
    before = wanted(place, {})
    first = page(database, ("limit", "50"))
    for _ in range(5):
        a_payment(place.sql)
    second = page(database, ("limit", "100"), ("cursor", first["next_cursor"]))
    assert [row["payment_id"] for row in first["data"] + second["data"]] == before
    assert second["next_cursor"] is None


def test_a_page_that_just_fits_has_no_next(place: Place, database: Database) -> None:
    for _ in range(3):
        a_payment(place.sql)
    assert page(database, ("limit", "3"))["next_cursor"] is None
    assert page(database, ("limit", "2"))["next_cursor"]
    assert page(database, ("trip_id", "999")) == {"data": [], "next_cursor": None}


def test_a_listed_payment_is_the_payment(till: Till, place: Place) -> None:
    payment = shown(till.pay(amount=None, metadata={"b": 1, "a": [Decimal("1.50")]}))
    alone = json.loads(payments.payment(till.database, payment["payment_id"]), parse_float=Decimal)
    assert page(till.database)["data"] == [payment] == [alone]


def test_times_are_utc_with_microseconds_whatever_the_zone_of_the_session(place: Place, database: Database) -> None:
    place.sql.run(f"ALTER DATABASE {place.name} SET timezone = 'Asia/Kolkata'")
    payment_id = a_payment(place.sql, created_at="2026-11-22T12:00:00+00:00")
    said = json.loads(payments.payment(database, payment_id))
    assert said["created_at"] == "2026-11-22T12:00:00.000000Z"
    found = page(database, ("from", "2026-11-22T12:00:00Z"), ("to", "2026-11-22T12:00:00.000001Z"))
    assert len(found["data"]) == 1
    place.sql.run(ROWS)
    assert len(all_pages(database, 10)) == 121


def test_amounts_are_written_with_two_decimals(place: Place, database: Database) -> None:
    payment_id = a_payment(
        place.sql, amount="9999999999.9", base_fare="5.0", distance_km=3, rate_per_km=2, surge_multiplier=1
    )
    text = payments.payment(database, payment_id).replace(" ", "")
    assert '"amount":9999999999.90,' in text
    assert '"refunded_amount":0.00,' in text
    assert '"total":9999999999.90' in text


@pytest.mark.parametrize("read", [payments.payment, lambda d, i: payments.refunds(d, i, Page())])
def test_what_is_not_there_is_not_found(database: Database, read: Any) -> None:
    with pytest.raises(Problem, match="payment_not_found"):
        read(database, 2**63 - 1)


def refunds(database: Database, payment_id: int, *parameters: tuple[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(payments.refunds(database, payment_id, read_page(list(parameters))))
    return found


def test_refunds_are_listed_newest_first_page_by_page(place: Place, database: Database) -> None:
    payment_id, other = a_payment(place.sql), a_payment(place.sql)
    ids = [a_refund(place.sql, payment_id, created_at=f"2026-11-22T12:00:0{n // 3}Z") for n in range(10)]
    a_refund(place.sql, other)
    listed, cursor = [], None
    while True:
        found = refunds(database, payment_id, ("limit", "4"), *([("cursor", cursor)] if cursor else []))
        listed += [row["refund_id"] for row in found["data"]]
        cursor = found["next_cursor"]
        if cursor is None:
            break
    assert listed == ids[::-1]


def test_a_payment_without_refunds_has_an_empty_list(place: Place, database: Database) -> None:
    assert refunds(database, a_payment(place.sql)) == {"data": [], "next_cursor": None}


def test_a_cursor_at_the_end_of_the_refunds_gives_an_empty_list(place: Place, database: Database) -> None:
    payment_id = a_payment(place.sql)
    a_refund(place.sql, payment_id)
    long_ago = Page(before="2000-01-01", before_id=1)
    assert json.loads(payments.refunds(database, payment_id, long_ago))["data"] == []


def test_a_listed_refund_is_the_refund(till: Till) -> None:
    payment_id = shown(till.pay(amount="100.00"))["payment_id"]
    refund = shown(till.refund(payment_id, "40.00", metadata={"reason": "x"}))
    assert json.loads(payments.refunds(till.database, payment_id, Page()), parse_float=Decimal)["data"] == [refund]
