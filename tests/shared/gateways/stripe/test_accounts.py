"""Whose account a claim is recorded with, and that another account's knowledge is another's."""

import logging

import pytest

from shared.gateways.protocol import Succeeded, Unknown, account_name
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.fakes.stripe_books import Books
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge, claimed_ago

OTHER_KEY = "sk_test_of_another_account"
BASE = "https://api.stripe.com"


def account(key: str, base: str = BASE, name: str = "") -> str:
    return Stripe(key, base, 1.0, account=name, certain_after=CERTAIN).account


def test_an_account_that_is_named_outlives_its_keys_but_not_its_mode() -> None:
    names = {account_name(account(key, name="acct_1")) for key in ("sk_live_1", "rk_live_2")}
    assert names == {"acct_1/live"}
    assert account("sk_live_1", name="acct_1") != account("rk_live_2", name="acct_1")
    assert account_name(account("sk_test_1", name="acct_1")) == "acct_1/test"


def test_without_a_name_each_key_is_an_account_and_gives_nothing_of_itself_away() -> None:
    names = {account("sk_live_1"), account("sk_live_2"), account("sk_live_1", "http://localhost")}
    assert len(names) == 3
    assert account("sk_live_1") == account("sk_live_1", BASE + "/")
    assert not any("live_1" in name or len(name) > 30 for name in names)


PAGES = "https://dashboard.stripe.com"


@pytest.mark.parametrize(
    ("key", "base", "page"),
    [
        ("sk_live_1", BASE, f"{PAGES}/payments/pi_1"),
        ("rk_test_1", BASE + "/", f"{PAGES}/test/payments/pi_1"),
        ("sk_test_1", "http://localhost:12111", None),
    ],
)
def test_a_charge_has_a_page_of_stripe_s(key: str, base: str, page: str | None) -> None:
    assert Stripe(key, base, 1.0, certain_after=CERTAIN).dashboard("pi_1") == page


def test_whatever_a_charge_is_called_it_stays_a_part_of_the_address() -> None:
    page = Stripe("sk_live_1", BASE, 1.0, certain_after=CERTAIN).dashboard("../x?y=<script>#/")
    assert page == f"{PAGES}/payments/..%2Fx%3Fy%3D%3Cscript%3E%23%2F"


@pytest.fixture
def other(gateway: StripeLike) -> Stripe:
    """Over another account of the same gateway."""
    gateway.others[OTHER_KEY] = Books()
    return Stripe(OTHER_KEY, gateway.url, 5.0, certain_after=10.0)


def test_an_account_is_confirmed_by_the_gateway_alone_and_a_wrong_name_is_an_error(
    gateway: StripeLike, logged: list[logging.LogRecord]
) -> None:
    """Two keys of one account, and one that the settings say is of it."""
    gateway.account_ids = {API_KEY: "acct_1", OTHER_KEY: "acct_2"}
    assert Stripe(API_KEY, gateway.url, 5.0, account="acct_1", certain_after=CERTAIN).confirms_account()
    assert not logged
    assert not Stripe(OTHER_KEY, gateway.url, 5.0, account="acct_1", certain_after=CERTAIN).confirms_account()
    assert [record.levelname for record in logged] == ["ERROR"]
    asked = len(gateway.requests)
    confirmed = Stripe(API_KEY, gateway.url, 5.0, account="acct_1", certain_after=CERTAIN)
    assert [confirmed.confirms_account() for _ in range(3)] == [True] * 3
    assert len(gateway.requests) == asked + 1


def test_a_gateway_that_does_not_say_confirms_nothing(gateway: StripeLike) -> None:
    assert not Stripe(API_KEY, gateway.url, 5.0, account="acct_1", certain_after=CERTAIN).confirms_account()


def test_another_account_knows_nothing_of_a_charge(gateway: StripeLike, stripe: Stripe, other: Stripe) -> None:
    charged = stripe.charge(request := a_charge())
    assert isinstance(charged, Succeeded)
    assert isinstance(other.find_charge(a_charge(reference=request.reference, gateway_id=charged.gateway_id)), Unknown)
    assert other.find_charge(a_charge(reference=request.reference, **claimed_ago(20))) is None


def test_a_place_in_the_list_of_one_account_is_none_in_that_of_another(gateway: StripeLike, other: Stripe) -> None:
    """A pass that was half made elsewhere, and proves nothing here."""
    stripe = Stripe(API_KEY, gateway.url, 5.0, certain_after=10.0)
    lost = a_charge(**claimed_ago(20))
    gateway.control({"lose": 1, "skip": -20})
    stripe.charge(lost)
    gateway.control({"calm": True, "skip": 20})
    place = f"{other.account} 20 20 4 -"
    known = a_charge(reference=lost.reference, search_cursor=place, **claimed_ago(20))
    assert isinstance(stripe.find_charge(known), Succeeded)
    assert API_KEY not in place
