"""What a movement is beside a row of ours, and an entry of ours beside what the gateway shows, by words alone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.facts import Fact, Movement
from shared.reconciling.verdict import Entry, Ours, judge, judge_entry
from shared.reconciling.window import Window
from tests.support.ringing import a_charge_fact, a_dispute_fact, a_refund_fact

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
WINDOW = Window(NOON - timedelta(hours=12), NOON + timedelta(hours=12), "2026-11-26")
AMOUNT = Decimal("150.00")
OURS = "PAY-20261126-7QH4V0ZK3MDX9T2C"


def moved(kind: str = "charge", **fields: Any) -> Movement:
    amount = -AMOUNT if kind in ("refund", "dispute", "payout") else AMOUNT
    movement = Movement(
        "txn_1", "charge", NOON, "pi_1", "pi_1", "PAY-1", amount, Decimal("6.00"), "INR", AMOUNT, "INR", "succeeded"
    )
    return movement._replace(**{"kind": kind} | fields)


def ours(status: str | None = "SUCCESS", **fields: Any) -> Ours:
    return Ours(1, None, AMOUNT, "INR", status, "pi_1", status or "SUCCESS", False)._replace(**fields)


@pytest.mark.parametrize(
    ("movement", "row", "verdict"),
    [
        (moved(), ours(), "matched"),
        (moved(), ours("REFUNDED"), "matched"),
        (moved(), ours(known_as=None), "matched"),
        (moved(), ours("FAILED"), "matched"),  # known as the charge that was paid late
        (moved(), ours("FAILED", known_as=None), "status_differs"),
        (moved(), ours("PENDING"), "not_yet_due"),
        (moved(), ours(known_as="pi_2"), "missing_here"),
        (moved(), None, "missing_here"),
        (moved(amount=-AMOUNT), ours(), "amount_differs"),
        (moved(object_currency="USD", currency="USD"), ours(), "amount_differs"),
        (moved(object_amount=None, object_currency=None, status=None), ours(), "matched"),
        (moved(currency="USD", amount=Decimal("1.80")), ours(), "matched"),
        (moved("refund", status="failed"), ours("REVERSED"), "matched"),
        (moved("refund_failure", status="failed"), ours("FAILED"), "matched"),
        (moved("refund", status="failed"), ours("REFUNDED"), "status_differs"),
        (moved("refund", status="failed"), ours("REFUNDED", rung=True), "not_yet_due"),
        (moved("refund"), ours(None, payment_status="SUCCESS"), "missing_here"),
        (moved("refund"), ours(None, payment_status="FAILED"), "matched"),  # given back there: it was paid late
        (moved("refund"), ours(None, payment_status="FAILED", known_as=None), "missing_here"),
        (moved("dispute", status="OPEN"), ours(None, payment_status="PENDING"), "not_yet_due"),
        (moved("dispute", status="WON", amount=Decimal("20.00")), ours("WON"), "matched"),
        (moved("dispute", status="LOST"), ours("OPEN"), "status_differs"),
        (moved("other"), None, "missing_here"),
        (moved("fee"), None, "matched"),
        (moved("payout"), None, "matched"),
    ],
)
def test_a_movement(movement: Movement, row: Ours | None, verdict: str) -> None:
    judged = judge(movement, row, 0)
    assert judged.verdict == verdict
    assert judged.why or verdict == "matched"


@pytest.mark.parametrize(
    ("reference", "cell", "said"),
    [
        (OURS, 0, f"it bears our reference {OURS}"),
        (f"{OURS}-12", 12, f"it bears our reference {OURS}-12"),
        (f"{OURS}-12", 0, f"it is of cell 12, and bears its reference {OURS}-12"),
        (OURS, 12, f"it is of cell 0, and bears its reference {OURS}"),
        ("ORDER-7", 12, "it bears our reference ORDER-7"),
    ],
)
def test_what_another_cell_moved_with_the_same_account_is_said_to_be_its(reference: str, cell: int, said: str) -> None:
    judged = judge(moved(reference=reference), None, cell)
    assert judged.verdict == "missing_here"
    assert judged.why == f"the books have no such charge; {said}"


def entry(kind: str = "charge", **fields: Any) -> Entry:
    written = Entry(7, NOON, "charge", 1, None, "pi_1", "pi_1", "PAY-1", "INR", AMOUNT, "SUCCESS", NOON, False)
    return written._replace(**{"kind": kind} | fields)


@pytest.mark.parametrize(
    ("written", "fact", "verdict"),
    [
        (entry(), None, "missing_there"),
        (entry(rung=True), None, "not_yet_due"),
        (entry(object_id=None), None, "missing_there"),
        (entry(), a_charge_fact(), "missing_there"),
        (entry(), a_charge_fact(status="canceled"), "status_differs"),
        (entry(), a_charge_fact(created_at=NOON - timedelta(days=1)), "not_yet_due"),
        (entry(at=WINDOW.ends - timedelta(minutes=1)), a_charge_fact(), "not_yet_due"),
        (entry(claimed_at=WINDOW.begins - timedelta(minutes=1)), a_charge_fact(), "not_yet_due"),
        (entry("refund", status="REFUNDED", claimed_at=None), a_refund_fact(), "not_yet_due"),
        (entry("refund", status="REFUNDED"), a_refund_fact(), "missing_there"),
        (entry("refund_failure", status="REVERSED"), a_refund_fact(status="failed"), "not_yet_due"),
        (entry("dispute", status="OPEN"), a_dispute_fact(), "not_yet_due"),
    ],
)
def test_an_entry_that_no_movement_is(written: Entry, fact: Fact | None, verdict: str) -> None:
    assert judge_entry(written, fact, WINDOW).verdict == verdict
