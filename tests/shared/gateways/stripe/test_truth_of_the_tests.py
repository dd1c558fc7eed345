"""The gateway that the tests bring along: its customers, its events and webhooks, and what it says after its first word."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.fakes.gateway import StripeLike
from tests.fakes.sink import Sink
from tests.fakes.stripe_requests import Refusal

SECRETS = ["whsec_new", "whsec_old"]
CHARGE = {
    "amount": "3650",
    "currency": "inr",
    "confirm": "true",
    "payment_method": "pm_card_visa",
    "payment_method_types[]": "card",
    "metadata[reference]": "PAY-1",
    "metadata[payment_id]": "1",
}
UPI = {"payment_method_types[]": "upi", "payment_method_data[type]": "upi"}


def post(gateway: StripeLike, **changed: str | None) -> requests.Response:
    fields = {name: value for name, value in (CHARGE | changed).items() if value is not None}
    headers = {"Authorization": "Bearer sk_test_1"}
    return requests.post(f"{gateway.url}/v1/payment_intents", fields, headers=headers, timeout=5)


def get(gateway: StripeLike, path: str, *query: tuple[str, str]) -> Any:
    headers = {"Authorization": "Bearer sk_test_1"}
    return requests.get(f"{gateway.url}/v1/{path}", query, headers=headers, timeout=5).json()


def types(gateway: StripeLike, *query: tuple[str, str]) -> list[str]:
    return [event["type"] for event in get(gateway, "events", *query)["data"]]


def a_charge(gateway: StripeLike, **changed: str | None) -> str:
    return str(post(gateway, **changed).json()["id"])


def truth(gateway: StripeLike, intent_id: str) -> dict[str, Any]:
    found: dict[str, Any] = gateway.ledger()["by_charge"][intent_id]
    return found


@pytest.mark.parametrize(
    ("changed", "action"),
    [
        ({"payment_method": "pm_customer"}, "use_stripe_sdk"),
        ({"payment_method": "pm_customer_redirect"}, "redirect_to_url"),
        (UPI | {"payment_method": None}, "upi_handle_redirect_or_display_qr_code"),
    ],
)
def test_a_charge_that_needs_its_customer_waits_for_them(
    gateway: StripeLike, changed: dict[str, str | None], action: str
) -> None:
    intent = post(gateway, **changed).json()
    assert (intent["status"], intent["next_action"]["type"]) == ("requires_action", action)
    assert intent["client_secret"].startswith(f"{intent['id']}_secret_")
    gateway.control({"act": "customer_confirms", "on": intent["id"]})
    assert get(gateway, f"payment_intents/{intent['id']}")["status"] == "succeeded"


def test_off_session_it_is_declined(gateway: StripeLike) -> None:
    refused = post(gateway, payment_method="pm_customer", off_session="true")
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["code"]) == (402, "card_error", "authentication_required")
    assert error["payment_intent"]["status"] == "requires_payment_method"


@pytest.mark.parametrize(
    "changed",
    [
        {"surprise": "1"},
        UPI | {"currency": "usd"},
        UPI | {"off_session": "true"},
        {"payment_method_types[]": "cash"},
        {"payment_method": None},
        {"confirm": None, "off_session": "true"},
        {"off_session": "yes"},
    ],
)
def test_what_the_gateway_does_not_take_is_refused(gateway: StripeLike, changed: dict[str, str | None]) -> None:
    assert post(gateway, **changed).status_code == 400


def test_an_intent_that_is_not_confirmed_waits_without_an_error(gateway: StripeLike) -> None:
    intent = post(gateway, confirm=None, payment_method=None).json()
    assert (intent["status"], intent["last_payment_error"]) == ("requires_payment_method", None)
    gateway.control({"act": "customer_refuses", "on": intent["id"]})
    refused = get(gateway, f"payment_intents/{intent['id']}")
    assert refused["status"] == "requires_payment_method"
    assert refused["last_payment_error"]["code"] == "payment_intent_authentication_failure"


def test_after_the_cancellation_a_customer_is_too_late(gateway: StripeLike) -> None:
    intent_id = a_charge(gateway, payment_method="pm_customer")
    gateway.books.cancel_intent(intent_id)
    with pytest.raises(ValueError, match="payment_intent_unexpected_state"):
        gateway.control({"act": "customer_confirms", "on": intent_id})


def test_of_a_customer_and_a_cancellation_at_the_same_moment_one_comes_first(gateway: StripeLike) -> None:
    gateway.control({"customer_races": 1})
    ends = []
    for number in range(12):
        reference = {"metadata[reference]": f"PAY-{number}"}
        intent_id = a_charge(gateway, payment_method="pm_customer", **reference)
        try:
            ends.append(gateway.books.cancel_intent(intent_id)["status"])
        except Refusal:
            ends.append(truth(gateway, intent_id)["status"])
    assert set(ends) == {"canceled", "succeeded"}
    assert gateway.ledger()["too_late"] == ends.count("canceled")


def test_customers_act_by_themselves_as_they_are_drawn(gateway: StripeLike) -> None:
    gateway.control({"customer_seconds": 5, "customer_late_seconds": 50})
    soon, late, refuses, never = (
        a_charge(gateway, payment_method=f"pm_customer_{what}") for what in ("soon", "late", "refuses", "never")
    )
    gateway.control({"skip": 6})
    assert [truth(gateway, each)["status"] for each in (soon, late, refuses, never)] == [
        "succeeded",
        "requires_action",
        "requires_payment_method",
        "requires_action",
    ]
    gateway.control({"skip": 50})
    assert truth(gateway, late)["status"] == "succeeded"
    assert truth(gateway, never)["status"] == "requires_action"


def test_a_charge_that_was_called_declined_or_cancelled_turns_out_paid(gateway: StripeLike) -> None:
    assert post(gateway, payment_method="pm_late").status_code == 402
    gateway.control({"revived": 1})
    cancelled = a_charge(gateway, payment_method="pm_authenticate")
    assert gateway.books.cancel_intent(cancelled)["status"] == "canceled"
    gateway.control({"skip": 2})
    assert [each["paid"] for each in gateway.ledger()["by_charge"].values()] == [3650, 3650]


def test_every_change_writes_its_event_and_the_list_shows_them_newest_first(gateway: StripeLike) -> None:
    intent_id = a_charge(gateway, payment_method="pm_customer")
    gateway.control({"act": "customer_confirms", "reference": "PAY-1"})
    gateway.control({"act": "refund_in_dashboard", "on": intent_id, "amount": 650})
    assert types(gateway) == [
        "refund.created",
        "payment_intent.succeeded",
        "payment_intent.requires_action",
        "payment_intent.created",
    ]
    assert types(gateway, ("type", "refund.*")) == ["refund.created"]
    wanted = ("payment_intent.created", "payment_intent.succeeded")
    assert types(gateway, *(("types[]", each) for each in wanted), ("limit", "1")) == ["payment_intent.succeeded"]
    assert types(gateway, ("created[gte]", str(int(time.time()) + 60))) == []
    first = get(gateway, "events", ("limit", "3"))
    assert first["has_more"]
    rest = get(gateway, "events", ("starting_after", first["data"][-1]["id"]))
    assert [event["type"] for event in rest["data"]] == ["payment_intent.created"]
    before = get(gateway, "events", ("ending_before", rest["data"][0]["id"]), ("limit", "1"))
    assert [event["type"] for event in before["data"]] == ["payment_intent.requires_action"]


def test_a_refund_that_succeeded_comes_back(gateway: StripeLike) -> None:
    intent_id = a_charge(gateway)
    refund = gateway.control({"act": "refund_in_dashboard", "on": intent_id})
    gateway.control({"act": "refund_fails", "on": refund["id"]})
    found = truth(gateway, intent_id)
    assert (found["paid"], found["given_back"], found["came_back"]) == (3650, 0, 3650)
    assert types(gateway)[:3] == ["refund.failed", "charge.refund.updated", "refund.updated"]
    assert get(gateway, f"refunds/{refund['id']}")["failure_reason"] == "declined"


@pytest.mark.parametrize(("end", "held"), [("won", 0), ("lost", 3650)])
def test_a_dispute_holds_the_money_until_it_is_won(gateway: StripeLike, end: str, held: int) -> None:
    intent_id = a_charge(gateway)
    dispute = gateway.control({"act": "open_dispute", "on": intent_id, "inquiry": True})
    assert truth(gateway, intent_id)["disputed"] == 0
    gateway.control({"act": "move_dispute", "on": dispute["id"], "status": "needs_response"})
    assert truth(gateway, intent_id)["disputed"] == 3650
    with pytest.raises(ValueError, match="charge_disputed"):
        gateway.control({"act": "refund_in_dashboard", "on": intent_id})
    gateway.control({"act": "move_dispute", "on": dispute["id"], "status": end})
    assert get(gateway, f"disputes/{dispute['id']}")["status"] == end
    assert truth(gateway, intent_id)["disputed"] == held


def test_what_is_drawn_to_come_afterwards_comes_and_ends(gateway: StripeLike) -> None:
    gateway.control({"dashboard_refund": 1, "inquiry": 1, "afterwards_seconds": 1})
    intent_id = a_charge(gateway)
    for _ in range(6):
        gateway.control({"skip": 1})
        gateway.ledger()
    found = truth(gateway, intent_id)
    assert [each["reference"] for each in found["refunds"].values()] == [None]
    assert {each["status"] for each in found["disputes"].values()} <= {"won", "lost", "warning_closed"}
    assert gateway.ledger()["to_come"] == 0


@pytest.fixture
def endpoint() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


def rings(gateway: StripeLike, endpoint: Sink, **settings: Any) -> None:
    where = {
        "urls": [f"{endpoint.url}/webhooks/stripe"],
        "secrets": SECRETS,
        "retry_seconds": 0.05,
        "late_seconds": 0.2,
    }
    gateway.control({"webhook": where | settings})


def until(gateway: StripeLike, told: str, number: int) -> None:
    """Waits until so many letters were answered like that."""
    patience = time.monotonic() + 10
    while gateway.ledger()["webhooks"].get(told, 0) < number:
        assert time.monotonic() < patience, gateway.ledger()["webhooks"]
        threading.Event().wait(0.02)


def test_an_event_is_sent_signed_by_every_secret_until_it_is_taken(gateway: StripeLike, endpoint: Sink) -> None:
    rings(gateway, endpoint)
    endpoint.status = 503
    a_charge(gateway)
    until(gateway, "event 503", 2)
    assert types(gateway, ("delivery_success", "false")) == ["payment_intent.succeeded"]
    endpoint.status = 202
    until(gateway, "event 202", 1)
    assert types(gateway, ("delivery_success", "false")) == []
    received = endpoint.received[-1]
    signed = [part.partition("=")[::2] for part in received.headers["stripe-signature"].split(",")]
    at = dict(signed)["t"]
    right = [hmac.new(s.encode(), f"{at}.".encode() + received.body, hashlib.sha256).hexdigest() for s in SECRETS]
    assert [value for name, value in signed if name == "v1"] == right
    assert json.loads(received.body)["data"]["object"]["status"] == "succeeded"


def test_webhooks_are_lost_repeated_and_forged_as_they_are_drawn(gateway: StripeLike, endpoint: Sink) -> None:
    rings(gateway, endpoint, leaked=SECRETS[1])
    gateway.control({"webhook_lost": 1})
    a_charge(gateway)
    assert types(gateway, ("delivery_success", "false")) == ["payment_intent.succeeded"]
    gateway.control({"webhook_lost": 0, "webhook_repeated": 1, "webhook_late": 1, "webhook_forged": 1})
    a_charge(gateway, **{"metadata[reference]": "PAY-2"})
    sent = {"event": 1, "repeat": 1, "forged signature": 1, "forged time": 1, "forged content": 4}
    for told, number in sent.items():
        until(gateway, f"{told} 202", number)
    assert gateway.ledger()["on_the_way"] == 0
    lies = [json.loads(each.body) for each in endpoint.received]
    assert len({lie["id"] for lie in lies if lie["id"].startswith("evt_forged")}) == 5
