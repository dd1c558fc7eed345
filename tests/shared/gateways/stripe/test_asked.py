"""What Stripe is asked with for a charge, with the customer and without."""

from typing import Any
from urllib.parse import parse_qsl

import pytest

from shared.gateways.stripe import session
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.requests_of_ours import a_charge

REFERENCE, NUMBER = "PAY-20261122-0000000000000000", 7
# As the version before sent it, which knew no customer who is present: a repeat under its key must be the same to the byte.
OF_THE_VERSION_BEFORE = (
    b"amount=3650&currency=inr&confirm=true&payment_method=pm_card&payment_method_types%5B%5D=card"
    b"&metadata%5Breference%5D=PAY-20261122-0000000000000000&metadata%5Bpayment_id%5D=7"
)


@pytest.fixture
def sent(gateway: StripeLike, stripe: Stripe, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Charges, and gives the body of the request, as it went out."""
    bodies: list[bytes | None] = []
    send = session.send

    def watched(method: str, url: str, headers: Any, body: bytes | None, deadline: float) -> Any:
        bodies.append(body)
        return send(method, url, headers, body, deadline)

    monkeypatch.setattr(session, "send", watched)

    def charge(**differently: Any) -> bytes:
        gateway.say(200, {})
        stripe.charge(a_charge(reference=REFERENCE, payment_id=NUMBER, **differently))
        body = bodies.pop()
        assert body is not None
        return body

    return charge


def test_a_claim_that_says_nothing_of_its_customer_is_asked_for_as_ever(sent: Any) -> None:
    assert sent(description=None) == OF_THE_VERSION_BEFORE
    assert sent() == OF_THE_VERSION_BEFORE + b"&description=Trip+101"
    saved = sent(payment_customer="cus_9", waits=600.0)
    assert saved == OF_THE_VERSION_BEFORE + b"&customer=cus_9&description=Trip+101"
    without = OF_THE_VERSION_BEFORE.replace(b"payment_method=pm_card", b"payment_method=")
    assert sent(description=None, payment_token=None) == without


def test_a_charge_without_its_customer_says_so(sent: Any) -> None:
    assert sent(customer_present=False) == OF_THE_VERSION_BEFORE + b"&description=Trip+101&off_session=true"


def test_a_token_of_a_customer_who_is_there_is_charged_at_once(sent: Any) -> None:
    assert sent(customer_present=True) == OF_THE_VERSION_BEFORE + b"&description=Trip+101"


@pytest.mark.parametrize(("method", "kind"), [("CARD", "card"), ("WALLET", "card"), ("UPI", "upi")])
def test_without_a_token_a_customer_who_is_there_is_left_to_confirm_what_is_made(
    sent: Any, method: str, kind: str
) -> None:
    fields = dict(
        parse_qsl(sent(customer_present=True, payment_token=None, method=method, payment_customer="cus_9").decode())
    )
    assert fields == {
        "amount": "3650",
        "currency": "inr",
        "payment_method_types[]": kind,
        "metadata[reference]": REFERENCE,
        "metadata[payment_id]": str(NUMBER),
        "customer": "cus_9",
        "description": "Trip 101",
    }


@pytest.mark.parametrize("present", [None, False, True])
@pytest.mark.parametrize("token", ["pm_card", None])
@pytest.mark.parametrize("method", ["CARD", "UPI", "WALLET"])
def test_a_repeat_is_the_same_request_however_old_it_is(
    sent: Any, present: bool | None, token: str | None, method: str
) -> None:
    claim = {"customer_present": present, "payment_token": token, "method": method, "waits": 600.0}
    assert sent(**claim) == sent(**claim, asked=2, age=1.0) == sent(**claim, asked=3, age=80000.0)
