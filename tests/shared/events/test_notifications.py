"""Telling the Notification Service: what is passed on, what is refused for good, and what is to be sent again."""

import json
from base64 import b64encode
from collections.abc import Callable, Mapping

import pytest

from shared.events.cloud_event import STRUCTURED
from shared.events.notifications import NotificationService
from shared.web.answers import Answer
from tests.fakes.sink import Sink

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
HEADERS = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "PAY-20261124-7QH4V0ZK3MDX9T2C.succeeded",
    "ce-type": "com.ridehailing.payment.succeeded.v1",
    "ce-source": "/payment-service",
    "ce-subject": "payments/351",
    "ce-time": "2026-11-24T12:00:00+00:00",
    "ce-correlationid": "ride-7",
    "ce-traceparent": TRACEPARENT,
}
PAYMENT = b'{"payment_id": 351, "amount": 150.00, "metadata": {"note": "\xc3\xa9"}}'


Notify = Callable[[Mapping[str, str], bytes], Answer]


@pytest.fixture
def notifications(sink: Sink) -> Sink:
    """The Notification Service, under a path of its own."""
    return sink


@pytest.fixture
def notify(sink: Sink) -> Notify:
    return NotificationService(sink.url, 0.5).notify


@pytest.mark.parametrize(
    "kind",
    [
        "payment.succeeded",
        "payment.failed",
        "payment.refunded",
        "refund.failed",
        "refund.reversed",
        "payment.dispute.lost",
    ],
)
def test_an_event_is_passed_on_under_its_id_as_it_came(notifications: Sink, kind: str, notify: Notify) -> None:
    answer = notify(HEADERS | {"ce-type": f"com.ridehailing.{kind}.v1"}, PAYMENT)
    assert (answer.status, answer.body) == (204, "")
    (received,) = notifications.received
    assert received.path == "/events/v1/notifications"
    assert received.headers["idempotency-key"] == HEADERS["ce-id"]
    assert (received.headers["x-correlation-id"], received.headers["traceparent"]) == ("ride-7", TRACEPARENT)
    assert received.json() == {
        "event_id": HEADERS["ce-id"],
        "type": f"com.ridehailing.{kind}.v1",
        "subject": "payments/351",
        "time": HEADERS["ce-time"],
        "correlation_id": "ride-7",
        "data": json.loads(PAYMENT),
    }
    assert b"150.00" in received.body, "an amount went through a binary number"


def test_whoever_caused_it_is_passed_on(notifications: Sink, notify: Notify) -> None:
    assert notify(HEADERS | {"ce-caller": "https://issuer.example%20Zo%C3%AB"}, PAYMENT).status == 204
    assert notifications.received[0].json()["caller"] == "https://issuer.example Zoë"


def test_what_is_written_is_compact_and_a_byte_order_mark_is_not_passed_on(notifications: Sink, notify: Notify) -> None:
    assert notify(HEADERS, b"\xef\xbb\xbf" + PAYMENT).status == 204
    (received,) = notifications.received
    assert received.body.startswith(b'{"event_id":"PAY-20261124-7QH4V0ZK3MDX9T2C.succeeded","type":"com.')
    assert received.body.endswith(b'","correlation_id":"ride-7","data":' + PAYMENT + b"}")


def structured(**more: object) -> bytes:
    attributes = {name.removeprefix("ce-"): value for name, value in HEADERS.items() if name.startswith("ce-")}
    return json.dumps(attributes | more).encode()


@pytest.mark.parametrize("member", ["data", "data_base64"])
def test_a_structured_event_is_passed_on_as_a_binary_one_is(notifications: Sink, member: str, notify: Notify) -> None:
    written = PAYMENT if member == "data" else b'"' + b64encode(PAYMENT) + b'"'
    body = structured()[:-1] + b', "' + member.encode() + b'": ' + written + b"}"
    assert notify(HEADERS, PAYMENT).status == 204
    assert notify({"Content-Type": f"{STRUCTURED}; charset=UTF-8"}, body).status == 204
    as_binary, as_structured = notifications.received
    assert as_structured.body == as_binary.body
    assert b'"amount": 150.00' in as_structured.body
    for name in ("idempotency-key", "x-correlation-id", "traceparent", "content-type"):
        assert as_structured.headers[name] == as_binary.headers[name]


def test_an_id_that_no_header_holds_becomes_a_key_that_one_does(notifications: Sink, notify: Notify) -> None:
    assert notify(HEADERS | {"ce-id": "a%20%22%e2%82%ac%25"}, PAYMENT).status == 204
    assert notify({"content-type": STRUCTURED}, structured(id='a "€%', data={"payment_id": 1})).status == 204
    assert [received.headers["idempotency-key"] for received in notifications.received] == ["a%20%22%E2%82%AC%25"] * 2
    assert [received.json()["event_id"] for received in notifications.received] == ['a "€%'] * 2


BROKEN: dict[str, tuple[dict[str, str | None], bytes]] = {
    "no headers": ({}, PAYMENT),
    "no id": ({"ce-id": None}, PAYMENT),
    "no type": ({"ce-type": None}, PAYMENT),
    "no source": ({"ce-source": None}, PAYMENT),
    "no subject": ({"ce-subject": None}, PAYMENT),
    "a version to come": ({"ce-specversion": "2.0"}, PAYMENT),
    "a type of somebody else's": ({"ce-type": "com.ridehailing.trip.completed.v1"}, PAYMENT),
    "no data": ({}, b""),
    "data that is no JSON": ({}, b"{"),
    "data that is not UTF-8": ({}, '{"payment_id": 351}'.encode("utf-16")),
    "data that is nested without end": ({}, b"[" * 60_000),
    "a list": ({}, b"[351]"),
    "no payment": ({}, b'{"trip_id": 1}'),
    "an event that lacks all": ({"content-type": STRUCTURED}, b'{"specversion": "1.0"}'),
    "a batch": ({"content-type": "application/cloudevents-batch+json"}, b"[]"),
    "a payment in base64 that is none": ({"content-type": STRUCTURED}, structured(data_base64="e30")),
    "a payment written as a text": ({"content-type": STRUCTURED}, structured(data='{"payment_id": 351}')),
    "nothing": ({"content-type": STRUCTURED}, structured(data=None)),
    "an id that is a number": ({"content-type": STRUCTURED}, structured(id=7, data={"payment_id": 351})),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_event_of_ours_is_refused_for_good_in_one_short_line(
    notifications: Sink, case: str, notify: Notify
) -> None:
    changes, body = BROKEN[case]
    headers = {} if case == "no headers" else {k: v for k, v in (HEADERS | changes).items() if v is not None}
    answer = notify(headers, body)
    assert answer.status == 400
    assert 0 < len(answer.body) < 80
    assert "\n" not in answer.body
    assert notifications.received == []


@pytest.mark.parametrize("status", [400, 404, 409, 410, 413, 422, 499])
def test_a_refusal_for_good_is_passed_on_as_one_that_nobody_repeats(
    notifications: Sink, status: int, notify: Notify
) -> None:
    """Knative repeats after 404, 408, 409, 429 and every 5xx, whoever said it."""
    notifications.status = status
    answer = notify(HEADERS, PAYMENT)
    assert (answer.status, answer.headers) == (422, {})
    assert answer.body == f"the Notification Service refused it for good ({status})"


@pytest.mark.parametrize("status", [302, 401, 403, 408, 425, 429, 500, 503])
def test_a_notification_service_that_does_not_take_it_is_told_again_later(
    notifications: Sink, status: int, notify: Notify
) -> None:
    notifications.status = status
    answer = notify(HEADERS, PAYMENT)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.body.count("\n") == 0


@pytest.mark.parametrize("fault", ["down", "mute", "hangs"])
def test_a_notification_service_that_does_not_answer_is_told_again_later(
    notifications: Sink, fault: str, notify: Notify
) -> None:
    {"down": notifications.down, "mute": lambda: setattr(notifications, "mute", True), "hangs": notifications.hold}[
        fault
    ]()
    assert notify(HEADERS, PAYMENT).status == 503


def test_a_repeat_is_passed_on_under_the_same_id(notifications: Sink, notify: Notify) -> None:
    for _ in range(2):
        assert notify(HEADERS, PAYMENT).status == 204
    assert [received.headers["idempotency-key"] for received in notifications.received] == [HEADERS["ce-id"]] * 2
