"""What a receipt is made of, against the tables; and as JSON."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.protocol import Declined, Unknown
from shared.platform.database import Database
from shared.reading.receipts.receipt import MOST_REFUNDS, Receipt, read_receipt
from shared.reading.receipts.sheet import sheet_of
from shared.reading.receipts.written import json_receipt
from shared.web.problems import Problem
from shared.web.tracing import Trace
from tests.fakes.trips import Held, TripServer
from tests.sql.rows import a_payment, a_refund
from tests.support.cluster import Place
from tests.support.receipts import SELLING, receipt
from tests.support.settings import SETTINGS
from tests.support.till import Till, shown


def receipt_of(database: Database, payment_id: int) -> Receipt:
    return read_receipt(database, SETTINGS, payment_id, Trace("test"))


def test_a_receipt_says_what_was_charged_whatever_was_given_back(till: Till) -> None:
    payment_id = shown(till.pay(amount="100.00"))["payment_id"]
    till.refund(payment_id)
    found = receipt_of(till.database, payment_id)
    assert (found.number, found.amount, found.currency) == ("RCT-0000000001", Decimal("100.00"), "INR")
    issued = datetime.fromisoformat(found.issued_at)
    assert abs(datetime.now(UTC) - issued) < timedelta(minutes=1)
    assert found.paid["status"] == "REFUNDED"
    assert [(refund["refund_amount"], refund["status"]) for refund in found.given_back] == [(100, "REFUNDED")]


@pytest.mark.parametrize("turn", [Declined("card_declined"), Unknown("time-out")])
def test_a_payment_that_was_not_charged_has_no_receipt(till: Till, turn: Any) -> None:
    till.gateway.next(turn)
    till.pay()
    with pytest.raises(Problem, match="receipt_not_found"):
        receipt_of(till.database, 1)


def test_a_payment_that_there_is_not_has_none(database: Database) -> None:
    with pytest.raises(Problem, match="payment_not_found"):
        receipt_of(database, 2**63 - 1)


def test_refunds_before_the_newest_are_summed_up_and_those_that_failed_or_came_back_are_none(
    place: Place, database: Database
) -> None:
    payment_id = a_payment(place.sql, amount="100.00", refunded_amount="9.00")
    place.sql.run("INSERT INTO payment_receipts SELECT payment_id, amount, currency FROM payments")
    for second in range(9):
        a_refund(place.sql, payment_id, amount="1.00", status="REFUNDED", created_at=f"2026-11-22T12:00:{second:02}Z")
    a_refund(place.sql, payment_id, amount="7.00", status="FAILED", created_at="2026-11-22T12:01:00Z")
    a_refund(place.sql, payment_id, amount="8.00", status="REVERSED", created_at="2026-11-22T12:01:00Z")
    found = receipt_of(database, payment_id)
    assert len(found.refunds) == MOST_REFUNDS
    history = sheet_of(found, SETTINGS).history
    assert [(row.label, row.value) for row in history] == [
        ("Paid", "₹100.00"),
        ("Earlier refunds", "−₹4.00"),
        *[("Refunded", "−₹1.00")] * MOST_REFUNDS,
        ("Paid, less refunds", "₹91.00"),
    ]
    assert [row.note for row in history[2:-1]] == sorted(row.note for row in history[2:-1])


def test_no_connection_is_held_while_names_are_asked_for(place: Place, trips: TripServer) -> None:
    payment_id = a_payment(place.sql, trip_id=101, amount="100.00")
    place.sql.run("INSERT INTO payment_receipts SELECT payment_id, amount, currency FROM payments")
    trips.says(101, {"rider_id": 7})
    asked = Held({"name": "Priya Iyer"})
    trips.says_at("/riders/7", asked)
    settings = replace(place.settings(), db_pool_size=1, rider_service_url=SETTINGS.trip_service_url)
    with closing(Database(settings)) as database, ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_receipt, database, settings, payment_id, Trace("test"))
        assert asked.reached.wait(10)
        assert database.one("payment", payment_id=payment_id), "on the only connection"
        asked.release()
        assert reading.result(10).names.rider == "Priya Iyer"


def test_json_has_the_lines_the_taxes_and_the_payment_with_its_decimals() -> None:
    text = json_receipt(receipt("1.25"), SELLING)
    assert '"amount":36.50,"currency":"INR"' in text
    found = json.loads(text, parse_float=Decimal)
    assert found["receipt_number"] == "RCT-0000000351"
    assert found["payment"]["refunded_amount"] == Decimal("1.25")
    assert sum(line["amount"] for line in found["lines"]) == found["amount"]
    assert found["taxes"] == [
        {"name": "CGST", "rate": Decimal("2.5"), "amount": Decimal("0.87")},
        {"name": "SGST", "rate": Decimal("2.5"), "amount": Decimal("0.87")},
    ]
    assert found["seller"][0] == "Namma Rides Private Limited"
    assert [refund["refund_amount"] for refund in found["refunds"]] == [Decimal("1.25")]
    assert (found["rider"], found["driver"]) == (None, None)
