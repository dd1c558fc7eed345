"""Absence is proved on an account with any number of payments: a search keeps its place between tries."""

from collections.abc import Iterator
from typing import Any

import pytest

from shared.gateways.protocol import GatewayRequest, Succeeded, Unknown
from shared.gateways.stripe.gateway import Stripe
from shared.gateways.stripe.listing import Cursor
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import a_charge, a_refund, claimed_ago

OTHERS = 4000
CERTAIN = 3600.0
MOST_TRIES = 200
WINDOWS = 5  # of a claim that is old enough


def fields(reference: str) -> list[tuple[str, str]]:
    given = {"amount": "3650", "currency": "inr", "confirm": "true", "payment_method": "pm_card"}
    return [*given.items(), ("metadata[reference]", reference)]


@pytest.fixture
def busy(gateway: StripeLike) -> StripeLike:
    """Charges of others over the two hours before now, one after the other. It takes a fifth of a second for each page."""
    for number in range(OTHERS):
        gateway.books.skipped = 7200 * (number / OTHERS - 1)
        gateway.books.create_intent(fields(f"PAY-{number}"), "")
    gateway.books.skipped = 0.0
    gateway.control({"slow": 1, "slow_seconds": 0.2})
    return gateway


@pytest.fixture
def hurried(busy: StripeLike) -> Stripe:
    """Has time for a few pages at a try, and on a busy machine for one."""
    return Stripe(API_KEY, busy.url, 0.9, certain_after=CERTAIN)


def tries(stripe: Stripe, request: GatewayRequest) -> Iterator[Any]:
    """What each try says, until one is not unknown; each goes on where the one before ended."""
    for _ in range(MOST_TRIES):
        found = stripe.find_charge(request)
        yield found
        if not isinstance(found, Unknown):
            return
        request = request._replace(age=request.age + 5, search_cursor=found.search_cursor)


def test_absence_is_proved_however_little_a_try_can_read(hurried: Stripe) -> None:
    said = list(tries(hurried, a_charge(**claimed_ago(7000))))
    assert said[-1] is None
    assert len(said) > 2, "it was all read at once, and this test shows nothing"
    assert all(unknown.answered for unknown in said[:-1])


def test_what_is_there_is_found_however_little_a_try_can_read(busy: StripeLike, hurried: Stripe) -> None:
    request = a_charge(**claimed_ago(7000))
    busy.books.skipped = -4000
    ours = busy.books.create_intent(fields(request.reference), "")["id"]
    busy.books.skipped = 0.0
    *unknown, found = tries(hurried, request)
    assert found == Succeeded(ours)
    assert unknown


def test_a_pass_that_began_before_absence_could_be_certain_proves_nothing(gateway: StripeLike) -> None:
    stripe = Stripe(API_KEY, gateway.url, 5.0, certain_after=CERTAIN)
    request = a_charge(**claimed_ago(CERTAIN))
    early = Cursor(stripe.account, begun=int(CERTAIN) - 1, until=int(CERTAIN), window=5)
    gateway.requests.clear()
    assert stripe.find_charge(request._replace(search_cursor=str(early))) is None
    assert len(gateway.requests) == WINDOWS, "it began anew, and read every one"
    still_early = request._replace(age=CERTAIN - 0.5, search_cursor=str(early))
    assert stripe.find_charge(still_early) == Unknown("Stripe has nothing under the reference so far", search_cursor="")


def test_the_windows_of_a_pass_stay_as_they_were_when_it_began(gateway: StripeLike) -> None:
    stripe = Stripe(API_KEY, gateway.url, 5.0, certain_after=CERTAIN)
    request = a_charge(**claimed_ago(50_000))
    begun = Cursor(stripe.account, begun=4000, until=3600, window=3)
    assert stripe.find_charge(request._replace(search_cursor=str(begun))) is None
    claimed = int(request.created_at.timestamp())
    ends = [int(dict(query)["created[lt]"]) - claimed for *_, query in gateway.requests]
    assert ends == [3600 + 600, -2]


def test_patience_that_is_asked_for_keeps_the_place(gateway: StripeLike, hasty: Stripe) -> None:
    gateway.control({"busy": 1})
    cursor = str(Cursor(hasty.account, begun=100_000, until=90_000, window=2, after="pi_7"))
    outcome = hasty.find_charge(a_charge(search_cursor=cursor, **claimed_ago(100_000)))
    assert isinstance(outcome, Unknown)
    assert (outcome.search_cursor, outcome.answered) == (cursor, False)


def test_a_place_that_stripe_no_longer_knows_begins_anew(gateway: StripeLike) -> None:
    stripe = Stripe(API_KEY, gateway.url, 5.0, certain_after=CERTAIN)
    gone = str(Cursor(stripe.account, begun=7000, until=3600, window=3, after="pi_deleted"))
    request = a_charge(search_cursor=gone, **claimed_ago(7000))
    outcome = stripe.find_charge(request)
    assert outcome == Unknown("Stripe does not list: resource_missing", search_cursor="")
    assert stripe.find_charge(request._replace(search_cursor="")) is None


@pytest.mark.parametrize("cursor", ["nonsense", "a b c d e", "key-1 1 1 1 -", "acct_1/live 99999 99999 0 -"])
def test_a_cursor_that_makes_no_sense_begins_anew(gateway: StripeLike, cursor: str) -> None:
    stripe = Stripe(API_KEY, gateway.url, 5.0, certain_after=CERTAIN)
    assert stripe.find_charge(a_charge(search_cursor=cursor, **claimed_ago(7000))) is None
    assert len(gateway.requests) == WINDOWS


def test_a_refund_is_looked_for_among_any_number_too(gateway: StripeLike) -> None:
    stripe = Stripe(API_KEY, gateway.url, 5.0, certain_after=CERTAIN)
    page = {"object": "list", "has_more": True, "data": [{"object": "refund", "id": "re_other", "metadata": {}}]}
    gateway.say(200, page)
    gateway.control({"drop": 1})
    outcome = stripe.find_refund(request := a_refund("pi_1", **claimed_ago(7000)))
    assert isinstance(outcome, Unknown)
    assert str(outcome.search_cursor).endswith(" 0 re_other")
    gateway.control({"calm": True})
    gateway.say(200, {"object": "list", "has_more": False, "data": []})
    assert stripe.find_refund(request._replace(search_cursor=outcome.search_cursor)) is None
