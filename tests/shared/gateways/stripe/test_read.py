"""What Stripe's objects are, read by their id: the truth that the books follow, and still distrusted."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.facts import ChargeFact, DisputeFact, Fact, Kind, RefundFact
from shared.gateways.protocol import Unknown
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike

REFERENCE = "6f7a3d1e-58d1-4c0f-9f53-0d5f5a5d7b11"
INTENT = {
    "id": "pi_1",
    "object": "payment_intent",
    "amount": 15000,
    "currency": "inr",
    "status": "succeeded",
    "metadata": {"reference": REFERENCE},
    "client_secret": "pi_1_secret_x",
}
REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 5000,
    "currency": "inr",
    "status": "succeeded",
    "payment_intent": "pi_1",
    "metadata": {},
}
DISPUTE = {
    "id": "du_1",
    "object": "dispute",
    "amount": 15000,
    "currency": "inr",
    "status": "needs_response",
    "reason": "fraudulent",
    "payment_intent": "pi_1",
    "created": 1780000000,
    "evidence_details": {"due_by": 1781000000},
}
OBJECTS: dict[Kind, dict[str, Any]] = {"charge": INTENT, "refund": REFUND, "dispute": DISPUTE}


@pytest.fixture
def read(stripe: Stripe, gateway: StripeLike) -> Any:
    """Reads an object that is as the tests' is, but for these fields."""

    def read(kind: Kind, **fields: Any) -> Fact | Unknown | None:
        gateway.say(200, OBJECTS[kind] | fields)
        return stripe.read(kind, OBJECTS[kind]["id"], 5.0)

    return read


def test_a_charge_is_read_with_our_reference_and_without_its_secret(read: Any, gateway: StripeLike) -> None:
    fact = read("charge")
    assert fact[:6] == ("pi_1", REFERENCE, "succeeded", Decimal("150.00"), "INR", None)
    assert isinstance(fact, ChargeFact)
    assert fact.said["id"] == "pi_1"
    assert "secret_x" not in str(fact.said)
    assert gateway.requests[-1][:2] == ("GET", "/v1/payment_intents/pi_1")


@pytest.mark.parametrize(
    ("status", "told"),
    [("succeeded", "succeeded"), ("canceled", "canceled")]
    + [(each, "open") for each in ("processing", "requires_action", "requires_payment_method", "something_new")],
)
def test_only_two_statuses_of_a_charge_are_final(read: Any, status: str, told: str) -> None:
    assert read("charge", status=status).status == told


def test_a_charge_says_why_the_card_was_declined(read: Any) -> None:
    error = {"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}
    assert read("charge", status="canceled", last_payment_error=error).code == "lost_card"


def test_a_refund_that_was_made_at_stripe_bears_no_reference_of_ours(read: Any, gateway: StripeLike) -> None:
    fact = read("refund")
    assert fact[:7] == ("re_1", None, "pi_1", "succeeded", Decimal("50.00"), "INR", None)
    assert isinstance(fact, RefundFact)
    assert gateway.requests[-1][:2] == ("GET", "/v1/refunds/re_1")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"status": "pending"}, "pending", None),
        ({"status": "requires_action"}, "pending", None),
        ({"status": "failed", "failure_reason": "lost_or_stolen_card"}, "failed", "lost_or_stolen_card"),
        ({"status": "failed"}, "failed", "refund_failed"),
        ({"status": "canceled"}, "failed", "refund_canceled"),
    ],
)
def test_a_refund_failed_where_no_money_goes_out(read: Any, fields: Any, status: str, code: str | None) -> None:
    fact = read("refund", **fields)
    assert (fact.status, fact.code) == (status, code)


def test_a_dispute_is_read_with_its_moments(read: Any, gateway: StripeLike) -> None:
    fact = read("dispute")
    opened_at, due_by = datetime.fromtimestamp(1780000000, UTC), datetime.fromtimestamp(1781000000, UTC)
    assert fact[:8] == ("du_1", "pi_1", "OPEN", Decimal("150.00"), "INR", "fraudulent", due_by, opened_at)
    assert isinstance(fact, DisputeFact)
    assert gateway.requests[-1][:2] == ("GET", "/v1/disputes/du_1")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("warning_needs_response", "INQUIRY"),
        ("warning_under_review", "INQUIRY"),
        ("warning_closed", "WITHDRAWN"),
        ("needs_response", "OPEN"),
        ("under_review", "OPEN"),
        ("appeal_needs_response", "OPEN"),
        ("appeal_under_review", "OPEN"),
        ("won", "WON"),
        ("lost", "LOST"),
        ("prevented", "WITHDRAWN"),
    ],
)
def test_each_status_of_a_dispute_has_one_of_ours(read: Any, status: str, told: str) -> None:
    assert read("dispute", status=status).status == told


@pytest.mark.parametrize(
    ("amounts", "told"),
    [((-15000,), "LOST"), ((-15000, 15000), "WITHDRAWN"), ((), "WITHDRAWN"), (("many",), "WITHDRAWN")],
)
def test_a_dispute_that_was_prevented_is_lost_where_the_money_was_taken(read: Any, amounts: Any, told: str) -> None:
    moved = [{"object": "balance_transaction", "amount": amount} for amount in amounts]
    assert read("dispute", status="prevented", balance_transactions=moved).status == told


@pytest.mark.parametrize("moved", [None, "none", [None], [{}], [{"amount": True}]])
def test_what_was_taken_for_a_prevented_dispute_may_not_be_said(read: Any, moved: Any) -> None:
    assert read("dispute", status="prevented", balance_transactions=moved).status == "WITHDRAWN"


@pytest.mark.parametrize("status", ["warning_under_review", "under_review", "appeal_under_review"])
def test_no_evidence_is_due_that_was_sent(read: Any, status: str) -> None:
    assert read("dispute", status=status).evidence_due_by is None


@pytest.mark.parametrize("details", [None, {}, {"due_by": None}, {"due_by": 0}, {"due_by": "soon"}, {"due_by": 10**30}])
def test_a_dispute_may_have_no_evidence_to_be_given(read: Any, details: Any) -> None:
    assert read("dispute", evidence_details=details).evidence_due_by is None


@pytest.mark.parametrize("kind", OBJECTS)
def test_what_stripe_does_not_know_is_not_shown(stripe: Stripe, gateway: StripeLike, kind: Kind) -> None:
    error = {"type": "invalid_request_error", "code": "resource_missing"}
    gateway.say(404, {"error": error})
    assert stripe.read(kind, "xx_forged", 5.0) is None


@pytest.mark.parametrize("forged", ["", "..", "../charges", "pi_1/cancel", "pi_1?expand[]=x", "pi\n1", "ø", "x" * 256])
def test_what_is_no_id_of_stripes_is_not_asked_for(stripe: Stripe, gateway: StripeLike, forged: str) -> None:
    assert stripe.read("charge", forged, 5.0) is None
    assert not gateway.requests


@pytest.mark.parametrize(("status", "body"), [(401, {}), (403, {}), (404, b"<html>"), (500, {}), (200, [])])
def test_an_answer_that_says_nothing_of_the_object_is_not_known(
    hasty: Stripe, gateway: StripeLike, status: int, body: Any
) -> None:
    for _ in range(9):
        gateway.say(status, body)
    assert isinstance(hasty.read("charge", "pi_1", 0.2), Unknown)


def test_a_gateway_that_does_not_answer_is_an_outage(stripe: Stripe, gateway: StripeLike) -> None:
    gateway.stop()
    said = stripe.read("charge", "pi_1", 0.2)
    assert isinstance(said, Unknown)
    assert not said.answered


@pytest.mark.parametrize("kind", OBJECTS)
@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "pi_another"},
        {"object": "charge"},
        {"status": None},
        {"status": ["succeeded"]},
        {"currency": "INR"},
        {"currency": None},
        {"currency": {"inr": 1}},
        *({"amount": amount} for amount in (None, "15000", 150.5, True, 0, -5, 10**12, 10**40)),
    ],
    ids=str,
)
def test_an_object_that_is_not_understood_decides_nothing(read: Any, kind: Kind, wrong: Any) -> None:
    assert isinstance(read(kind, **wrong), Unknown)


@pytest.mark.parametrize(("kind", "wrong"), [("refund", "new"), ("dispute", "new")])
def test_a_status_that_is_new_at_stripe_decides_nothing(read: Any, kind: Kind, wrong: str) -> None:
    assert isinstance(read(kind, status=wrong), Unknown)


@pytest.mark.parametrize("created", [None, 0, -1, "1780000000", True, 10**30])
def test_a_dispute_was_opened_at_some_moment(read: Any, created: Any) -> None:
    assert isinstance(read("dispute", created=created), Unknown)


@pytest.mark.parametrize("metadata", [None, [], {"reference": 5}, {"reference": "x" * 256}, {"reference": "a\x00b"}])
def test_what_is_no_reference_is_none(read: Any, metadata: Any) -> None:
    assert read("charge", metadata=metadata).reference is None
