"""A refund at Stripe: what is asked, and what each answer is."""

from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.requests_of_ours import a_charge, a_refund


@pytest.fixture
def charge_id(gateway: StripeLike, stripe: Stripe) -> str:
    outcome = stripe.charge(a_charge())
    assert isinstance(outcome, Succeeded)
    assert outcome.gateway_id is not None
    gateway.requests.clear()
    return outcome.gateway_id


def refunds_of(gateway: StripeLike, reference: str) -> dict[str, Any]:
    account: dict[str, Any] = gateway.ledger()["refunds"][reference]
    return account


def test_what_succeeded_is_succeeded_with_its_id(gateway: StripeLike, stripe: Stripe, charge_id: str) -> None:
    request = a_refund(charge_id)
    assert stripe.refund(request) == Succeeded(refunds_of(gateway, request.reference)["ids"][0])
    assert refunds_of(gateway, request.reference)["amount"] == 1000
    _, path, headers, fields = gateway.requests[-1]
    assert (path, headers["idempotency-key"]) == ("/v1/refunds", request.reference)
    assert dict(fields) == {
        "payment_intent": charge_id,
        "amount": "1000",
        "metadata[reference]": request.reference,
        "metadata[payment_id]": str(request.payment_id),
    }


def test_asked_many_times_it_gives_back_once(gateway: StripeLike, stripe: Stripe, charge_id: str) -> None:
    request = a_refund(charge_id)
    assert len({stripe.refund(request) for _ in range(5)}) == 1
    assert refunds_of(gateway, request.reference)["count"] == 1


def test_a_pending_refund_is_unknown_and_settled_by_reading(
    gateway: StripeLike, stripe: Stripe, charge_id: str
) -> None:
    gateway.control({"pending": 1})
    request = a_refund(charge_id)
    outcome = stripe.refund(request)
    refund_id = refunds_of(gateway, request.reference)["ids"][0]
    assert outcome == Unknown("the refund is pending", refund_id)
    gateway.control({"skip": 10})
    assert stripe.find_refund(a_refund(charge_id, reference=request.reference, gateway_id=refund_id)) == Succeeded(
        refund_id
    )


@pytest.mark.parametrize(("status", "code"), [("failed", "expired_or_canceled_card"), ("canceled", "refund_canceled")])
def test_a_refund_that_did_not_happen_is_declined(
    gateway: StripeLike, stripe: Stripe, charge_id: str, status: str, code: str
) -> None:
    gateway.control({status: 1})
    request = a_refund(charge_id)
    assert stripe.refund(request) == Declined(code, refunds_of(gateway, request.reference)["ids"][0])


def test_a_refund_that_waits_for_somebody_is_unknown(gateway: StripeLike, stripe: Stripe, charge_id: str) -> None:
    gateway.control({"requires_action": 1})
    assert isinstance(stripe.refund(a_refund(charge_id)), Unknown)


def test_more_than_is_left_is_declined(stripe: Stripe, charge_id: str) -> None:
    assert stripe.refund(a_refund(charge_id, amount=Decimal("36.51"))) == Declined("invalid_request_error")


def test_what_was_given_back_already_is_declined_with_its_code(stripe: Stripe, charge_id: str) -> None:
    stripe.refund(a_refund(charge_id, amount=Decimal("36.50")))
    assert stripe.refund(a_refund(charge_id)) == Declined("charge_already_refunded")


def test_a_charge_that_stripe_does_not_know_is_declined(stripe: Stripe) -> None:
    assert stripe.refund(a_refund("pi_unheard_of")) == Declined("resource_missing")


def test_a_charge_without_a_name_at_stripe_is_declined_and_never_asked_for(gateway: StripeLike, stripe: Stripe) -> None:
    request = a_refund(None)
    assert (stripe.refund(request), stripe.find_refund(request)) == (Declined("charge_unknown"), None)
    assert not gateway.requests


def test_an_answer_lost_every_time_is_unknown_and_found_by_the_charge(
    gateway: StripeLike, hasty: Stripe, charge_id: str
) -> None:
    gateway.control({"lose": 1})
    request = a_refund(charge_id)
    assert isinstance(hasty.refund(request), Unknown)
    gateway.control({"calm": True})
    assert hasty.find_refund(request) == Succeeded(refunds_of(gateway, request.reference)["ids"][0])


@pytest.mark.parametrize("status", [409, 429, 500])
def test_what_may_pass_is_asked_again(gateway: StripeLike, stripe: Stripe, charge_id: str, status: int) -> None:
    gateway.say(status, {"error": {"type": "api_error"}})
    assert isinstance(stripe.refund(a_refund(charge_id)), Succeeded)


def test_a_refund_that_somebody_made_at_stripe_bears_no_reference_and_is_read_by_its_id(
    gateway: StripeLike, stripe: Stripe, charge_id: str
) -> None:
    made = gateway.books.create_refund([("payment_intent", charge_id), ("amount", "1000")], "")["id"]
    entered = a_refund(charge_id, gateway_id=made)
    assert stripe.refund(entered._replace(made_elsewhere=True)) == Succeeded(made)
    assert isinstance(stripe.refund(entered), Unknown), "what bears no reference of ours is none of ours"
    other = {"object": "refund", "id": "re_another", "amount": 1000, "currency": "inr", "status": "succeeded"}
    gateway.say(200, other)
    assert isinstance(stripe.refund(entered._replace(made_elsewhere=True)), Unknown)
    assert all(method == "GET" for method, _, _, _ in gateway.requests)
