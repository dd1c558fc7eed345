"""Another account of the gateway than the claim's decides nothing; what it shows of ours is ours all the same."""

import logging
from collections.abc import Callable

import pytest

from shared.gateways.protocol import Declined, Succeeded, Unknown
from tests.support.cluster import Place
from tests.support.gateway import ScriptedGateway, Turn
from tests.support.till import Till, shown

FOUND: list[tuple[Turn | None, str]] = [
    (Succeeded("pi_1"), "SUCCESS"),
    (Declined("canceled", "pi_1"), "FAILED"),
    (Unknown("not shown", search_cursor="theirs"), "PENDING"),
    (None, "PENDING"),
]


def age(place: Place, hours: int) -> None:
    place.sql.run("UPDATE payments SET created_at = created_at - make_interval(hours => %s)", (hours,))
    place.sql.run("UPDATE payment_refunds SET created_at = created_at - make_interval(hours => %s)", (hours,))


@pytest.mark.parametrize("hours", [0, 48])
@pytest.mark.parametrize(("found", "status"), FOUND)
def test_a_charge_of_another_account_is_only_read_and_settled_only_as_found(
    till: Till, place: Place, found: Turn | None, status: str, hours: int
) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    age(place, hours)
    till.gateway = ScriptedGateway(account="acct_another")
    till.gateway.finding = found
    till.pay(key="k")
    assert till.gateway.verbs() == ["find_charge"]
    assert place.sql.value("SELECT status FROM payments") == status
    assert place.sql.value("SELECT search_place FROM idempotency_keys") is None


def test_a_refund_of_another_account_is_only_read(till: Till, place: Place) -> None:
    payment_id = shown(till.pay(amount="100.00"))["payment_id"]
    till.gateway.next(Unknown("time-out"))
    till.refund(payment_id, key="r")
    age(place, 48)
    till.gateway = ScriptedGateway(account="acct_another")
    assert till.refund(payment_id, key="r").status == 202
    assert till.gateway.verbs() == ["find_refund"]


def test_the_log_says_whose_account_it_is_and_what_to_do(till: Till, logged: list[logging.LogRecord]) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    till.gateway = ScriptedGateway(account="acct_another")
    logged.clear()
    till.pay(key="k")
    [line] = [line for line in logged if line.levelname == "WARNING"]
    for said in ("acct_scripted", "acct_another", "set the API key of that account again", "make pending"):
        assert said in vars(line)["why"]


@pytest.mark.parametrize("change", ["account", "gateway"])
def test_when_the_settings_are_back_it_is_carried_to_its_end(till: Till, change: str) -> None:
    first = till.gateway
    first.next(Unknown("time-out"))
    till.pay(key="k")
    till.gateway = ScriptedGateway(account="acct_another") if change == "account" else ScriptedGateway("another")
    assert till.pay(key="k").status == 202
    till.gateway = first
    assert till.pay(key="k").status == 201
    assert list(first.moved.values()) == [1]


def test_a_claim_from_before_accounts_were_recorded_is_asked_for(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    place.sql.run("UPDATE payments SET gateway_account = NULL")
    assert till.pay(key="k").status == 201
    assert till.gateway.verbs() == ["charge", "charge"]


def test_a_search_goes_on_at_the_next_try_where_it_ended(till: Till, place: Place, forget: Callable[[], None]) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    forget()
    for said, goes_on_at in (("p1", None), ("p2", "p1"), (None, "p2"), ("", "p2"), ("p3", "")):
        till.gateway.finding = Unknown("not there yet", search_cursor=said)
        till.gateway.calls.clear()
        assert till.pay(key="k").status == 202
        assert [request.search_cursor for _, request in till.gateway.calls] == [goes_on_at]


@pytest.fixture
def forget(place: Place) -> Callable[[], None]:
    """The gateway no longer remembers the keys of what it was asked so far."""
    return lambda: age(place, 48)


def test_an_intent_that_a_repeat_names_is_read_by_its_name(till: Till) -> None:
    till.gateway.next(Unknown("time-out"), Unknown("processing", "pi_1"))
    till.gateway.finding = Unknown("processing")
    till.pay(key="k")
    till.pay(key="k")
    assert [(verb, request.gateway_id) for verb, request in till.gateway.calls][-1] == ("find_charge", "pi_1")


@pytest.mark.parametrize(("confirmed", "asked"), [(True, ["charge"]), (False, ["find_charge"])])
def test_a_charge_is_asked_again_with_another_key_only_where_the_gateway_confirms_the_account(
    till: Till, confirmed: bool, asked: list[str]
) -> None:
    """The settings may name the account that a key was of before it was replaced by a key of another."""
    till.gateway = ScriptedGateway(account="acct_1/live#key-1")
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    till.gateway = ScriptedGateway(account="acct_1/live#key-2")
    till.gateway.confirmed = confirmed
    assert till.pay(key="k").status == (201 if confirmed else 202)
    assert till.gateway.verbs() == asked


def test_what_was_charged_with_a_key_is_given_back_with_another_of_the_account(till: Till) -> None:
    till.gateway = ScriptedGateway(account="acct_1/live#key-1")
    payment_id = shown(till.pay())["payment_id"]
    till.gateway = ScriptedGateway(account="acct_1/live#key-2")
    assert till.refund(payment_id).status == 201
    assert till.gateway.verbs() == ["refund"]
