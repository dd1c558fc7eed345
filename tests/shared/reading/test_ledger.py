"""What the ledger says by day, and of drivers, against what was booked."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from shared.reading import ledger
from shared.reading.ledger_queries import MOST_DAYS, Days, DriversPage, read_days, read_drivers_page
from shared.web.problems import Problem
from tests.sql.journal import ACCOUNTS
from tests.sql.rows import a_payment, a_refund, insert
from tests.support.cluster import Place
from tests.support.till import WatchedDatabase

NOW = datetime(2026, 11, 27, 20, 0, tzinfo=UTC)


def book(place: Place, at: str, amount: int, gateway: str | None = "stripe", currency: str = "INR") -> None:
    """So much came in, at this moment."""
    entry = {"movement": f"made {at} {amount}", "at": at, "gateway": gateway, "currency": currency}
    insert(place.sql, "ledger_entries", entry | {"gateway_receivable": amount, "revenue": -amount})


def told(database: WatchedDatabase, days: Days, time_zone: str = "UTC") -> list[tuple[str, str, float, float]]:
    """Day, currency, and change and balance of what is with gateways."""
    data = json.loads(ledger.balances(database, days, time_zone))["data"]
    moved = [(each["day"], each["currency"], each["accounts"]["gateway_receivable"]) for each in data]
    return [(day, currency, each["change"], each["balance"]) for day, currency, each in moved]


@pytest.mark.parametrize("folded", [False, True])
def test_a_day_s_balance_is_what_was_booked_until_its_end(
    place: Place, database: WatchedDatabase, folded: bool
) -> None:
    for at, amount in (
        ("2026-11-01T12:00Z", 1),
        ("2026-11-24T00:00Z", 10),
        ("2026-11-24T23:59:59Z", 100),
        ("2026-11-26T12:00Z", 1000),
        ("2026-11-27T00:00Z", 10000),
    ):
        book(place, at, amount)
        if folded:
            place.sql.run("SELECT fold_totals()")
    assert told(database, Days(date(2026, 11, 24), date(2026, 11, 26))) == [
        ("2026-11-24", "INR", 110, 111),
        ("2026-11-25", "INR", 0, 111),
        ("2026-11-26", "INR", 1000, 1111),
    ]


def test_days_begin_and_end_by_the_clocks_of_the_time_zone_also_when_these_are_changed(
    place: Place, database: WatchedDatabase
) -> None:
    """In Berlin the 25th of October 2026 has 25 hours: from 22:00 to 23:00 in UTC."""
    for at, amount in (("2026-10-24T21:59Z", 1), ("2026-10-24T22:00Z", 10), ("2026-10-25T22:59Z", 100)):
        book(place, at, amount)
    book(place, "2026-10-25T23:00Z", 1000)
    place.sql.run("SELECT fold_totals()")
    days = Days(date(2026, 10, 24), date(2026, 10, 26))
    assert [change for _, _, change, _ in told(database, days, "Europe/Berlin")] == [1, 110, 1000]
    assert [change for _, _, change, _ in told(database, days, "Asia/Kolkata")] == [0, 11, 1100]


def test_every_account_is_told_and_what_is_with_gateways_by_gateway_and_no_currency_is_added_to_another(
    place: Place, database: WatchedDatabase
) -> None:
    a_payment(place.sql, driver_id="drv-1", commission="20.00", gateway="stripe")
    a_refund(place.sql, a_payment(place.sql, method="CASH", gateway="cash"))
    a_payment(place.sql, gateway="simulated")
    a_payment(place.sql, currency="USD", amount="7.00", gateway=None)
    today = datetime.now(UTC).date()
    data = json.loads(ledger.balances(database, Days(today, today), "UTC"))["data"]
    assert [each["currency"] for each in data] == ["INR", "USD"]
    held = {"gateway_receivable": 200, "cash_with_drivers": 90, "revenue": -220, "refunds": 10, "drivers_payable": -80}
    assert data[0]["accounts"] == {
        account: {"change": held.get(account, 0), "balance": held.get(account, 0)} for account in ACCOUNTS
    }
    assert data[0]["gateways"] == [
        {"gateway": "simulated", "change": 100, "balance": 100},
        {"gateway": "stripe", "change": 100, "balance": 100},
    ]
    assert data[1]["gateways"] == [{"gateway": None, "change": 7, "balance": 7}]
    assert told(database, Days(today, today, "USD")) == [(today.isoformat(), "USD", 7, 7)]
    assert told(database, Days(today, today, "XXX")) == []


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({}, "2026-11-28", "2026-11-28"),
        ({"to": "2026-11-20"}, "2026-11-20", "2026-11-20"),
        ({"from": "2026-11-20"}, "2026-11-20", "2026-11-28"),
        ({"from": "2024-02-29", "to": "2024-03-01"}, "2024-02-29", "2024-03-01"),
        ({"from": "2025-11-28"}, "2025-11-28", "2026-11-28"),
    ],
)
def test_the_days_that_are_asked_for_end_today_by_the_clock_of_the_time_zone(
    query: dict[str, str], first: str, last: str
) -> None:
    days = read_days([*query.items()], "Asia/Kolkata", NOW)
    assert (days.first, days.last) == (date.fromisoformat(first), date.fromisoformat(last))
    assert (days.all[0], days.all[-1], len(days.all) <= MOST_DAYS) == (days.first, days.last, True)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ([("from", "2026-11-29")], ["from"]),
        ([("from", "2026-11-20"), ("to", "2026-11-19")], ["from"]),
        ([("from", "2025-11-27")], ["from"]),
        ([("from", "yesterday"), ("to", "2026-02-30")], ["from", "to"]),
        ([("to", "2026-11-27T00:00:00Z")], ["to"]),
        ([("to", "1999-12-31")], ["to"]),
        ([("to", "9001-01-01")], ["to"]),
        ([("currency", "inr")], ["currency"]),
        ([("currency", "INR"), ("currency", "USD")], ["currency"]),
        ([("day", "2026-11-27")], ["day"]),
    ],
)
def test_days_that_cannot_be_told_are_refused_by_name(query: list[tuple[str, str]], fields: list[str]) -> None:
    with pytest.raises(Problem) as refused:
        read_days(query, "Asia/Kolkata", NOW)
    assert [name for name, _ in refused.value.errors] == fields


def test_what_is_owed_to_drivers_is_told_page_by_page_whether_folded_or_not(
    place: Place, database: WatchedDatabase
) -> None:
    for turn in range(3):
        for number in range(5):
            cash = {"method": "CASH"} if turn == 2 else {}
            a_payment(place.sql, driver_id=f"drv-{number + turn}", commission="25.00", **cash)
        if turn < 2:
            place.sql.run("SELECT fold_totals()")
    a_payment(place.sql, driver_id="drv-2", commission="1.00", currency="USD")
    rows, page = list[dict[str, Any]](), DriversPage(limit=3)
    while True:
        answer = json.loads(ledger.drivers(database, page))
        rows += answer["data"]
        if answer["next_cursor"] is None:
            break
        assert len(answer["data"]) == 3
        page = read_drivers_page([("limit", "3"), ("cursor", answer["next_cursor"])])
    earned = [("drv-0", 75, 0), ("drv-1", 150, 0), ("drv-2", 225, 100), ("drv-2", 99, 0), ("drv-3", 225, 100)]
    earned += [("drv-4", 225, 100), ("drv-5", 150, 100), ("drv-6", 75, 100)]
    assert [(row["driver_id"], row["earned"], row["cash_held"]) for row in rows] == earned
    assert all(row["owed"] == row["earned"] - row["cash_held"] for row in rows)
    of_one = json.loads(ledger.driver(database, "drv-2"))["data"]
    assert of_one == [row for row in rows if row["driver_id"] == "drv-2"]


def test_of_whoever_drove_nothing_that_is_booked_nothing_is_told(place: Place, database: WatchedDatabase) -> None:
    a_payment(place.sql, driver_id="drv-1", commission="25.00")
    assert json.loads(ledger.driver(database, "drv-9")) == {"data": []}


@pytest.mark.parametrize("driver_id", ["\0", "a b", "x" * 65, "%", "é"])
def test_what_is_no_id_of_a_driver_is_not_found(database: WatchedDatabase, driver_id: str) -> None:
    with pytest.raises(Problem) as refusal:
        ledger.driver(database, driver_id)
    assert refusal.value.code == "not_found"


@pytest.mark.parametrize(
    "query", [[("cursor", "x")], [("cursor", "MjAyNg")], [("cursor", "ZHJ2AElOUg")], [("limit", "0")], [("page", "1")]]
)
def test_a_page_of_drivers_that_cannot_be_told_is_refused(query: list[tuple[str, str]]) -> None:
    with pytest.raises(Problem) as refused:
        read_drivers_page(query)
    assert refused.value.code == "invalid_request"
