"""Events: in the outbox with what they report, and as the sink sees them."""

import json
import time
from datetime import datetime

import pytest
from cloudevents.http import from_http

from shared.events import expiry
from shared.events.cloud_event import read_event
from shared.events.failed import is_for_good
from shared.gateways.protocol import Declined
from shared.platform.settings import Settings
from shared.reading.totals import read_totals
from tests.fakes.sink import Received, Sink
from tests.sql.rows import an_event
from tests.support.cluster import Place
from tests.support.gateway import Lost
from tests.support.outbox import delivered
from tests.support.till import Till, a_caller, shown


def check_envelope(received: Received, type_: str, subject: str) -> None:
    headers = received.headers
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == f"com.ridehailing.{type_}.v1"
    assert (headers["ce-source"], headers["ce-subject"]) == ("/payment-service", subject)
    assert headers["content-type"] == "application/json"
    assert datetime.fromisoformat(headers["ce-time"]).tzinfo is not None
    assert headers["ce-correlationid"] == headers["x-correlation-id"]
    assert headers["ce-traceparent"] == headers["traceparent"]
    event = from_http(headers, received.body)  # another's reading of the specification
    assert (event["id"], event["type"]) == (headers["ce-id"], headers["ce-type"])


def test_an_event_says_what_happened_in_binary_mode(events: Till, place: Place, sink: Sink) -> None:
    answer = events.pay(amount="100.00")
    payment = shown(answer)
    subject = f"payments/{payment['payment_id']}"
    [received] = sink.wait_for(1)
    check_envelope(received, "payment.succeeded", subject)
    assert received.path == "/events"
    assert received.body.decode() == answer.body
    refund = shown(events.refund(payment["payment_id"], "40.00"))
    received = sink.wait_for(2)[1]
    check_envelope(received, "payment.refunded", subject)
    said = received.json()
    assert (said["payment_id"], said["refunded_amount"], said["status"]) == (payment["payment_id"], 40, "SUCCESS")
    assert said["refund"]["refund_id"] == refund["refund_id"]
    events.gateway.next(Declined("no"), Declined("no"))
    events.refund(payment["payment_id"])
    check_envelope(sink.wait_for(3)[2], "refund.failed", subject)
    failed = shown(events.pay())["payment"]
    received = sink.wait_for(4)[3]
    check_envelope(received, "payment.failed", f"payments/{failed['payment_id']}")
    assert received.json()["failure_code"] == "no"
    assert len(set(sink.event_ids())) == 4
    delivered(place)


def test_an_event_is_written_with_what_it_reports_even_without_a_sink(till: Till, place: Place) -> None:
    for method in ("CARD", "CASH"):
        till.pay(method=method)
    rows = place.sql.run("SELECT o.xmin::text = p.xmin::text AS together, delivered_at FROM outbox o JOIN payments p"
                         " ON o.subject = 'payments/' || p.payment_id")  # fmt: skip
    assert rows == [{"together": True, "delivered_at": None}] * 2
    assert till.sweep()["delivered"] == 0


def test_an_events_data_is_what_a_client_sees_of_the_payment(till: Till, place: Place) -> None:
    payment = shown(till.pay(metadata={"note": "ü ☃"}))
    data = place.sql.value("SELECT data FROM outbox")
    said = data if isinstance(data, dict) else json.loads(data)
    assert said["metadata"] == {"note": "ü ☃"}
    assert said["reference"] == payment["reference"]


TRIPS, DESK = a_caller("system:serviceaccount:rides:trip-service"), a_caller("Zoë")


def test_an_event_says_whose_request_it_comes_of(events: Till, sink: Sink) -> None:
    """Whoever charges and whoever gives back may be two. What is not visible ASCII is percent-encoded."""
    payment_id = shown(events.pay(caller=TRIPS))["payment_id"]
    sink.wait_for(1)
    events.refund(payment_id, "10.00", caller=DESK)
    sink.wait_for(2)
    events.pay(method="CASH", caller=DESK)
    callers = [received.headers["ce-caller"] for received in sink.wait_for(3)]
    assert callers == [
        "https://issuer.example%20system:serviceaccount:rides:trip-service",
        *["https://issuer.example%20Zo%C3%AB"] * 2,
    ]
    assert read_event(sink.received[1].headers, sink.received[1].body).caller == DESK.name


def test_so_does_one_that_a_sweep_sends_of_what_a_sweep_settled(till: Till, place: Place, sink: Sink) -> None:
    till.change(k_sink="")
    till.gateway.next(Lost())
    assert till.pay(caller=DESK).status == 202
    place.sql.run("UPDATE idempotency_keys SET ask_after = now()")
    assert till.sweep()["settled"] == 1
    till.change(k_sink=sink.url, event_sweep_age=0.001)
    assert till.sweep()["delivered"] == 1
    assert sink.received[0].headers["ce-caller"] == "https://issuer.example%20Zo%C3%AB"


def test_an_event_of_an_open_service_has_no_caller(events: Till, sink: Sink) -> None:
    events.pay()
    assert "ce-caller" not in sink.wait_for(1)[0].headers


def test_overrides_are_extensions_of_every_event(events: Till, sink: Sink) -> None:
    """What is not visible ASCII is percent-encoded (CloudEvents HTTP protocol binding 1.0.2, 3.1.3.2)."""
    overrides = {"tenant": "north", "zone": "a b", "city": "Zürich ☃", "share": '5%"'}
    events.change(k_sink=sink.url, k_ce_overrides=overrides)
    events.pay(method="CASH")
    [received] = sink.wait_for(1)
    assert (received.headers["ce-tenant"], received.headers["ce-zone"]) == ("north", "a%20b")
    assert (received.headers["ce-city"], received.headers["ce-share"]) == ("Z%C3%BCrich%20%E2%98%83", "5%25%22")
    assert received.headers["ce-source"] == "/payment-service"


@pytest.mark.parametrize("path", ["/payments/default", "/events/", "/events?broker=a%20b&x=1", "/a//b/?x=/"])
def test_the_sinks_address_is_used_as_it_is_given(events: Till, sink: Sink, path: str) -> None:
    events.change(k_sink=Settings.read({"K_SINK": f"http://127.0.0.1:{sink.port}{path}"}).k_sink)
    events.pay(method="CASH")
    assert sink.wait_for(1)[0].path == path


@pytest.mark.parametrize(
    ("status", "for_good"),
    [(status, True) for status in (400, 404, 409, 410, 422, 499)]
    + [(status, False) for status in (302, 401, 403, 408, 425, 429, 500, 503, 600)],
)
def test_a_refusal_for_good_is_4xx_but_what_came_too_slowly_too_early_too_often_or_from_a_stranger(
    status: int, for_good: bool
) -> None:
    assert is_for_good(status) is for_good


def delete_events(till: Till) -> int:
    return expiry.delete_events(till.database, till.settings, time.monotonic() + 20).count


@pytest.mark.parametrize(("k_sink", "left"), [("http://sink.test", ["old undelivered"]), ("", [])])
def test_events_are_deleted_when_their_time_is_over_but_a_sink_gets_them_first(
    till: Till, place: Place, k_sink: str, left: list[str]
) -> None:
    till.change(event_retention=100.0, k_sink=k_sink)
    for name, age in (("old", 101), ("young", 99)):
        past = place.sql.value("SELECT now() - make_interval(secs => %s)", (age,))
        an_event(place.sql, name, created_at="2020-01-01", delivered_at=past)
        an_event(place.sql, f"{name} undelivered", created_at=past)
    assert delete_events(till) == 2 - len(left)
    rows = place.sql.run("SELECT event_id FROM outbox ORDER BY 1")
    assert [row["event_id"] for row in rows] == [*left, "young", "young undelivered"]


def test_the_metrics_say_what_was_not_delivered(till: Till, place: Place) -> None:

    an_event(place.sql, "a", created_at=place.sql.value("SELECT now() - interval '90 s'"))
    an_event(place.sql, "b")
    an_event(place.sql, "c", delivered_at="now")
    totals = read_totals(till.database, till.settings.currency)
    assert totals.undelivered_count == 2
    assert totals.undelivered_oldest == pytest.approx(90, abs=5)
