"""What a refusal says: all of the first request that may have reached Stripe, and nothing of one before it."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.gateways.facts import Told
from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import a_charge, a_refund, claimed_ago

INVALID = {"error": {"type": "invalid_request_error", "code": "parameter_unknown"}}
DECLINE = {"error": {"type": "card_error", "code": "card_declined", "decline_code": "lost_card"}}


def again(asked_for: GatewayRequest, **differently: Any) -> GatewayRequest:
    """The same request, asked for once more."""
    return asked_for._replace(asked=asked_for.asked + 1, **differently)


@pytest.fixture(params=["charge", "refund"])
def verb(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def asked_for(verb: str, stripe: Stripe) -> GatewayRequest:
    """What `verb` is asked with."""
    if verb == "charge":
        return a_charge()
    charged = stripe.charge(a_charge())
    assert isinstance(charged, Succeeded)
    return a_refund(charged.gateway_id)


def asker(stripe: Stripe, verb: str) -> Callable[[GatewayRequest], Outcome]:
    asks: Callable[[GatewayRequest], Outcome] = getattr(stripe, verb)
    return asks


def id_of(gateway: StripeLike, verb: str, asked_for: GatewayRequest) -> str:
    [gateway_id] = gateway.ledger()[f"{verb}s"][asked_for.reference]["ids"]
    return str(gateway_id)


def lose(gateway: StripeLike, stripe: Stripe, verb: str, asked_for: GatewayRequest) -> None:
    """Has it carried out, and its answer lost."""
    gateway.control({"lose": 1})
    assert isinstance(asker(stripe, verb)(asked_for), Unknown)
    gateway.control({"calm": True})


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("body", [INVALID, DECLINE])
def test_the_first_asking_is_refused_and_that_is_that(
    gateway: StripeLike, stripe: Stripe, verb: str, asked_for: GatewayRequest, status: int, body: dict[str, Any]
) -> None:
    gateway.say(status, body)
    assert isinstance(asker(stripe, verb)(asked_for), Declined)


@pytest.mark.parametrize("status", [400, 402, 404])
@pytest.mark.parametrize("code", ["idempotency_key_in_use", "lock_timeout", "rate_limit"])
def test_a_refusal_that_passes_says_nothing_even_of_the_first_asking(
    gateway: StripeLike, stripe: Stripe, verb: str, asked_for: GatewayRequest, status: int, code: str
) -> None:
    gateway.say(status, {"error": {"type": "invalid_request_error", "code": code}})
    assert asker(stripe, verb)(asked_for) == Unknown(f"Stripe answered {status} invalid_request_error {code}")


@pytest.mark.parametrize("body", [INVALID, DECLINE])
@pytest.mark.parametrize("status", [400, 402, 404])
def test_a_refused_repeat_does_not_hide_that_the_first_was_carried_out(
    gateway: StripeLike, hasty: Stripe, verb: str, asked_for: GatewayRequest, status: int, body: dict[str, Any]
) -> None:
    lose(gateway, hasty, verb, asked_for)
    gateway.say(status, body)
    assert asker(hasty, verb)(again(asked_for)) == Succeeded(id_of(gateway, verb, asked_for))


def test_a_refused_repeat_of_what_is_not_to_be_found_is_unknown(
    gateway: StripeLike, stripe: Stripe, verb: str, asked_for: GatewayRequest
) -> None:
    gateway.say(400, INVALID)
    outcome = asker(stripe, verb)(again(asked_for))
    assert isinstance(outcome, Unknown)
    assert outcome.answered


def test_a_refused_repeat_is_believed_once_absence_is_certain(
    gateway: StripeLike, verb: str, asked_for: GatewayRequest
) -> None:
    stripe = Stripe(API_KEY, gateway.url, 5.0, certain_after=10.0)
    gateway.say(400, INVALID)
    assert asker(stripe, verb)(again(asked_for, **claimed_ago(20))) == Declined("parameter_unknown")


@pytest.mark.parametrize("status", [409, 500, 503])
def test_a_refusal_after_an_inner_repeat_is_no_first_one(
    gateway: StripeLike, stripe: Stripe, verb: str, asked_for: GatewayRequest, status: int
) -> None:
    gateway.say(status, {})
    gateway.say(400, INVALID)
    assert isinstance(asker(stripe, verb)(asked_for), Unknown)


def test_nor_is_one_after_a_connection_that_was_cut(
    gateway: StripeLike, stripe: Stripe, verb: str, asked_for: GatewayRequest
) -> None:
    gateway.cut()
    gateway.say(400, INVALID)
    assert isinstance(asker(stripe, verb)(asked_for), Unknown)


def test_whoever_asked_too_often_was_not_heard_so_the_next_refusal_is_a_first_one(
    gateway: StripeLike, stripe: Stripe, verb: str, asked_for: GatewayRequest
) -> None:
    gateway.say(429, {"error": {"type": "invalid_request_error", "code": "rate_limit"}})
    gateway.say(400, INVALID)
    assert asker(stripe, verb)(asked_for) == Declined("parameter_unknown")


def test_what_stripe_stored_when_it_carried_the_request_out_is_believed_on_a_repeat(
    gateway: StripeLike, stripe: Stripe, verb: str, asked_for: GatewayRequest
) -> None:
    gateway.say(400, INVALID, Idempotent_Replayed="true")
    assert asker(stripe, verb)(again(asked_for)) == Declined("parameter_unknown")


def test_an_order_that_is_refused_here_on_a_repeat_is_read_too(
    gateway: StripeLike, hasty: Stripe, verb: str, asked_for: GatewayRequest
) -> None:
    """A version before may have counted the currency otherwise."""
    lose(gateway, hasty, verb, asked_for)
    assert isinstance(asker(hasty, verb)(again(asked_for, currency="JPY")), Unknown)


def test_a_card_that_is_declined_by_the_repeat_itself_is_declined(gateway: StripeLike, stripe: Stripe) -> None:
    asked_for = a_charge(payment_token="pm_decline_lost_card")
    gateway.cut()
    assert stripe.charge(again(asked_for)) == Declined("lost_card", id_of(gateway, "charge", asked_for))


def test_a_request_of_the_version_before_that_came_without_a_description_ends_in_a_read(
    gateway: StripeLike, hasty: Stripe
) -> None:
    before = a_charge(description=None)
    lose(gateway, hasty, "charge", before)
    asked_for = again(before, description="Trip 101")
    assert hasty.charge(asked_for) == Unknown("Stripe answered 400 idempotency_error")
    assert hasty.find_charge(asked_for) == Succeeded(id_of(gateway, "charge", asked_for))


@pytest.mark.parametrize("tells", ["the first", "the repeat"])
def test_a_claim_that_functions_of_two_versions_ask_for_moves_money_once_and_ends_in_a_read(
    gateway: StripeLike, hasty: Stripe, verb: str, asked_for: GatewayRequest, tells: str
) -> None:
    """One of the version before takes over what one of this version claimed, and tells nothing, or the other way round: to
    Stripe the repeat is another request under the same key, which it refuses, and what became of the first is read."""
    told = Told(asked_for.payment_id, "0" * 64, "1" * 64)
    first, repeat = (told, None) if tells == "the first" else (None, told)
    lose(gateway, hasty, verb, asked_for._replace(told=first))
    asked_again = again(asked_for, told=repeat)
    assert asker(hasty, verb)(asked_again) == Unknown("Stripe answered 400 idempotency_error")
    found = (hasty.find_charge if verb == "charge" else hasty.find_refund)(asked_again)
    assert found == Succeeded(id_of(gateway, verb, asked_for))


def refused_with(gateway: StripeLike, asked_for: GatewayRequest, status: str) -> str:
    """Has the next charge refused with an intent of the request's in this status."""
    fields = {
        "amount": "3650",
        "currency": "inr",
        "payment_method": "pm_card",
        "metadata[reference]": asked_for.reference,
    }
    intent = gateway.books.create_intent(list(fields.items()), "") | {"status": status}
    gateway.books.intents[intent["id"]]["status"] = status
    gateway.say(402, {"error": DECLINE["error"] | {"payment_intent": intent}})
    return str(intent["id"])


@pytest.mark.parametrize("asked", [1, 2])
@pytest.mark.parametrize("status", ["requires_payment_method", "canceled"])
def test_a_refusal_with_an_intent_that_has_no_money_in_it_is_believed(
    gateway: StripeLike, stripe: Stripe, status: str, asked: int
) -> None:
    asked_for = a_charge(asked=asked)
    intent_id = refused_with(gateway, asked_for, status)
    assert stripe.charge(asked_for) == Declined("lost_card", intent_id)
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("asked", [1, 2])
def test_a_refusal_with_an_intent_that_succeeded_is_a_success(gateway: StripeLike, stripe: Stripe, asked: int) -> None:
    asked_for = a_charge(asked=asked)
    intent_id = refused_with(gateway, asked_for, "succeeded")
    assert stripe.charge(asked_for) == Succeeded(intent_id)


@pytest.mark.parametrize("status", ["processing", "requires_capture", "of_tomorrow"])
def test_a_refusal_with_an_intent_that_is_under_way_is_unknown(
    gateway: StripeLike, stripe: Stripe, status: str
) -> None:
    asked_for = a_charge()
    intent_id = refused_with(gateway, asked_for, status)
    assert stripe.charge(asked_for) == Unknown(f"the intent is {status}", intent_id)


def test_a_refusal_with_an_intent_that_waits_for_somebody_is_called_off(gateway: StripeLike, stripe: Stripe) -> None:
    asked_for = a_charge()
    intent_id = refused_with(gateway, asked_for, "requires_action")
    assert stripe.charge(asked_for) == Declined("authentication_required", intent_id)
    assert gateway.books.intent(intent_id)["status"] == "canceled"


@pytest.mark.parametrize("shown", [{}, {"status": "canceled"}, {"status": "canceled", "metadata": {"reference": "x"}}])
def test_an_intent_that_does_not_bear_our_reference_is_read_by_its_id(
    gateway: StripeLike, stripe: Stripe, shown: dict[str, Any]
) -> None:
    asked_for = a_charge()
    intent_id = refused_with(gateway, asked_for, "succeeded")
    gateway.script.clear()
    gateway.say(402, {"error": DECLINE["error"] | {"payment_intent": {"id": intent_id} | shown}})
    assert stripe.charge(asked_for) == Succeeded(intent_id)


SERVES: list[tuple[int, dict[str, str], bool]] = [
    (429, {}, False),
    (500, {}, False),
    (503, {}, False),
    (500, {"Idempotent_Replayed": "true"}, True),
    (409, {}, True),
    (401, {}, True),
    (200, {}, True),
]


@pytest.mark.parametrize(("status", "headers", "answered"), SERVES)
def test_a_gateway_that_cannot_serve_now_is_told_from_an_answer_that_is_not_final(
    gateway: StripeLike, hasty: Stripe, status: int, headers: dict[str, str], answered: bool
) -> None:
    for _ in range(20):
        gateway.say(status, {}, **headers)
    outcome = hasty.charge(a_charge())
    assert isinstance(outcome, Unknown)
    assert outcome.answered is answered


def test_no_answer_at_all_is_an_outage(gateway: StripeLike, hasty: Stripe) -> None:
    gateway.control({"drop": 1})
    for outcome in (hasty.charge(a_charge()), hasty.find_charge(a_charge()), hasty.refund(a_refund("pi_1"))):
        assert isinstance(outcome, Unknown)
        assert not outcome.answered
