"""A charge at Stripe: what is asked, and what each answer is."""

from decimal import Decimal
from threading import Thread
from typing import Any

import pytest

from shared.gateways.protocol import Declined, Outcome, Succeeded, Unknown
from shared.gateways.stripe.gateway import Stripe
from shared.platform.log import correlation_id
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge


def error(kind: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"type": kind, "code": code, "message": "no"}}


def charges_of(gateway: StripeLike, reference: str) -> dict[str, Any]:
    account: dict[str, Any] = gateway.ledger()["charges"][reference]
    return account


def test_what_succeeded_is_succeeded_with_its_id(gateway: StripeLike, stripe: Stripe) -> None:
    request = a_charge(amount=Decimal("150.00"))
    outcome = stripe.charge(request)
    account = charges_of(gateway, request.reference)
    assert outcome == Succeeded(account["ids"][0])
    assert (account["count"], account["amount"], account["currency"]) == (1, 15000, "inr")
    assert account["payment_id"] == str(request.payment_id)


def test_the_request_names_everything_that_stripe_needs_and_nothing_that_differs_between_tries(
    gateway: StripeLike, stripe: Stripe
) -> None:
    request = a_charge()
    for trace in ("first", "second"):
        token = correlation_id.set(trace)
        stripe.charge(request)
        correlation_id.reset(token)
    (method, path, headers, fields), (_, _, headers_again, fields_again) = gateway.requests
    assert (method, path) == ("POST", "/v1/payment_intents")
    assert fields == fields_again
    assert dict(fields) == {
        "amount": "3650",
        "currency": "inr",
        "confirm": "true",
        "payment_method": "pm_card",
        "payment_method_types[]": "card",
        "metadata[reference]": request.reference,
        "metadata[payment_id]": str(request.payment_id),
        "description": "Trip 101",
    }
    assert headers["idempotency-key"] == headers_again["idempotency-key"] == request.reference
    assert (headers["x-correlation-id"], headers_again["x-correlation-id"]) == ("first", "second")
    assert headers["stripe-version"] == "2024-06-20"


def test_a_saved_card_is_charged_with_its_customer(gateway: StripeLike, stripe: Stripe) -> None:
    saved = {"payment_token": "pm_saved_by_cus_9"}
    assert isinstance(stripe.charge(a_charge(**saved)), Declined)
    request = a_charge(**saved, payment_customer="cus_9")
    assert isinstance(stripe.charge(request), Succeeded)
    assert dict(gateway.requests[-1][3])["customer"] == "cus_9"


def test_asked_many_times_it_charges_once(gateway: StripeLike, stripe: Stripe) -> None:
    request = a_charge()
    outcomes = {stripe.charge(request) for _ in range(5)}
    assert outcomes == {Succeeded(charges_of(gateway, request.reference)["ids"][0])}
    assert charges_of(gateway, request.reference)["count"] == 1


def test_a_declined_card_is_declined_with_its_decline_code(gateway: StripeLike, stripe: Stripe) -> None:
    request = a_charge(payment_token="pm_decline_insufficient_funds")
    assert stripe.charge(request) == Declined("insufficient_funds", charges_of(gateway, request.reference)["ids"][0])
    assert charges_of(gateway, request.reference)["succeeded"] == 0


def test_a_card_error_without_a_decline_code_is_declined_with_its_code(gateway: StripeLike, stripe: Stripe) -> None:
    gateway.say(402, error("card_error", "expired_card"))
    assert stripe.charge(a_charge()) == Declined("expired_card")


@pytest.mark.parametrize("status", [400, 404])
def test_an_invalid_request_is_declined_with_its_code(gateway: StripeLike, stripe: Stripe, status: int) -> None:
    gateway.say(status, error("invalid_request_error", "amount_too_small"))
    assert stripe.charge(a_charge()) == Declined("amount_too_small")


def test_an_invalid_request_without_a_code_is_declined_with_its_kind(gateway: StripeLike, stripe: Stripe) -> None:
    gateway.say(400, error("invalid_request_error"))
    assert stripe.charge(a_charge()) == Declined("invalid_request_error")


@pytest.mark.parametrize("token", ["pm_authenticate", "pm_unpaid"])
def test_an_intent_that_waits_for_somebody_is_cancelled_under_a_key_of_its_own_and_declined(
    gateway: StripeLike, stripe: Stripe, token: str
) -> None:
    request = a_charge(payment_token=token)
    outcome = stripe.charge(request)
    account = charges_of(gateway, request.reference)
    assert outcome == Declined("authentication_required", account["ids"][0])
    assert account["statuses"] == ["canceled"]
    keys = [headers["idempotency-key"] for _, _, headers, _ in gateway.requests]
    assert len(set(keys)) == len(keys) == 2


def test_it_is_unknown_until_the_cancellation_is_confirmed(gateway: StripeLike, hasty: Stripe) -> None:
    waiting = gateway.books.create_intent(_fields(request := a_charge()), "authenticate")
    gateway.say(200, waiting)
    gateway.say(200, {})
    gateway.say(200, waiting)
    assert hasty.charge(request) == Unknown("the intent is requires_action", waiting["id"])


def test_a_cancellation_without_an_answer_leaves_it_unknown_with_its_id(gateway: StripeLike, hasty: Stripe) -> None:
    waiting = gateway.books.create_intent(_fields(request := a_charge()), "authenticate")
    gateway.say(200, waiting)
    gateway.control({"drop": 1})
    outcome = hasty.charge(request)
    assert isinstance(outcome, Unknown)
    assert outcome.gateway_id == waiting["id"]
    gateway.control({"calm": True})
    known = a_charge(reference=request.reference, gateway_id=waiting["id"])
    assert hasty.charge(known) == Declined("authentication_required", waiting["id"])


def test_a_cancellation_that_failed_does_not_stand_in_the_way_of_the_next(gateway: StripeLike, stripe: Stripe) -> None:
    """Stripe stores a 500 under the key that it answered, for a day."""
    waiting = gateway.books.create_intent(_fields(request := a_charge()), "authenticate")
    known = a_charge(reference=request.reference, gateway_id=waiting["id"])
    gateway.say(200, waiting)
    gateway.say(500, error("api_error"), Idempotent_Replayed="true")
    assert stripe.charge(known) == Unknown("the intent is requires_action", waiting["id"])
    assert stripe.charge(known) == Declined("authentication_required", waiting["id"])
    keys = [headers["idempotency-key"] for _, path, headers, _ in gateway.requests if path.endswith("/cancel")]
    assert len(set(keys)) == len(keys) == 2


def test_a_cancellation_that_finds_it_paid_meanwhile_is_a_success(gateway: StripeLike, stripe: Stripe) -> None:
    request = a_charge(payment_token="pm_meanwhile")
    assert stripe.charge(request) == Succeeded(charges_of(gateway, request.reference)["ids"][0])


def test_an_old_answer_replayed_after_the_cancellation_is_declined_all_the_same(
    gateway: StripeLike, stripe: Stripe
) -> None:
    request = a_charge(payment_token="pm_authenticate")
    assert stripe.charge(request) == stripe.charge(request)
    assert isinstance(stripe.charge(request), Declined)


def test_processing_is_unknown_with_its_id_and_settled_by_reading(gateway: StripeLike, stripe: Stripe) -> None:
    request = a_charge(payment_token="pm_processing")
    outcome = stripe.charge(request)
    gateway_id = charges_of(gateway, request.reference)["ids"][0]
    assert outcome == Unknown("the intent is processing", gateway_id)
    gateway.control({"skip": 10})
    known = a_charge(reference=request.reference, gateway_id=gateway_id)
    assert stripe.find_charge(known) == Succeeded(gateway_id)


def test_what_stripe_has_a_name_for_is_read_and_not_asked_for_again(gateway: StripeLike, stripe: Stripe) -> None:
    request = a_charge(payment_token="pm_processing")
    outcome = stripe.charge(request)
    assert isinstance(outcome, Unknown)
    gateway.requests.clear()
    known = a_charge(reference=request.reference, gateway_id=outcome.gateway_id)
    assert stripe.charge(known) == outcome
    assert [method for method, *_ in gateway.requests] == ["GET"]


@pytest.mark.parametrize(("status", "kind"), [(401, "invalid_request_error"), (403, "invalid_request_error")])
def test_a_refused_api_key_is_unknown_and_an_error_in_the_log(
    gateway: StripeLike, stripe: Stripe, logged: list[Any], status: int, kind: str
) -> None:
    gateway.say(status, error(kind))
    assert isinstance(stripe.charge(a_charge()), Unknown)
    assert [(line.levelname, line.status) for line in logged] == [("ERROR", status)]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, error("idempotency_error")),
        (400, error("invalid_request_error", "idempotency_key_in_use")),
        (402, error("api_error")),
        (400, {}),
        (400, {"error": "no"}),
        (302, {}),
        (200, b""),
        (200, b"<html>hello</html>"),
        (200, []),
        (200, {"object": "payment_intent", "status": "succeeded"}),
        (
            200,
            {"object": "payment_intent", "id": "pi_1", "status": "succeeded", "metadata": {"reference": "PAY-other"}},
        ),
    ],
)
def test_what_makes_no_sense_is_unknown(gateway: StripeLike, stripe: Stripe, status: int, body: Any) -> None:
    gateway.say(status, body)
    assert isinstance(stripe.charge(a_charge()), Unknown)


def test_another_amount_than_ours_is_unknown_and_an_error_in_the_log(
    gateway: StripeLike, stripe: Stripe, logged: list[Any]
) -> None:
    request = a_charge()
    stripe.charge(request)
    other = a_charge(reference=request.reference, gateway_id="pi_000000000001", amount=Decimal("36.51"))
    assert stripe.find_charge(other) == Unknown("Stripe has another amount than ours", "pi_000000000001")
    assert [line.levelname for line in logged] == ["ERROR"]


def test_a_key_that_came_with_other_parameters_is_unknown(gateway: StripeLike, stripe: Stripe) -> None:
    request = a_charge()
    stripe.charge(request)
    assert isinstance(stripe.charge(a_charge(reference=request.reference, amount=Decimal("99"))), Unknown)
    assert charges_of(gateway, request.reference)["count"] == 1


@pytest.mark.parametrize("status", [409, 429, 500, 502, 503])
def test_what_may_pass_is_asked_again_with_the_same_key_until_it_does(
    gateway: StripeLike, stripe: Stripe, status: int
) -> None:
    gateway.say(status, error("api_error"))
    gateway.say(status, b"<html>busy</html>")
    request = a_charge()
    assert isinstance(stripe.charge(request), Succeeded)
    assert [headers["idempotency-key"] for _, _, headers, _ in gateway.requests] == [request.reference] * 3
    assert len({tuple(fields) for *_, fields in gateway.requests}) == 1


def test_what_does_not_pass_in_time_is_unknown(gateway: StripeLike, hasty: Stripe) -> None:
    gateway.control({"busy": 1})
    assert isinstance(hasty.charge(a_charge()), Unknown)
    assert 2 <= len(gateway.requests) <= 4


def test_a_stored_500_is_not_asked_for_over_and_over(gateway: StripeLike, stripe: Stripe) -> None:
    assert isinstance(stripe.charge(a_charge(payment_token="pm_broken")), Unknown)
    assert len(gateway.requests) == 2


@pytest.mark.parametrize("token", ["pm_lose", "pm_drop", "pm_busy"])
def test_an_answer_that_was_lost_once_is_had_by_asking_again(gateway: StripeLike, stripe: Stripe, token: str) -> None:
    request = a_charge(payment_token=token)
    assert isinstance(stripe.charge(request), Succeeded)
    assert charges_of(gateway, request.reference)["count"] == 1


def test_an_answer_that_is_lost_every_time_is_unknown_and_charges_once(gateway: StripeLike, hasty: Stripe) -> None:
    request = a_charge(payment_token="pm_lose_always")
    assert [type(hasty.charge(request)) for _ in range(3)] == [Unknown] * 3
    assert charges_of(gateway, request.reference)["succeeded"] == 1


def test_nobody_listening_is_unknown(gateway: StripeLike) -> None:
    nobody = StripeLike()
    nobody.stop()
    assert isinstance(Stripe("sk_test_1", nobody.url, 1.0, certain_after=CERTAIN).charge(a_charge()), Unknown)


def test_a_request_while_the_first_is_under_way_waits_for_it(gateway: StripeLike, stripe: Stripe) -> None:
    request, outcomes = a_charge(payment_token="pm_hold"), list[Outcome]()
    first, second = (Thread(target=lambda: outcomes.append(stripe.charge(request))) for _ in range(2))
    first.start()
    assert gateway.holding.acquire(timeout=5)
    second.start()
    while not gateway.answers["409"]:
        second.join(0.01)
    gateway.released.set()
    first.join()
    second.join()
    assert outcomes == [Succeeded(charges_of(gateway, request.reference)["ids"][0])] * 2
    assert charges_of(gateway, request.reference)["count"] == 1


def test_an_amount_that_stripe_cannot_express_is_declined_and_never_asked_for(
    gateway: StripeLike, stripe: Stripe
) -> None:
    assert stripe.charge(a_charge(currency="JPY")) == Declined("amount_not_expressible")
    assert not gateway.requests


def _fields(request: Any) -> list[tuple[str, str]]:
    return [
        ("amount", "3650"),
        ("currency", "inr"),
        ("confirm", "true"),
        ("payment_method", "pm_card"),
        ("metadata[reference]", request.reference),
        ("metadata[payment_id]", str(request.payment_id)),
    ]
