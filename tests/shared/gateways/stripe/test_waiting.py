"""A charge that needs its customer: waited for while one is present, then called off; and what each answer of Stripe's says."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shared.gateways.protocol import Declined, GatewayRequest, NextAction, Succeeded, Unknown, Waiting
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.requests_of_ours import a_charge

SECRET = "pi_9_secret_x"
REFUSED = {"type": "invalid_request_error", "code": "payment_intent_authentication_failure"}
UNPAYABLE = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
INSTRUCTIONS, CODE = "https://payments.stripe.com/upi/instructions/9", "https://qr.stripe.com/9.png"
UPI_CODE = {"image_url_png": CODE, "image_url_svg": "https://qr.stripe.com/9.svg", "expires_at": 1790000000}


def of_the_present(**differently: Any) -> GatewayRequest:
    """A charge whose customer is there, and waited for."""
    return a_charge(**({"customer_present": True, "waits": 600.0} | differently))


def intent(request: GatewayRequest, status: str, **more: Any) -> dict[str, Any]:
    """An intent of the request's, as Stripe shows it."""
    return {
        "object": "payment_intent",
        "id": "pi_9",
        "amount": 3650,
        "currency": "inr",
        "metadata": {"reference": request.reference},
        "client_secret": SECRET,
        "status": status,
        "next_action": None,
        "last_payment_error": None,
        **more,
    }


def asked_paths(gateway: StripeLike) -> list[str]:
    return [f"{method} {path.removeprefix('/v1/payment_intents')}" for method, path, *_ in gateway.requests]


WANTED: list[tuple[dict[str, Any], NextAction]] = [
    ({"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}, NextAction("confirm", SECRET)),
    (
        {"type": "redirect_to_url", "redirect_to_url": {"url": "https://hooks.stripe.com/3ds", "return_url": None}},
        NextAction("redirect", SECRET, "https://hooks.stripe.com/3ds"),
    ),
    (
        {
            "type": "upi_handle_redirect_or_display_qr_code",
            "upi_handle_redirect_or_display_qr_code": {"hosted_instructions_url": INSTRUCTIONS, "qr_code": UPI_CODE},
        },
        NextAction("upi", SECRET, INSTRUCTIONS, CODE, datetime.fromtimestamp(1790000000, UTC)),
    ),
    ({"type": "upi_await_notification", "upi_await_notification": {}}, NextAction("upi", SECRET)),
    ({"type": "of_tomorrow", "of_tomorrow": {"url": "https://stripe.com/"}}, NextAction("confirm", SECRET)),
    ({"type": "redirect_to_url", "redirect_to_url": {"url": "javascript:alert(1)"}}, NextAction("confirm", SECRET)),
    ({"type": "redirect_to_url"}, NextAction("confirm", SECRET)),
    ({"type": ["redirect_to_url"]}, NextAction("confirm", SECRET)),
    (
        {
            "type": "upi_handle_redirect_or_display_qr_code",
            "upi_handle_redirect_or_display_qr_code": {"qr_code": {"image_url_png": 5, "expires_at": 10**30}},
        },
        NextAction("upi", SECRET),
    ),
]


@pytest.mark.parametrize(("next_action", "wanted"), WANTED)
def test_what_the_customer_is_to_do_is_told_as_stripe_says_it(
    gateway: StripeLike, stripe: Stripe, next_action: dict[str, Any], wanted: NextAction
) -> None:
    request = of_the_present()
    gateway.say(200, intent(request, "requires_action", next_action=next_action))
    assert stripe.charge(request) == Waiting(wanted, "pi_9")


@pytest.mark.parametrize("status", ["requires_payment_method", "requires_confirmation"])
def test_an_intent_that_was_made_without_a_token_waits_for_the_customer_to_give_one(
    gateway: StripeLike, stripe: Stripe, status: str
) -> None:
    request = of_the_present(payment_token=None)
    gateway.say(200, intent(request, status))
    assert stripe.charge(request) == Waiting(NextAction("confirm", SECRET), "pi_9")
    gateway.say(200, intent(request, status))
    assert stripe.find_charge(request._replace(gateway_id="pi_9")) == Waiting(NextAction("confirm", SECRET), "pi_9")


@pytest.mark.parametrize("status", ["requires_payment_method", "requires_confirmation"])
def test_an_intent_that_has_its_token_and_stands_still_is_not_waited_for(
    gateway: StripeLike, stripe: Stripe, status: str
) -> None:
    request = of_the_present()
    gateway.say(200, intent(request, status))
    gateway.say(200, intent(request, "canceled"))
    assert stripe.charge(request) == Declined("authentication_required", "pi_9")
    assert asked_paths(gateway) == ["POST ", "POST /pi_9/cancel"]


@pytest.mark.parametrize("token", ["pm_card", None])
@pytest.mark.parametrize(
    ("error", "code"),
    [(REFUSED, REFUSED["code"]), (UNPAYABLE, "insufficient_funds"), ({"type": "api_error"}, "api_error")],
)
def test_a_customer_who_was_refused_is_waited_for_no_longer(
    gateway: StripeLike, stripe: Stripe, token: str | None, error: dict[str, str], code: str
) -> None:
    request = of_the_present(payment_token=token, gateway_id="pi_9")
    gateway.say(200, intent(request, "requires_payment_method", last_payment_error=error))
    gateway.say(200, intent(request, "canceled", last_payment_error=error))
    assert stripe.find_charge(request) == Declined(code, "pi_9")
    assert asked_paths(gateway) == ["GET /pi_9", "POST /pi_9/cancel"]


@pytest.mark.parametrize("status", ["requires_action", "requires_payment_method", "requires_confirmation"])
@pytest.mark.parametrize("token", ["pm_card", None])
def test_a_customer_who_is_late_is_waited_for_no_longer(
    gateway: StripeLike, stripe: Stripe, status: str, token: str | None
) -> None:
    late = of_the_present(payment_token=token, gateway_id="pi_9", age=600.0)
    gateway.say(200, intent(late, status))
    gateway.say(200, intent(late, "canceled"))
    assert stripe.charge(late) == Declined("authentication_expired", "pi_9")
    assert asked_paths(gateway) == ["GET /pi_9", "POST /pi_9/cancel"]


def test_a_customer_who_is_late_and_was_yet_faster_than_the_cancellation_has_paid(
    gateway: StripeLike, stripe: Stripe
) -> None:
    late = of_the_present(gateway_id="pi_9", age=600.0)
    gateway.say(200, intent(late, "requires_action"))
    gateway.say(400, {"error": {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}})
    gateway.say(200, intent(late, "succeeded"))
    assert stripe.charge(late) == Succeeded("pi_9")


@pytest.mark.parametrize("status", ["requires_action", "processing"])
def test_it_is_unknown_until_the_cancellation_is_confirmed(gateway: StripeLike, stripe: Stripe, status: str) -> None:
    late = of_the_present(gateway_id="pi_9", age=600.0)
    gateway.say(200, intent(late, "requires_action"))
    gateway.say(402, {})
    gateway.say(200, intent(late, status))
    assert stripe.charge(late) == Unknown(f"the intent is {status}", "pi_9")


def test_what_is_under_way_is_not_called_off_however_late(gateway: StripeLike, stripe: Stripe) -> None:
    late = of_the_present(gateway_id="pi_9", age=600.0)
    gateway.say(200, intent(late, "processing"))
    assert stripe.charge(late) == Unknown("the intent is processing", "pi_9")
    assert asked_paths(gateway) == ["GET /pi_9"]


@pytest.mark.parametrize("present", [None, False])
def test_without_the_customer_nobody_is_waited_for(gateway: StripeLike, stripe: Stripe, present: bool | None) -> None:
    request = a_charge(customer_present=present, waits=600.0)
    gateway.say(200, intent(request, "requires_action", next_action={"type": "use_stripe_sdk"}))
    gateway.say(200, intent(request, "canceled", last_payment_error=REFUSED))
    assert stripe.charge(request) == Declined("authentication_required", "pi_9")


@pytest.mark.parametrize("secret", [None, "", "a b", 5])
def test_an_intent_whose_secret_stripe_does_not_tell_is_unknown(
    gateway: StripeLike, stripe: Stripe, secret: Any
) -> None:
    request = of_the_present()
    gateway.say(200, intent(request, "requires_action", client_secret=secret))
    outcome = stripe.charge(request)
    assert isinstance(outcome, Unknown)
    assert outcome.gateway_id == "pi_9"
