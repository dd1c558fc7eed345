"""Stripe's own list of events: what is asked for, and what is made of what it says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.gateways.facts import EventPage
from shared.gateways.protocol import Unknown
from shared.gateways.stripe.gateway import Stripe
from shared.gateways.stripe.webhook import KINDS
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge

NOW = datetime.now(UTC)
SINCE = NOW - timedelta(minutes=5)


def an_event(number: int, **fields: Any) -> dict[str, Any]:
    intent = {"id": f"pi_{number}", "object": "payment_intent"}
    event = {"id": f"evt_{number}", "object": "event", "type": "payment_intent.succeeded", "data": {"object": intent}}
    return event | fields


def listed(*events: Any, has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(events), "has_more": has_more}


def test_charges_are_found_in_the_list_newest_first(stripe: Stripe, gateway: StripeLike) -> None:
    ids = [stripe.charge(a_charge()).gateway_id for _ in range(3)]
    page = stripe.list_events(SINCE, None, 5.0)
    assert isinstance(page, EventPage)
    assert [event.object_id for event in page.events if event.succeeded] == ids[::-1]
    assert page.after is None
    assert stripe.list_events(NOW + timedelta(hours=1), None, 5.0) == EventPage((), None)


def test_only_what_is_listened_to_is_asked_for_a_hundred_at_once(stripe: Stripe, gateway: StripeLike) -> None:
    stripe.list_events(SINCE, "evt_9", 5.0)
    method, path, _, fields = gateway.requests[-1]
    assert (method, path) == ("GET", "/v1/events")
    assert [value for name, value in fields if name == "types[]"] == list(KINDS)
    assert len(KINDS) <= 20, "the most that Stripe takes"
    others = {name: value for name, value in fields if name != "types[]"}
    assert others == {"created[gte]": str(int(SINCE.timestamp())), "limit": "100", "starting_after": "evt_9"}


@pytest.mark.parametrize("sends_webhooks", [True, False])
def test_where_webhooks_are_sent_only_what_was_not_taken_is_looked_for(
    gateway: StripeLike, sends_webhooks: bool
) -> None:
    Stripe(API_KEY, gateway.url, 5.0, certain_after=CERTAIN, sends_webhooks=sends_webhooks).list_events(SINCE, None, 5)
    assert dict(gateway.requests[-1][3]).get("delivery_success") == ("false" if sends_webhooks else None)


def test_a_page_says_where_the_next_begins(stripe: Stripe, gateway: StripeLike) -> None:
    gateway.say(200, listed(an_event(2), an_event(1, type="unheard.of"), has_more=True))
    page = stripe.list_events(SINCE, None, 5.0)
    assert isinstance(page, EventPage)
    assert ([event.event_id for event in page.events], page.after) == (["evt_2"], "evt_1")


def test_a_list_that_does_not_go_on_is_begun_anew(stripe: Stripe, gateway: StripeLike) -> None:
    gateway.say(200, listed(an_event(1), has_more=True))
    page = stripe.list_events(SINCE, "evt_1", 5.0)
    assert isinstance(page, Unknown)
    assert page.search_cursor is not None


def test_a_place_that_is_gone_is_said_to_be(stripe: Stripe) -> None:
    page = stripe.list_events(SINCE, "evt_long_ago", 5.0)
    assert isinstance(page, Unknown)
    assert page.search_cursor is not None


@pytest.mark.parametrize(("status", "body"), [(403, {}), (500, {}), (200, []), (200, {"data": 5, "has_more": False})])
def test_what_is_no_list_is_not_known_and_the_place_is_kept(
    hasty: Stripe, gateway: StripeLike, status: int, body: Any
) -> None:
    for _ in range(9):
        gateway.say(status, body)
    page = hasty.list_events(SINCE, "evt_1", 0.2)
    assert isinstance(page, Unknown)
    assert page.search_cursor is None


def test_an_event_that_is_none_keeps_no_other_from_being_heard(stripe: Stripe, gateway: StripeLike) -> None:
    gateway.say(200, listed(an_event(3), "nonsense", an_event(2, data=None), an_event(2, id=7), None, an_event(1)))
    page = stripe.list_events(SINCE, None, 5.0)
    assert isinstance(page, EventPage)
    assert [event.event_id for event in page.events] == ["evt_3", "evt_1"]
