"""What a gateway says by itself is in the books within two seconds: real functions, a gateway that sends webhooks, no sweep."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fakes.gateway import StripeLike
from tests.fakes.trips import TripServer
from tests.support.cluster import Cluster, Place
from tests.support.functions import Functions
from tests.support.till import new_key

SECRET = "whsec_s3cr3ts3cr3t"
# Seconds: what is promised.
WITHIN = 2.0


class Service:
    def __init__(self, functions: Functions, gateway: StripeLike, place: Place) -> None:
        self.functions, self.gateway, self.sql = functions, gateway, place.sql

    def pay(self, **fields: Any) -> dict[str, Any]:
        request = {"trip_id": 101, "method": "CARD", "amount": 150.00, "payment_token": "pm_card"} | fields
        return self._post(self.functions.url("create_payment") + "/payments", request)

    def refund(self, payment_id: int) -> dict[str, Any]:
        return self._post(f"{self.functions.url('create_refund')}/payments/{payment_id}/refunds", {"amount": 50.00})

    def act(self, act: str, **named: Any) -> dict[str, Any]:
        return self.gateway.control({"act": act, **named})

    def becomes(self, wanted: object, query: str, **parameters: Any) -> None:
        """Waits until the books say so. Fails where that takes longer than is promised."""
        said = time.monotonic()
        while (found := self.sql.value(query, parameters)) != wanted:
            assert time.monotonic() - said < WITHIN, f"{found} after {WITHIN} s"
            time.sleep(0.01)

    def _post(self, url: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = requests.post(url, json=body, headers={"Idempotency-Key": new_key()}, timeout=20)
        assert answer.status_code in (201, 202, 402), answer.text
        return dict(answer.json()) | {"answered": answer.status_code}


@pytest.fixture(scope="module")
def service(cluster: Cluster, one_trip_server: TripServer) -> Iterator[Service]:
    with cluster.database() as place, StripeLike() as gateway:
        settings = {"GATEWAY": "stripe", "STRIPE_API_KEY": "sk_test_x", "STRIPE_API_BASE": gateway.url}
        settings |= {"STRIPE_METHODS": "CARD,WALLET,UPI", "STRIPE_WEBHOOK_SECRET": SECRET, "GATEWAY_TIMEOUT": "2"}
        settings |= {"TRIP_SERVICE_URL": one_trip_server.url}
        names = ("create_payment", "create_refund", "gateway_webhook")
        with Functions(names, place.environment | settings) as functions:
            url = functions.url("gateway_webhook") + "/webhooks/stripe"
            gateway.control({"webhook": {"urls": [url], "secrets": [SECRET]}, "processing_seconds": 0.3})
            yield Service(functions, gateway, place)


STATUS = "SELECT status FROM payments WHERE payment_id = %(payment_id)s"
REFUND = "SELECT status FROM payment_refunds WHERE refund_id = %(refund_id)s"


@pytest.mark.parametrize("token", ["pm_lose_always", "pm_processing"])
def test_a_charge_whose_outcome_was_not_known_settles(service: Service, token: str) -> None:
    paid = service.pay(payment_token=token)
    assert paid["answered"] == 202
    service.becomes("SUCCESS", STATUS, payment_id=paid["payment_id"])


def test_so_does_one_that_its_customer_confirms(service: Service) -> None:
    paid = service.pay(method="UPI", customer_present=True)
    assert (paid["answered"], paid["status"]) == (202, "PENDING")
    service.act("customer_confirms", reference=paid["reference"])
    service.becomes("SUCCESS", STATUS, payment_id=paid["payment_id"])


def test_a_refund_that_comes_back_is_money_of_ours_again(service: Service) -> None:
    paid = service.pay()
    refund = service.refund(paid["payment_id"])
    assert (paid["answered"], refund["answered"]) == (201, 201)
    gateway_id = service.sql.value("SELECT gateway_id FROM payment_refunds WHERE refund_id = %(refund_id)s", refund)
    service.act("refund_fails", on=gateway_id)
    service.becomes("REVERSED", REFUND, refund_id=refund["refund_id"])


def test_a_refund_that_somebody_made_at_the_gateway_is_entered(service: Service) -> None:
    paid = service.pay()
    service.act("refund_in_dashboard", reference=paid["reference"], amount=15000)
    service.becomes("REFUNDED", STATUS, payment_id=paid["payment_id"])


def test_what_a_bank_takes_back_is_disputed(service: Service) -> None:
    paid = service.pay()
    service.act("open_dispute", reference=paid["reference"])
    service.becomes(
        "OPEN",
        "SELECT max(status) FROM payment_disputes WHERE payment_id = %(payment_id)s",
        payment_id=paid["payment_id"],
    )


def test_the_gateway_was_answered_each_time_and_no_ring_is_left_without_a_reason(service: Service) -> None:
    """One that came while somebody was asking is put off, for a sweep: there is none here."""
    service.becomes(0, "SELECT count(*) FROM gateway_rings WHERE why IS NULL")
    assert set(service.gateway.webhooks.answers) == {"event 204"}
    everything = service.functions.log("gateway_webhook")
    assert SECRET not in everything
    assert '"level": "ERROR"' not in everything
