"""The list of payments: what it finds, against a plain model; its pages, its address, and what is said of wrong values."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.reading import found
from tests.functions.console.conftest import Shown, Visitor
from tests.sql.rows import a_payment, a_refund, move
from tests.support.cluster import Cluster, Place
from tests.support.gateway import ScriptedGateway
from tests.support.settings import SETTINGS
from tests.support.till import Till, WatchedDatabase

# Some share a moment, so that the place in the list has to be told by the id; the days change at midnight in UTC.
ROWS = """
ALTER TABLE payments DISABLE TRIGGER payments_written;
INSERT INTO payments (trip_id, amount, currency, method, status, failure_code, refunded_amount, reference, gateway, gateway_id,
                      created_at)
SELECT 1 + n % 9, 5 * n, 'INR', (ARRAY['CARD', 'UPI', 'WALLET', 'CASH'])[1 + (n * 5) % 4], status,
       CASE status WHEN 'FAILED' THEN 'card_declined' END, CASE status WHEN 'REFUNDED' THEN 5 * n ELSE 0 END,
       'PAY-20261122-' || n, (ARRAY['simulated', 'stripe', NULL])[1 + n % 3], 'pi_' || n,
       timestamptz '2024-11-21 12:00Z' + n / 3 * interval '37 min'
  FROM (SELECT n, (ARRAY['PENDING', 'SUCCESS', 'FAILED', 'REFUNDED'])[1 + (n * 3) % 4] AS status
          FROM generate_series(1, 240) AS n) AS made;
ALTER TABLE payments ENABLE TRIGGER payments_written;
"""
FIELDS = ("q", "status", "method", "gateway", "amount_from", "amount_to", "from", "to", "cursor")
HX = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def books(cluster: Cluster) -> Iterator[Place]:
    with cluster.database() as place:
        place.sql.run(ROWS)
        yield place


@pytest.fixture(scope="module")
def reader(books: Place) -> Iterator[Visitor]:
    database = WatchedDatabase(books.settings())
    yield Visitor(Till(SETTINGS, database, ScriptedGateway()))
    database.close()


def address(*parameters: tuple[str, str]) -> str:
    return f"/console/payments?{urlencode(parameters)}" if parameters else "/console/payments"


def listed(page: Shown) -> list[int]:
    """The payments in the table."""
    ids = [str(each.get("id")) for each in page.all("a")]
    return [int(each.removeprefix("payment-")) for each in ids if each.startswith("payment-")]


def link(page: Shown, name: str) -> str | None:
    return next((str(each["href"]) for each in page.all("a") if each.get("id") == name), None)


def every_page(reader: Visitor, first: str) -> list[int]:
    rows: list[int] = []
    following: str | None = first
    while following:
        page = reader.get(following)
        assert page.status == 200
        rows += listed(page)
        following = link(page, "next")
    return rows


def days(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fits(row: dict[str, Any], asked: list[tuple[str, str]]) -> bool:
    """Whether a row is what is asked for, in plain words."""
    one = dict(asked)
    statuses = [text for name, text in asked if name == "status"]
    methods = [text for name, text in asked if name == "method"]
    return (
        (not statuses or row["status"] in statuses)
        and (not methods or row["method"] in methods)
        and ("gateway" not in one or (row["gateway"] or "none") == one["gateway"])
        and ("amount_from" not in one or row["amount"] >= Decimal(one["amount_from"]))
        and ("amount_to" not in one or row["amount"] <= Decimal(one["amount_to"]))
        and ("from" not in one or row["created_at"] >= days(one["from"]))
        and ("to" not in one or row["created_at"] < days(one["to"]) + timedelta(days=1))
        and ("q" not in one or row["trip_id"] == int(one["q"].removeprefix("trip ")))
    )


def some(name: str, *choices: str) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.lists(st.sampled_from(choices), unique=True, max_size=2).map(lambda some: [(name, each) for each in some])


def maybe(name: str, *choices: str) -> st.SearchStrategy[list[tuple[str, str]]]:
    return st.sampled_from([None, None, *choices]).map(lambda text: [] if text is None else [(name, text)])


ASKED = st.tuples(
    some("status", "PENDING", "SUCCESS", "FAILED", "REFUNDED"),
    some("method", "CARD", "UPI", "WALLET", "CASH"),
    maybe("gateway", "simulated", "stripe", "none"),
    maybe("amount_from", "0", "30", "600.00"),
    maybe("amount_to", "600", "1150.5"),
    maybe("from", "2024-11-21", "2024-11-22"),
    maybe("to", "2024-11-22", "2024-11-23"),
    maybe("q", "trip 3", "trip 7"),
).map(lambda parts: [pair for part in parts for pair in part])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(asked=ASKED, looked=st.sampled_from([70, 5_000]))
def test_the_pages_together_are_what_the_filters_leave(
    books: Place, reader: Visitor, asked: list[tuple[str, str]], looked: int
) -> None:
    rows = books.sql.run("SELECT * FROM payments ORDER BY created_at DESC, payment_id DESC")
    wanted = [row["payment_id"] for row in rows if fits(row, asked)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(found, "LOOKED", looked)
        page = reader.get(address(*asked))
        if page.status == 303:
            assert page.headers["Location"] == f"/console/payments/{wanted[0]}"
            assert len(wanted) == 1
        else:
            assert every_page(reader, address(*asked)) == wanted


def test_a_page_says_how_far_back_it_looked_and_leads_on_from_there(
    reader: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(found, "LOOKED", 100)
    page = reader.get(address(("amount_to", "5")))
    assert listed(page) == []
    assert "Looked through 100 payments, back to 22 Nov 2024, 4:59:00" in page.text
    assert "Look further back" in page.text
    further = reader.get(str(link(page, "next")))
    assert "back to 21 Nov 2024" in further.text
    assert listed(reader.get(str(link(further, "next")))) == [1]


@pytest.mark.parametrize(
    "sought", ["PAY-20261122-17", "pay-20261122-17", " pi_17 ", "17", "ref-of-17-12"], ids=lambda text: text.strip()
)
def test_what_names_one_payment_leads_straight_to_it(books: Place, reader: Visitor, sought: str) -> None:
    if not books.sql.run("SELECT FROM payment_refunds"):
        a_refund(books.sql, 17, reference="REF-OF-17-12")
    page = reader.get(address(("q", sought), ("status", "FAILED")))
    assert (page.status, page.headers["Location"]) == (303, "/console/payments/17")


def test_a_number_is_a_payment_and_a_trip(books: Place, reader: Visitor) -> None:
    others = "SELECT payment_id FROM payments WHERE trip_id = 5 AND payment_id <> 5"
    rows = books.sql.run(f"{others} ORDER BY created_at DESC, payment_id DESC")
    assert every_page(reader, address(("q", "5"))) == [5, *(row["payment_id"] for row in rows)]
    assert listed(reader.get(address(("q", "trip 5"))))[0] != 5


@pytest.mark.parametrize("sought", ["PAY-1", "REF-1", "pi_nobody", "999999", "trip 999999"])
def test_what_nothing_is_called_is_said(reader: Visitor, sought: str) -> None:
    page = reader.get(address(("q", sought)))
    assert page.status == 200
    assert listed(page) == []
    assert "No payment" in page.text


def test_several_of_one_name_are_listed(till: Till, visitor: Visitor, place: Place) -> None:
    ids = {a_payment(place.sql, gateway_id="pi_twice") for _ in range(2)}
    assert set(listed(visitor.get(address(("q", "pi_twice"))))) == ids


def test_pages_stay_right_while_payments_are_being_added(visitor: Visitor, place: Place) -> None:
    place.sql.run(ROWS)
    before = place.sql.run("SELECT payment_id FROM payments ORDER BY created_at DESC, payment_id DESC")
    first = visitor.get(address())
    for _ in range(3):
        a_payment(place.sql)
    second = every_page(visitor, str(link(first, "next")))
    assert listed(first) + second == [row["payment_id"] for row in before]
    assert link(visitor.get(str(link(first, "next"))), "newest") == "/console/payments"


def test_a_row_tells_what_was_given_back_and_what_is_on_its_way(visitor: Visitor, place: Place) -> None:
    payment_id = a_payment(place.sql, trip_id=77)
    move(place.sql, "payments", {"payment_id": payment_id}, {"refunded_amount": 30, "reserved_amount": 12})
    a_payment(place.sql, status="FAILED", failure_code="card_declined")
    page = visitor.get(address())
    assert "₹100.00 ₹30.00 ₹12.00 pending" in page.text
    assert "Failed card_declined" in page.text
    assert f"/console/payments/{payment_id}" in page.links
    assert "/console/payments?q=trip+77" in page.links


def test_days_are_those_of_the_time_zone_that_is_set(visitor: Visitor, place: Place) -> None:
    visitor.till.change(time_zone="Asia/Kolkata")
    late = a_payment(place.sql, created_at="2024-11-21T18:29:59Z")
    early = a_payment(place.sql, created_at="2024-11-21T18:30:00Z")
    assert listed(visitor.get(address(("from", "2024-11-22"), ("to", "2024-11-22")))) == [early]
    page = visitor.get(address(("to", "2024-11-21")))
    assert listed(page) == [late]
    assert "Days are whole days in Asia/Kolkata" in page.text


def test_empty_fields_of_the_form_leave_the_address(reader: Visitor) -> None:
    page = reader.get("/console/payments?q=&status=FAILED&status=PENDING&gateway=&amount_from=&from=&to=+")
    assert (page.status, page.headers["Location"]) == (303, "/console/payments?status=FAILED&status=PENDING")
    assert reader.get("/console/payments?q=").headers["Location"] == "/console/payments"


def test_the_form_and_every_link_keep_the_filters(reader: Visitor) -> None:
    asked = [("status", "PENDING"), ("status", "FAILED"), ("amount_from", "10.50"), ("from", "2024-11-21")]
    page = reader.get(address(*asked))
    ticked = {str(each["value"]) for each in page.all("input") if "checked" in each}
    assert ticked == {"PENDING", "FAILED"}
    assert page.fields["amount_from"] == "10.50"
    for name in ("next", "csv"):
        assert urlencode(asked) in str(link(page, name))
    assert urlsplit(str(link(page, "csv"))).path == "/console/payments.csv"


def test_only_the_first_page_refreshes_itself_and_gets_its_part_alone(reader: Visitor) -> None:
    page = reader.get(address(("status", "FAILED")))
    [live] = [each for each in page.all("section") if "hx-get" in each]
    assert live["hx-get"] == "/console/payments?status=FAILED"
    part = reader.get(str(live["hx-get"]), HX)
    assert part.all("html") == []
    assert listed(part) == listed(page)
    further = reader.get(str(link(page, "next")))
    assert not [each for each in further.all("section") if "hx-get" in each]


def test_a_part_of_the_page_never_leads_elsewhere(reader: Visitor) -> None:
    part = reader.get(address(("q", "pi_17")), HX)
    assert (part.status, listed(part)) == (200, [17])


WRONG = [
    ("status", "PAID", "must be one of PENDING"),
    ("status", "ſUCCESS", "must be one of PENDING"),
    ("method", "CHEQUE", "must be one of CARD"),
    ("gateway", "paypal", "must be one of"),
    ("amount_from", "1,50", "must be an amount"),
    ("amount_from", "-1", "must be an amount"),
    ("amount_to", "1e3", "must be an amount"),
    ("amount_to", "١٠", "must be an amount"),
    ("amount_to", "99999999999", "must be an amount"),
    ("from", "yesterday", "must be a day"),
    ("from", "2024-02-30", "must be a day"),
    ("to", "9999-12-31", "must be a day"),
    ("to", "2024-11-22T10:00", "must be a day"),
    ("q", "two words", "is no id"),
    ("q", "a\x00b", "is no id"),
    ("q", "é", "is no id"),
    ("q", "x" * 256, "is no id"),
    ("q", "0", "must be a number"),
    ("q", "9" * 5000, "must be a number"),
    ("q", "trip 9223372036854775808", "must be a number"),
]


@pytest.mark.parametrize(("name", "text", "message"), WRONG, ids=lambda value: ascii(value)[:20])
def test_a_wrong_value_is_told_beside_its_field_and_the_form_stays_filled(
    reader: Visitor, name: str, text: str, message: str
) -> None:
    page = reader.get(address(("method", "UPI"), (name, text)) if name != "method" else address((name, text)))
    assert page.status == 400
    assert message in page.text
    at_fault = [tag for tag, each in page.tags if each.get("aria-invalid") == "true"]
    assert len(at_fault) == 1
    [described] = [str(each["aria-describedby"]) for _, each in page.tags if each.get("aria-invalid") == "true"]
    assert f"{name}-fault" in described.split()
    assert [each for _, each in page.tags if each.get("id") == f"{name}-fault"]
    if name in ("amount_from", "amount_to", "from", "to"):
        assert page.fields[name] == text


def test_a_day_that_is_none_stays_readable_and_its_fault_keeps_its_capitals(reader: Visitor) -> None:
    page = reader.get(address(("from", "2026-13-01"), ("status", "NOPE")))
    kinds = {str(each["name"]): each.get("type") for _, each in page.tags if each.get("name") in ("from", "to")}
    assert kinds == {"from": "text", "to": "date"}  # a date field shows nothing of what is no date
    assert "Must be one of PENDING, SUCCESS" in page.text


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("nothing=1", "nothing is not a field of this form"),
        ("from=2024-11-22&from=2024-11-23", "is given twice"),
        ("amount_from=20&amount_to=10", "must not be less"),
        ("from=2024-11-23&to=2024-11-22", "must not be before"),
        ("cursor=x", "is not a cursor"),
        ("%3Cscript%3E=1", "<script> is not a field"),
    ],
)
def test_what_does_not_fit_together_is_told(reader: Visitor, query: str, message: str) -> None:
    page = reader.get(f"/console/payments?{query}")
    assert page.status == 400
    assert message in page.text
    assert len(page.all("script")) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.fixed_dictionaries({}, optional={name: st.text(max_size=30) for name in FIELDS}))
def test_whatever_is_typed_is_answered(reader: Visitor, texts: dict[str, str]) -> None:
    page = reader.get(address(*texts.items()))
    assert page.status in (200, 303, 400)
