"""Every charge that Stripe has, paid or not."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.gateways.facts import ChargePage
from shared.gateways.protocol import Unknown
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.requests_of_ours import a_charge

NOW = datetime.now(UTC)
SINCE, UNTIL = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
INTENT = {"id": "pi_1", "object": "payment_intent", "amount": 15000, "currency": "inr", "status": "processing"}


def test_charges_are_listed_newest_first_whatever_became_of_them(stripe: Stripe, gateway: StripeLike) -> None:
    tokens = ("pm_card", "pm_decline", "pm_customer", "pm_processing")
    requests = [a_charge(payment_token=token, customer_present=True, waits=600.0) for token in tokens]
    for request in requests:
        stripe.charge(request)
    page = stripe.list_charges(SINCE, UNTIL, None, 5.0)
    assert isinstance(page, ChargePage)
    told = [(each.reference, each.status) for each in page.charges]
    assert told == [
        (request.reference, status)
        for request, status in zip(requests[::-1], ("open", "open", "open", "succeeded"), strict=True)
    ]
    assert page.after is None
    assert stripe.list_charges(UNTIL, UNTIL + timedelta(hours=1), None, 5.0) == ChargePage((), None)


def test_a_page_says_where_the_next_begins(stripe: Stripe, gateway: StripeLike) -> None:
    gateway.say(200, {"data": [INTENT, INTENT | {"id": "pi_0"}], "has_more": True})
    page = stripe.list_charges(SINCE, UNTIL, "pi_2", 5.0)
    assert isinstance(page, ChargePage)
    assert ([each.gateway_id for each in page.charges], page.after) == (["pi_1", "pi_0"], "pi_0")
    _, path, _, fields = gateway.requests[-1]
    assert path == "/v1/payment_intents"
    assert dict(fields).keys() == {"created[gte]", "created[lt]", "limit", "starting_after"}


@pytest.mark.parametrize("wrong", [{"status": None}, {"amount": "15000"}, {"object": "charge"}, {"id": None}])
def test_a_charge_that_is_not_understood_makes_its_page_unknown(
    stripe: Stripe, gateway: StripeLike, wrong: dict[str, Any]
) -> None:
    gateway.say(200, {"data": [INTENT, INTENT | wrong], "has_more": False})
    assert isinstance(stripe.list_charges(SINCE, UNTIL, None, 5.0), Unknown)


def test_a_place_that_is_gone_is_said_to_be(stripe: Stripe) -> None:
    page = stripe.list_charges(SINCE, UNTIL, "pi_long_ago", 5.0)
    assert isinstance(page, Unknown)
    assert page.search_cursor == ""
