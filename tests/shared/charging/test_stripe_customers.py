"""Payments of customers who are present, over Stripe's API and through the books: both say the same at the end."""

import json
from collections.abc import Iterator

import pytest

from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.charging.test_waiting import be_late
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN
from tests.support.cluster import Place
from tests.support.till import Till, shown

PAYS_WITH = [("CARD", "pm_customer"), ("CARD", None), ("WALLET", None), ("UPI", "pm_upi"), ("UPI", None)]


@pytest.fixture
def like(till: Till) -> Iterator[StripeLike]:
    with StripeLike() as like:
        till.gateway = Stripe("sk_test_1", like.url, 5.0, certain_after=CERTAIN)  # type: ignore[assignment]
        yield like


def pay(till: Till, method: str, token: str | None, key: str = "k") -> tuple[int, dict[str, object]]:
    given = {"customer_present": True} if token is None else {"customer_present": True, "payment_token": token}
    answer = till.pay(key=key, method=method, **given)
    payment: dict[str, object] = json.loads(answer.body)
    return answer.status, payment


def intent_of(place: Place) -> str:
    return str(place.sql.value("SELECT gateway_id FROM payments"))


@pytest.mark.parametrize(("method", "token"), PAYS_WITH)
def test_what_the_customer_confirms_is_charged_once(
    till: Till, place: Place, like: StripeLike, method: str, token: str | None
) -> None:
    status, waiting = pay(till, method, token)
    wanted = waiting["next_action"]
    assert isinstance(wanted, dict)
    assert (status, waiting["status"]) == (202, "PENDING")
    assert wanted["kind"] == ("upi" if token == "pm_upi" else "confirm")
    assert wanted["client_secret"] == like.books.intent(intent_of(place))["client_secret"]
    like.books.customer_confirms(intent_of(place))
    status, paid = pay(till, method, token)
    assert (status, paid["status"], "next_action" in paid) == (201, "SUCCESS", False)
    [charge] = like.ledger()["charges"].values()
    assert (charge["count"], charge["succeeded"], charge["amount"]) == (1, 1, 15000)
    assert sum(method == "POST" for method, *_ in like.requests) == 1


@pytest.mark.parametrize("token", ["pm_customer", None])
def test_what_the_customer_refuses_is_called_off_and_declined(
    till: Till, place: Place, like: StripeLike, token: str | None
) -> None:
    pay(till, "CARD", token)
    like.books.customer_refuses(intent_of(place))
    status, problem = pay(till, "CARD", token)
    assert (status, problem["failure_code"]) == (402, "payment_intent_authentication_failure")
    assert like.books.intent(intent_of(place))["status"] == "canceled"


@pytest.mark.parametrize("token", ["pm_customer", None])
def test_what_the_customer_never_confirms_is_called_off_by_a_sweep(
    till: Till, place: Place, like: StripeLike, token: str | None
) -> None:
    pay(till, "CARD", token)
    be_late(place)
    assert till.sweep()["settled"] == 1
    status, problem = pay(till, "CARD", token)
    assert (status, problem["failure_code"]) == (402, "authentication_expired")
    assert like.books.intent(intent_of(place))["status"] == "canceled"


def test_at_the_moment_of_the_cancellation_the_customer_has_paid_or_not_and_so_say_the_books(
    till: Till, place: Place, like: StripeLike
) -> None:
    for number in range(12):
        assert pay(till, "CARD", "pm_customer_races", key=f"k{number}")[0] == 202
    be_late(place)
    till.sweep()
    at_stripe = {"SUCCESS": "succeeded", "FAILED": "canceled"}
    rows = place.sql.run("SELECT reference, status FROM payments")
    charges = like.ledger()["charges"]
    assert {row["reference"]: [at_stripe[row["status"]]] for row in rows} == {
        reference: charge["statuses"] for reference, charge in charges.items()
    }
    assert {row["status"] for row in rows} == {"SUCCESS", "FAILED"}


def test_off_session_a_card_that_wants_its_customer_is_declined(till: Till, place: Place, like: StripeLike) -> None:
    answer = till.pay(payment_token="pm_customer", payment_customer="cus_9")
    assert (answer.status, json.loads(answer.body)["failure_code"]) == (402, "authentication_required")
    assert dict(like.requests[0][3])["off_session"] == "true"
    assert shown(till.pay(payment_token="pm_card"))["status"] == "SUCCESS"
