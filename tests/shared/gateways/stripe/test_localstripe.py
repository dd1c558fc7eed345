"""The same calls against localstripe, which somebody else wrote: a second opinion on the happy paths.

It refuses parameters that it does not know, and has neither idempotency keys nor lists by time.
"""

import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from json import load
from pathlib import Path

import pytest
import requests

from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.trips import TripServer
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge, a_refund
from tests.support.cluster import Place
from tests.support.functions import Functions

API_KEY = "sk_test_12345"
PATIENCE = 20.0
# Its own start listens on every address of the machine and keeps what it knows in a file that all of its kind share; and it
# does not know that an intent may have a description (https://docs.stripe.com/api/payment_intents/create).
START = """
import sys
from aiohttp import web
from localstripe import server
from localstripe.resources import PaymentIntent
create = PaymentIntent.__init__
PaymentIntent.__init__ = lambda intent, description=None, **fields: create(intent, **fields)
type(server.store).dump_to_disk = lambda store: None
web.run_app(server.app, host="127.0.0.1", port=int(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """localstripe as a process, listening."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("localstripe") / "log"
    command = [sys.executable, "-c", START, str(port)]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output, cwd=log.parent) as running:
        _wait_until_listening(port, running, log)
        yield f"http://127.0.0.1:{port}"
        running.terminate()


def _wait_until_listening(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(int(PATIENCE / 0.1)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.1)
    pytest.fail(f"localstripe does not listen: {log.read_text()}")


@pytest.fixture(scope="module")
def stripe(address: str) -> Stripe:
    return Stripe(API_KEY, address, 10.0, certain_after=CERTAIN)


def card(address: str, number: str) -> str:
    """A payment method, made as a passenger's app would have it made."""
    fields = {
        "type": "card",
        "card[number]": number,
        "card[exp_month]": "12",
        "card[exp_year]": "2030",
        "card[cvc]": "123",
    }
    body = urllib.parse.urlencode(fields).encode()
    request = urllib.request.Request(f"{address}/v1/payment_methods", body, {"Authorization": f"Bearer {API_KEY}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(load(answer)["id"])


def test_a_charge_succeeds_and_is_read_by_its_id(address: str, stripe: Stripe) -> None:
    request = a_charge(payment_token=card(address, "4242424242424242"))
    charged = stripe.charge(request)
    assert isinstance(charged, Succeeded)
    assert stripe.find_charge(a_charge(reference=request.reference, gateway_id=charged.gateway_id)) == charged


def test_a_declined_card_is_declined(address: str, stripe: Stripe) -> None:
    assert stripe.charge(a_charge(payment_token=card(address, "4000000000000341"))) == Declined("card_declined")


def test_a_card_that_wants_its_owner_is_cancelled_and_declined(address: str, stripe: Stripe) -> None:
    outcome = stripe.charge(a_charge(payment_token=card(address, "4000002500003155")))
    assert isinstance(outcome, Declined)
    assert outcome.code == "authentication_required"


def test_a_payment_method_that_is_not_known_is_declined(stripe: Stripe) -> None:
    assert stripe.charge(a_charge(payment_token="pm_unheard_of")) == Declined("invalid_request_error")


def test_part_of_a_charge_is_given_back_and_the_refund_found_with_and_without_its_id(
    address: str, stripe: Stripe
) -> None:
    charged = stripe.charge(a_charge(payment_token=card(address, "4242424242424242")))
    assert isinstance(charged, Succeeded)
    request = a_refund(charged.gateway_id, amount=Decimal("12.34"))
    refunded = stripe.refund(request)
    assert isinstance(refunded, Succeeded)
    assert stripe.find_refund(request) == refunded
    by_id = a_refund(
        charged.gateway_id, amount=request.amount, reference=request.reference, gateway_id=refunded.gateway_id
    )
    assert stripe.find_refund(by_id) == refunded


def test_a_key_it_does_not_accept_is_unknown(address: str) -> None:
    assert isinstance(
        Stripe("pk_public", address, 5.0, certain_after=CERTAIN).charge(a_charge(payment_token="pm_card_visa")), Unknown
    )


def test_the_whole_flow_runs_over_stripe_with_no_change_but_settings(
    address: str, place: Place, trips: TripServer
) -> None:
    settings = {
        "GATEWAY": "stripe",
        "STRIPE_API_KEY": API_KEY,
        "STRIPE_API_BASE": address,
        "TRIP_SERVICE_URL": trips.url,
    }
    with Functions(["create_payment", "create_refund"], place.environment | settings) as functions:
        payments = functions.url("create_payment") + "/payments"
        request = {"trip_id": 101, "method": "CARD", "payment_token": card(address, "4242424242424242")}
        paid = requests.post(payments, json=request, headers={"Idempotency-Key": "a"}, timeout=20)
        assert (paid.status_code, paid.json()["amount"], paid.json()["status"]) == (201, 36.50, "SUCCESS")
        again = requests.post(payments, json=request, headers={"Idempotency-Key": "a"}, timeout=20)
        assert (again.status_code, again.content) == (201, paid.content)

        declined = request | {"amount": 20, "payment_token": card(address, "4000000000000341")}
        refused = requests.post(payments, json=declined, headers={"Idempotency-Key": "b"}, timeout=20)
        assert (refused.status_code, refused.json()["failure_code"]) == (402, "card_declined")
        without = requests.post(
            payments, json={"trip_id": 101, "method": "UPI"}, headers={"Idempotency-Key": "c"}, timeout=20
        )
        assert (without.status_code, without.json()["code"]) == (422, "method_not_supported")

        refunds = f"{functions.url('create_refund')}/payments/{paid.json()['payment_id']}/refunds"
        given_back = requests.post(refunds, json={"amount": 6.5}, headers={"Idempotency-Key": "d"}, timeout=20)
        assert (given_back.status_code, given_back.json()["remaining_amount"]) == (201, 30.00)
        everything = functions.log("create_payment") + functions.log("create_refund")
    assert API_KEY not in everything
    assert request["payment_token"] not in everything
    assert place.sql.value("SELECT count(*) FROM payments WHERE payment_token IS NOT NULL") == 0
