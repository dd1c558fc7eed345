"""A payment's story in words: a line for each kind of moment."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import get_args

import pytest

from functions.console.timeline import Line, lines
from shared.reading import story
from shared.reading.story import Moment, Standing, Story
from shared.reading.words import Words
from tests.support.settings import SETTINGS

BEGAN = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
AMOUNT = Decimal("150.00")
CHARGE = Standing(None, "PAY-1", AMOUNT, "SUCCESS", None, None, None, 1, None, False)
REFUND = Standing(7, "REF-1", Decimal("50.00"), "REFUNDED", None, None, None, 1, None, False)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def told(*moments: Moment) -> list[Line]:
    whole = Story(1, "{}", "INR", "stripe", None, CHARGE, [REFUND], list(moments), 2, 0)
    return lines(whole, Words(SETTINGS))


EVERY = (
    story.Claimed(BEGAN, None, "asha", "c-1", AMOUNT, None, False),
    story.Asking(after(1), None, 1, 1, "charge", "unknown", None, "no answer", None, 1200, None),
    story.Lost(after(2), None, 3, 2, False),
    story.Asking(after(3), None, 4, 1, "find", "declined", "expired_card", None, "ch_1", 80, "ravi"),
    story.SettledByHand(
        after(4), None, "ravi", "The bank confirmed it: ticket 7", True, True, "declined (expired_card)"
    ),
    story.Settled(after(4), None, True, None, None, AMOUNT),
    story.Reversed(after(5), 7, "lost_card", Decimal("50.00"), "client"),
    story.Contradicted(after(5), None, "sweep", "FAILED", "succeeded"),
    story.DisputeOpened(after(5), None, "du_1", "OPEN", AMOUNT, "INR", "fraudulent", after(60)),
    story.DisputeOver(after(5), None, "du_1", "LOST", AMOUNT, "INR"),
    story.EventWritten(after(6), None, "e", "payment.succeeded", 3, after(9)),
    story.EventDelivered(after(6), None, "e", "payment.succeeded"),
    story.EventSetAside(after(7), 7, "f", "payment.refunded", 5, "the sink said 422"),
    story.Adopted(after(8), None, "sweep", AMOUNT),
    story.EnteredAgain(after(8), None, "asha@ops-1", "restored", "pi_1: a charge of 150.00 INR, succeeded"),
)


@pytest.mark.parametrize(
    ("source", "note"),
    [
        ("client", "The amount is the payment's again, and may be given back once more."),
        ("gateway", "The amount is the payment's again, and may be given back once more."),
        ("late_payment", "It was never the payment's: somebody is to give it back some other way."),
    ],
)
def test_what_came_back_is_the_payments_again_unless_it_was_paid_late(source: str, note: str) -> None:
    [line] = told(story.Reversed(after(5), 7, "lost_card", Decimal("50.00"), source))
    assert line.note.endswith(f". {note}")


def test_every_kind_of_moment_has_a_line() -> None:
    assert {type(moment) for moment in EVERY} == set(get_args(Moment))
    assert [(line.tone, line.title) for line in told(*EVERY)] == [
        ("plain", "Asked for: ₹150.00"),
        ("open", "Stripe was asked to charge: no final answer"),
        ("open", "What Stripe answered is not known"),
        ("plain", "Stripe was asked what became of it: declined"),
        ("open", "Settled by hand as succeeded"),
        ("good", "Charged: ₹150.00"),
        ("bad", "Came back: ₹50.00"),
        ("bad", "The gateway contradicts what is stored"),
        ("bad", "Disputed: ₹150.00"),
        ("bad", "Dispute lost: ₹150.00"),
        ("open", "Event is to be delivered"),
        ("good", "Event delivered"),
        ("bad", "Event set aside"),
        ("good", "Paid late, and adopted: ₹150.00"),
        ("plain", "Entered again: the books had lost it"),
    ]


def test_a_refund_that_somebody_made_at_the_gateway_was_asked_for_by_no_client() -> None:
    claimed = story.Claimed(BEGAN, 7, None, "c-1", Decimal("50.00"), None, False, "gateway")
    asking = story.Asking(after(1), 7, 1, 1, "refund", "succeeded", None, None, "re_1", 80, None)
    whole = Story(1, "{}", "INR", "stripe", None, CHARGE, [REFUND._replace(source="gateway")], [claimed, asking], 0, 0)
    entered, asked = lines(whole, Words(SETTINGS))
    assert (entered.title, entered.note) == ("Entered: ₹50.00", "Somebody gave it back in Stripe's own pages.")
    assert asked.title == "Stripe was asked what became of it: succeeded"


def test_a_line_has_who_why_and_how_long() -> None:
    by_hand, asking = told(EVERY[4])[0], told(EVERY[3])[0]
    assert ("By", "ravi") in by_hand.details
    assert ("Why", "The bank confirmed it: ticket 7") in by_hand.details
    assert by_hand.note == "Against what the gateway said."
    assert asking.details == [
        ("Took", "80 ms"),
        ("Why", "The card has expired (expired_card)"),
        ("Gateway's id", "ch_1"),
        ("Attempt", "4"),
        ("Asked by", "ravi"),
    ]


def test_a_time_is_told_once_and_then_how_long_after_the_beginning() -> None:
    first, second, third = told(EVERY[0], EVERY[5]._replace(at=after(0.04)), EVERY[7])
    assert (first.after, second.told, second.after) == ("", "", "40 ms")
    assert (third.told != "", third.after) == (True, "5 seconds")


def test_an_event_that_was_delivered_at_once_has_one_line() -> None:
    written = story.EventWritten(after(6), None, "e", "payment.succeeded", 0, None)
    delivered = story.EventDelivered(after(6), None, "e", "payment.succeeded")
    assert [line.title for line in told(written, delivered)] == ["Event delivered"]


def test_refunds_are_called_by_their_place_among_all() -> None:
    assert told(story.Reversed(after(5), 7, None, AMOUNT, "client"))[0].refund == "Refund 3"


def test_a_dispute_says_why_until_when_and_what_became_of_it() -> None:
    def dispute(status: str) -> list[Line]:
        opened = story.DisputeOpened(BEGAN, None, "du_1", status, Decimal("5.00"), "USD", "fraudulent", after(60))
        over = [story.DisputeOver(after(9), None, "du_1", status, Decimal("5.00"), "USD")]
        return told(opened, *(over if status in ("WON", "LOST", "WITHDRAWN") else []))

    [inquiry], [still_open] = dispute("INQUIRY"), dispute("OPEN")
    assert (inquiry.title, inquiry.note) == ("The rider's bank asks about $5.00", "Nothing is held back for that.")
    assert [name for name, _ in inquiry.details] == ["Reason", "Evidence is due", "Gateway's id"]
    assert still_open.note == "The bank holds it back until it has decided."
    ends = {status: [(line.tone, line.title) for line in dispute(status)] for status in ("WON", "LOST", "WITHDRAWN")}
    assert ends == {
        "WON": [("plain", "Disputed: $5.00"), ("good", "Dispute won: $5.00")],
        "LOST": [("plain", "Disputed: $5.00"), ("bad", "Dispute lost: $5.00")],
        "WITHDRAWN": [("plain", "Disputed: $5.00"), ("good", "Dispute withdrawn: $5.00")],
    }
    assert dispute("WON")[0].details == [("Reason", "fraudulent"), ("Gateway's id", "du_1")]
