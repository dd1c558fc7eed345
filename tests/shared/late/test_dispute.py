"""Disputes in the books: what is read of one is stored once, holds what it holds, and is told of by an event of each move."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from shared.gateways.facts import ChargeFact, DisputeFact, Fact
from shared.gateways.protocol import Declined, Unknown
from shared.late.dispute import follow_dispute
from shared.late.ring import Left, Ring
from shared.rules.states import DISPUTE_MOVES, DISPUTE_STATUSES, DISPUTES_HOLDING
from tests.support.cluster import Place
from tests.support.till import Till, shown

RING = Ring("scripted", "dispute", "du_1", 1, 0, 0.0)
DUE, OPENED = datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 11, 1, 8, 30, tzinfo=UTC)
OPEN = DisputeFact("du_1", None, "OPEN", Decimal("100.00"), "INR", "fraudulent", DUE, OPENED, {})


@pytest.fixture
def opened(till: Till, place: Place) -> DisputeFact:
    """A dispute of all of a payment, as the gateway shows it: not followed yet."""
    till.pay(amount="100.00")
    place.sql.run("TRUNCATE outbox")
    return OPEN._replace(charge_id=place.sql.value("SELECT gateway_id FROM payments"))


def follow(till: Till, fact: DisputeFact, *statuses: Any) -> list[Left]:
    """What comes of it, and of the same in each of these statuses after it."""
    facts = [fact, *(fact._replace(status=status) for status in statuses)]
    return [follow_dispute(till.deps, RING, each) for each in facts]


def read(till: Till, found: Fact | Unknown | None) -> list[str]:
    """Has the gateway show this, whatever is read of it; the names that it is read by."""
    asked: list[str] = []
    till.gateway.read = lambda kind, name, timeout: asked.append(f"{kind} {name}") or found  # type: ignore[attr-defined]
    return asked


def books(place: Place) -> list[dict[str, Any]]:
    """Disputes as they stand, and what their payments hold back."""
    return place.sql.run(
        "SELECT d.gateway_id, d.status, d.amount, p.disputed_amount AS held"
        "  FROM payment_disputes d JOIN payments p USING (payment_id) ORDER BY dispute_id"
    )


def events(place: Place) -> list[str]:
    return [row["event_id"] for row in place.sql.run("SELECT event_id FROM outbox ORDER BY created_at, event_id")]


def rung(place: Place) -> list[dict[str, Any]]:
    return place.sql.run("SELECT gateway, kind, object_id FROM gateway_rings")


def test_a_dispute_that_is_opened_has_a_row_an_event_and_the_payment_holds_its_amount_back_in_one_commit(
    till: Till, place: Place, opened: DisputeFact
) -> None:
    assert follow(till, opened) == [None]
    row = place.sql.run("SELECT *, xmin::text FROM payment_disputes")[0]
    assert (row["status"], row["amount"], row["currency"], row["reason"]) == ("OPEN", 100, "INR", "fraudulent")
    assert (row["evidence_due_by"], row["opened_at"], row["closed_at"]) == (DUE, OPENED, None)
    payment = place.sql.run("SELECT *, xmin::text FROM payments")[0]
    assert (payment["status"], payment["disputed_amount"], payment["refunded_amount"]) == ("SUCCESS", 100, 0)
    event = place.sql.run("SELECT *, xmin::text FROM outbox")[0]
    assert {row["xmin"], payment["xmin"]} == {event["xmin"]}
    assert (event["event_id"], event["type"]) == ("du_1.opened", "com.ridehailing.payment.dispute.opened.v1")
    assert (event["subject"], event["correlation_id"]) == ("payments/1", payment["correlation_id"])
    told = event["data"]
    assert (told["payment_id"], told["reference"], told["status"]) == (1, payment["reference"], "SUCCESS")
    assert told["dispute"] == {
        "dispute_id": "du_1",
        "status": "OPEN",
        "amount": 100.0,
        "currency": "INR",
        "reason": "fraudulent",
        "evidence_due_by": "2026-12-01T00:00:00.000000Z",
        "opened_at": "2026-11-01T08:30:00.000000Z",
        "closed_at": None,
    }


@pytest.mark.parametrize("status", DISPUTE_STATUSES)
def test_a_repeat_changes_nothing(till: Till, place: Place, opened: DisputeFact, status: Any) -> None:
    first = opened._replace(status=status)
    follow(till, first)
    before = [
        place.sql.run(f"SELECT *, xmin::text FROM {table}") for table in ("payments", "payment_disputes", "outbox")
    ]
    assert follow(till, first) == [None]
    assert before == [
        place.sql.run(f"SELECT *, xmin::text FROM {table}") for table in ("payments", "payment_disputes", "outbox")
    ]


@pytest.mark.parametrize(("first", "second"), [*product(DISPUTE_STATUSES, DISPUTE_STATUSES)])
def test_whatever_is_read_after_whatever_the_payment_holds_what_the_dispute_holds(
    till: Till, place: Place, opened: DisputeFact, first: Any, second: Any
) -> None:
    follow(till, opened._replace(status=first), second)
    legal = any((move.source, move.target) == (first, second) for move in DISPUTE_MOVES)
    [row] = books(place)
    assert row["status"] == (second if legal else first)
    assert row["held"] == (100 if row["status"] in DISPUTES_HOLDING else 0)
    assert len(events(place)) == 1 + legal
    closed_at = place.sql.value("SELECT closed_at FROM payment_disputes")
    assert (closed_at is None) == (row["status"] in ("INQUIRY", "OPEN"))


def test_a_dispute_that_goes_on_and_on_has_an_event_of_its_own_for_each_move(
    till: Till, place: Place, opened: DisputeFact
) -> None:
    follow(till, opened._replace(status="INQUIRY"), "OPEN", "LOST", "WON", "LOST")
    assert events(place) == ["du_1.opened", "du_1.opened.2", "du_1.lost.3", "du_1.won.4", "du_1.lost.5"]


def test_the_events_of_a_usual_dispute_have_plain_names(till: Till, place: Place, opened: DisputeFact) -> None:
    assert follow(till, opened, "WON", "OPEN") == [None, None, None]
    assert events(place) == ["du_1.opened", "du_1.won"]


def test_one_that_was_over_and_moved_is_read_once_more_since_the_read_may_be_the_older_one(
    till: Till, opened: DisputeFact
) -> None:
    assert follow(till, opened, "WON", "LOST", "LOST") == [
        None,
        None,
        "it was over, and moved again: it is read once more",
        None,
    ]


def test_what_the_gateway_says_anew_of_one_that_did_not_move_is_kept_and_told_to_nobody(
    till: Till, place: Place, opened: DisputeFact
) -> None:
    later = datetime(2026, 12, 9, tzinfo=UTC)
    follow(till, opened)
    follow(till, opened._replace(amount=Decimal("40.00"), reason="r" * 300, evidence_due_by=later))
    assert place.sql.run(
        "SELECT amount, evidence_due_by AS due, length(reason) AS length, moves FROM payment_disputes"
    ) == [{"amount": 40, "due": later, "length": 255, "moves": 1}]
    assert (books(place)[0]["held"], events(place)) == (40, ["du_1.opened"])


def test_two_disputes_of_a_payment_are_held_together(till: Till, place: Place, opened: DisputeFact) -> None:
    first = opened._replace(amount=Decimal("30.00"))
    second = opened._replace(gateway_id="du_2", amount=Decimal("50.00"))
    follow(till, first)
    follow(till, second)
    assert [row["held"] for row in books(place)] == [80, 80]
    follow(till, first._replace(status="WON"))
    assert [row["held"] for row in books(place)] == [50, 50]


def test_more_than_is_left_is_held_and_said_aloud_once(
    till: Till, place: Place, opened: DisputeFact, logged: list[logging.LogRecord]
) -> None:
    till.refund(1)
    follow(till, opened)
    follow(till, opened)
    assert books(place)[0] | {"status": place.sql.value("SELECT status FROM payments")} == {
        "gateway_id": "du_1",
        "status": "REFUNDED",
        "amount": 100,
        "held": 100,
    }
    assert [each.getMessage() for each in logged if each.levelno == logging.ERROR] == [
        "more is disputed than is left of the payment"
    ]


def test_in_another_currency_all_of_the_payment_is_held(
    till: Till, place: Place, opened: DisputeFact, logged: list[logging.LogRecord]
) -> None:
    dollars = opened._replace(amount=Decimal("1.20"), currency="USD")
    follow(till, dollars)
    assert (books(place)[0]["amount"], books(place)[0]["held"]) == (Decimal("1.20"), 100)
    assert logging.ERROR in {each.levelno for each in logged}
    follow(till, dollars._replace(status="WON"))
    assert books(place)[0]["held"] == 0


@pytest.mark.parametrize("amount", ["0", "-1.00", "10000000000.00"])
def test_one_of_no_amount_is_nothing_for_the_books(
    till: Till, place: Place, opened: DisputeFact, logged: list[logging.LogRecord], amount: str
) -> None:
    assert follow(till, opened._replace(amount=Decimal(amount))) == [None]
    assert books(place) == []
    assert [each.getMessage() for each in logged if each.levelno == logging.ERROR] == ["a dispute of no amount"]


def a_charge(reference: str | None) -> ChargeFact:
    return ChargeFact("pi_late", reference, "succeeded", Decimal("100.00"), "INR", None, {})


def test_a_charge_whose_name_is_not_in_the_books_is_known_by_the_reference_that_it_bears(
    till: Till, place: Place, opened: DisputeFact
) -> None:
    asked = read(till, a_charge(place.sql.value("SELECT reference FROM payments")))
    assert follow(till, opened._replace(charge_id="pi_late")) == [None]
    assert (asked, books(place)[0]["held"]) == (["charge pi_late"], 100)
    assert rung(place) == [{"gateway": "scripted", "kind": "charge", "object_id": "pi_late"}]


def test_a_charge_that_is_not_settled_yet_is_rung_for_and_its_dispute_left(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out", "pi_late"))
    till.pay(key="k", amount="100.00")
    fact = OPEN._replace(charge_id="pi_late")
    reference = place.sql.value("SELECT reference FROM payments")
    assert place.sql.value("SELECT gateway_id FROM payments") == "pi_late"
    for named in (fact, fact._replace(charge_id="pi_other")):
        read(till, a_charge(reference))
        assert follow(till, named) == ["the charge that it is about is not settled"]
    assert (books(place), len(rung(place)), events(place)) == ([], 2, [])
    assert place.sql.value("SELECT disputed_amount FROM payments") == 0


def test_a_payment_that_failed_and_was_paid_late_has_its_dispute_and_stays_failed(till: Till, place: Place) -> None:
    till.gateway.next(Declined("gateway_unknown", "pi_late"))
    till.pay(amount="100.00")
    follow(till, OPEN._replace(charge_id="pi_late"))
    assert place.sql.run("SELECT status, disputed_amount FROM payments") == [
        {"status": "FAILED", "disputed_amount": 100}
    ]
    assert rung(place) == [{"gateway": "scripted", "kind": "charge", "object_id": "pi_late"}]


@pytest.mark.parametrize(
    "found", [None, a_charge(None), a_charge("PAY-of-somebody-else")], ids=["not shown", "no reference", "another's"]
)
def test_what_is_not_ours_is_dropped(till: Till, place: Place, opened: DisputeFact, found: Fact | None) -> None:
    read(till, found)
    assert follow(till, opened._replace(charge_id="pi_late")) == [None]
    assert follow(till, opened._replace(charge_id=None)) == [None]
    assert (books(place), rung(place)) == ([], [])


def test_what_the_gateway_does_not_say_now_is_left(till: Till, place: Place, opened: DisputeFact) -> None:
    read(till, Unknown("503"))
    assert follow(till, opened._replace(charge_id="pi_late")) == ["whose charge it is about is not known: 503"]
    assert follow_dispute(till.deps, RING._replace(gateway="gone"), opened) == (
        "whose charge it is about is not known: the settings of gone are absent"
    )
    assert books(place) == []


def test_of_many_that_follow_one_dispute_at_once_one_writes_it(till: Till, place: Place, opened: DisputeFact) -> None:
    """All of them wait for the payment's row; those that come second see the first one's dispute only in a second try."""
    with place.connection() as holder:
        holder.run("BEGIN; SELECT FROM payments FOR UPDATE")
        with ThreadPoolExecutor(3) as threads:
            following = [threads.submit(follow_dispute, till.deps, RING, opened) for _ in range(3)]
            until_waiting(place, 3)
            holder.run("COMMIT")
            assert [each.result(30) for each in following] == [None] * 3
    assert (books(place)[0]["held"], events(place)) == (100, ["du_1.opened"])


def test_of_two_that_read_different_things_at_once_what_is_held_is_what_stands(
    till: Till, place: Place, opened: DisputeFact
) -> None:
    follow(till, opened)
    both = [opened._replace(status="WON"), opened._replace(status="LOST")]
    with place.connection() as holder:
        holder.run("BEGIN; SELECT FROM payments FOR UPDATE")
        with ThreadPoolExecutor(2) as threads:
            following = [threads.submit(follow_dispute, till.deps, RING, each) for each in both]
            until_waiting(place, 2)
            holder.run("COMMIT")
            left = [each.result(30) for each in following]
    [row] = books(place)
    assert row["held"] == (100 if row["status"] == "LOST" else 0)
    assert sorted(left, key=str) == [None, "it was over, and moved again: it is read once more"]
    assert len(events(place)) == 3


def test_a_dispute_and_a_refund_at_once_are_both_held_whichever_comes_first(
    till: Till, place: Place, opened: DisputeFact
) -> None:
    held = till.gateway.hold()
    with ThreadPoolExecutor(2) as threads:
        refunding = threads.submit(till.refund, 1, "60.00")
        assert held.reached.wait(30)
        assert threads.submit(follow_dispute, till.deps, RING, opened).result(30) is None
        held.released.set()
        assert shown(refunding.result(30))["status"] == "REFUNDED"
    assert place.sql.run(
        "SELECT refunded_amount AS given, reserved_amount AS kept, disputed_amount AS held FROM payments"
    ) == [{"given": 60, "kept": 0, "held": 100}]


def until_waiting(place: Place, number: int) -> None:
    waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    for _ in range(3000):
        if place.sql.value(waits) >= number:
            return
        threading.Event().wait(0.01)
    raise AssertionError("they do not wait")
