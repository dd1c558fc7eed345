"""What became of a charge or a refund: read by its id, or found among all there are; absent only where that is proved."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.gateways.stripe.gateway import Stripe
from shared.gateways.stripe.listing import CLOCKS, Cursor, windows
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge, a_refund, claimed_ago

DAY = 86400.0


@pytest.fixture
def crowd(gateway: StripeLike) -> None:
    """250 charges of others, made at about the same time."""
    for number in range(250):
        fields = {
            "amount": "100",
            "currency": "inr",
            "confirm": "true",
            "payment_method": "pm_card",
            "metadata[reference]": f"PAY-{number}",
        }
        gateway.books.create_intent(list(fields.items()), "")


def test_a_charge_whose_id_is_known_is_read_by_it(gateway: StripeLike, stripe: Stripe) -> None:
    outcome = stripe.charge(request := a_charge())
    assert isinstance(outcome, Succeeded)
    assert stripe.find_charge(a_charge(reference=request.reference, gateway_id=outcome.gateway_id)) == outcome
    assert gateway.requests[-1][1] == f"/v1/payment_intents/{outcome.gateway_id}"


def test_a_known_id_that_stripe_does_not_show_is_unknown(stripe: Stripe) -> None:
    assert stripe.find_charge(a_charge(gateway_id="pi_of_another_account")) == Unknown(
        "Stripe does not show it: resource_missing", "pi_of_another_account"
    )


@pytest.mark.usefixtures("crowd")
def test_a_charge_whose_id_is_not_known_is_found_over_several_pages(gateway: StripeLike, hasty: Stripe) -> None:
    lost = a_charge()
    fields = {"amount": "3650", "currency": "inr", "confirm": "true", "payment_method": "pm_card"}
    fields |= {"metadata[reference]": lost.reference}
    intents = gateway.books.intents
    ours = gateway.books.create_intent(list(fields.items()), "")["id"]
    gateway.books.intents = {ours: intents.pop(ours)} | intents
    gateway.books.intents[ours]["created"] = min(intent["created"] for intent in intents.values())
    assert hasty.find_charge(lost) == Succeeded(ours)
    assert len(gateway.requests) == 3
    assert all(dict(fields)["limit"] == "100" for *_, fields in gateway.requests)


@pytest.mark.usefixtures("crowd")
def test_none_is_said_only_after_every_page_was_read(gateway: StripeLike) -> None:
    stripe = Stripe(API_KEY, gateway.url, 5.0, certain_after=10.0)
    assert stripe.find_charge(a_charge(**claimed_ago(20))) is None
    asked = [dict(fields) for *_, fields in gateway.requests]
    assert sum("starting_after" in query for query in asked) == 2


@pytest.mark.usefixtures("crowd")
def test_an_unfinished_listing_is_unknown(gateway: StripeLike) -> None:
    stripe = Stripe(API_KEY, gateway.url, 1.0, certain_after=10.0)
    gateway.say(200, {"object": "list", "data": [], "has_more": True})
    assert isinstance(stripe.find_charge(a_charge(**claimed_ago(20))), Unknown)
    gateway.control({"drop": 1})
    assert isinstance(stripe.find_charge(a_charge(**claimed_ago(20))), Unknown)


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"data": []},
        {"data": {}, "has_more": False},
        {"data": [{}], "has_more": True},
        {"data": [1], "has_more": True},
    ],
)
def test_a_listing_that_makes_no_sense_is_unknown(gateway: StripeLike, page: object) -> None:
    stripe = Stripe(API_KEY, gateway.url, 1.0, certain_after=10.0)
    gateway.say(200, page)
    assert isinstance(stripe.find_charge(a_charge(**claimed_ago(20))), Unknown)


def test_nothing_is_absent_while_a_request_may_still_be_under_way(stripe: Stripe) -> None:
    assert isinstance(stripe.find_charge(a_charge()), Unknown)
    assert isinstance(stripe.find_charge(a_charge(**claimed_ago(CERTAIN - 1))), Unknown)
    assert stripe.find_charge(a_charge(**claimed_ago(CERTAIN))) is None


def test_a_refund_is_absent_only_then_either(stripe: Stripe) -> None:
    charged = stripe.charge(a_charge())
    assert isinstance(charged, Succeeded)
    assert isinstance(stripe.find_refund(a_refund(charged.gateway_id or "")), Unknown)
    assert stripe.find_refund(a_refund(charged.gateway_id or "", **claimed_ago(CERTAIN))) is None


@pytest.mark.parametrize("late", [0, 20, 600, 5000, 22 * 3600])
def test_a_charge_that_was_made_late_is_found_by_its_reference(gateway: StripeLike, hasty: Stripe, late: float) -> None:
    lost = a_charge(**claimed_ago(0))
    gateway.control({"skip": late, "lose": 1})
    assert isinstance(hasty.charge(lost), Unknown)
    gateway.control({"calm": True})
    found = hasty.find_charge(a_charge(reference=lost.reference, created_at=lost.created_at, age=late + 1))
    assert isinstance(found, Succeeded)


@pytest.mark.parametrize("apart", [-590, 590])
def test_clocks_that_are_ten_minutes_apart_hide_nothing(gateway: StripeLike, hasty: Stripe, apart: float) -> None:
    lost = a_charge()
    gateway.control({"skip": apart, "lose": 1})
    hasty.charge(lost)
    gateway.control({"calm": True})
    assert isinstance(hasty.find_charge(lost), Succeeded)


def test_a_stored_500_after_the_charge_is_overcome_by_reading(gateway: StripeLike, stripe: Stripe) -> None:
    request = a_charge(payment_token="pm_broken_after")
    assert isinstance(stripe.charge(request), Unknown)
    assert stripe.find_charge(request) == Succeeded(gateway.ledger()["charges"][request.reference]["ids"][0])


def test_a_found_charge_that_waits_for_somebody_is_cancelled_too(gateway: StripeLike, hasty: Stripe) -> None:
    lost = a_charge(payment_token="pm_authenticate")
    gateway.control({"garbage": 1})
    assert isinstance(hasty.charge(lost), Unknown)
    gateway.control({"calm": True})
    assert hasty.find_charge(lost) == Declined(
        "authentication_required", gateway.ledger()["charges"][lost.reference]["ids"][0]
    )
    assert gateway.ledger()["charges"][lost.reference]["statuses"] == ["canceled"]


def test_a_found_charge_whose_card_was_declined_is_declined_as_it_was(gateway: StripeLike, hasty: Stripe) -> None:
    lost = a_charge(payment_token="pm_decline_lost_card")
    gateway.control({"lose": 1})
    assert isinstance(hasty.charge(lost), Unknown)
    gateway.control({"calm": True})
    assert [
        outcome.code for outcome in (hasty.find_charge(lost), hasty.charge(lost)) if isinstance(outcome, Declined)
    ] == [
        "lost_card",
        "lost_card",
    ]


def test_a_forgotten_key_is_why_nothing_is_asked_for_again_after_its_retention(
    gateway: StripeLike, hasty: Stripe
) -> None:
    request = a_charge()
    hasty.charge(request)
    gateway.control({"skip": DAY + 1})
    hasty.charge(request)
    assert gateway.ledger()["charges"][request.reference]["count"] == 2, (
        "the gateway of the tests forgets as Stripe does"
    )


@given(age=some.floats(0, 10 * DAY), longest=some.floats(60, 2 * DAY))
def test_the_windows_leave_no_gap_and_do_not_overlap(age: float, longest: float) -> None:
    request = a_charge(created_at=datetime(2026, 11, 22, 12, 0, 0, 900000, tzinfo=UTC), age=age)
    claimed = int(request.created_at.timestamp())
    until = Cursor.of(request, "acct_1", longest).until
    spans = sorted((int(begins), int(ends)) for (_, begins), (_, ends) in windows(request, until))
    assert all(begins < ends for begins, ends in spans)
    assert [ends for _, ends in spans[:-1]] == [begins for begins, _ in spans[1:]]
    assert spans[0][0] == claimed - CLOCKS
    assert spans[-1][1] >= claimed + min(age, longest) + CLOCKS
