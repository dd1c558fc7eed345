"""Traces of real functions: what a collector of OpenTelemetry's is told of a charge, and what a payment owes to it: nothing."""

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from tests.e2e.service import await_that
from tests.fakes.collector import Collector
from tests.fakes.sink import Sink
from tests.fakes.trips import Says, TripServer
from tests.support.cluster import Cluster, Place
from tests.support.functions import AsInTheImage
from tests.support.settings import ENVIRONMENT

REMOTE = "00f067aa0ba902b7"
SECRETS = ("a-secret-key", "a-secret-note", "tok_secret", "cus_secret", "137.51", "a-secret-header")
BODY = {
    "trip_id": 101,
    "method": "CARD",
    "amount": 137.51,
    "payment_token": "tok_secret",
    "payment_customer": "cus_secret",
    "metadata": {"note": "a-secret-note"},
}


class Traced:
    """create_payment and sweep as in the image, with a collector, a sink, and a database of their own."""

    def __init__(self, functions: AsInTheImage, place: Place, collector: Collector, sink: Sink) -> None:
        self.functions, self.place, self.collector, self.sink = functions, place, collector, sink

    def pay(self, trace_id: str, **changes: Any) -> urllib3.BaseHTTPResponse:
        headers = {
            "Idempotency-Key": f"a-secret-key-{trace_id}",
            "X-Correlation-ID": f"ride-{trace_id[:4]}",
            "traceparent": f"00-{trace_id}-{REMOTE}-01",
            "tracestate": "vendor=opaque",
        }
        address = self.functions.url("create_payment") + "/payments"
        return urllib3.request("POST", address, json=BODY | changes, headers=headers, retries=False, timeout=20)

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.functions.log(name).splitlines()]


@pytest.fixture(scope="module")
def traced(cluster: Cluster, one_trip_server: TripServer) -> Iterator[Traced]:
    with cluster.database() as place, Collector() as collector, Sink() as sink:
        told = {
            "K_SINK": sink.url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a-secret-header",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with AsInTheImage(["create_payment", "sweep"], ENVIRONMENT | place.environment | told) as functions:
            yield Traced(functions, place, collector, sink)


def test_a_charge_is_one_trace_that_goes_on_from_its_client_to_the_sink(traced: Traced, trips: TripServer) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    paid = traced.pay(trace_id)
    assert paid.status == 201
    found = traced.collector.of_trace(trace_id, "POST /payments", "deliver event", "POST")
    request, trip, delivery, call = (
        found[name] for name in ("POST /payments", "GET /trips/{trip_id}", "deliver event", "POST")
    )
    assert (request.kind, request.parent_id, request.service) == ("server", REMOTE, "payment-service/create_payment")
    within = {"look", "claim_payment", "GET /trips/{trip_id}", "gateway charge", "settle_payment", "deliver event"}
    assert {span.name for span in found.values() if span.parent_id == request.span_id} == within
    assert call.parent_id == delivery.span_id
    assert {span.kind for span in found.values()} == {"server", "client", "internal", "producer"}
    assert not any(span.failed for span in found.values())

    asked = trips.asked[-1].headers
    assert (asked["traceparent"], asked["tracestate"]) == (trip.traceparent, "vendor=opaque")
    sent = traced.sink.wait_for(1)[0].headers
    assert (sent["traceparent"], sent["ce-traceparent"]) == (call.traceparent, delivery.traceparent)

    payment = paid.json()["payment_id"]
    about = {"http.route": "/payments", "http.response.status_code": 201, "payment_id": payment}
    assert request.attributes.items() >= (about | {"correlation_id": "ride-4bf9"}).items()
    said = {"gateway": "simulated", "payment_id": payment, "outcome": "succeeded"}
    assert found["gateway charge"].attributes == said
    assert found["claim_payment"].attributes == {
        "db.system.name": "postgresql",
        "db.query.summary": "claim_payment",
    }
    [line] = [line for line in traced.lines("create_payment") if line.get("payment_id") == payment]
    assert line["trace_id"] == trace_id


def test_an_event_that_a_sweep_delivers_goes_on_with_the_trace_of_its_payment(traced: Traced) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    traced.sink.status = 503
    assert traced.pay(trace_id).status == 201
    request = traced.collector.of_trace(trace_id, "POST /payments", "deliver event")["POST /payments"]
    waits = "SELECT count(*) FROM outbox WHERE attempts > 0 AND delivered_at IS NULL"
    await_that(lambda: traced.place.sql.value(waits) == 1, "the failed delivery is noted")
    traced.place.sql.run("UPDATE outbox SET next_attempt_at = now() WHERE delivered_at IS NULL")
    traced.sink.status = 202
    swept = "5bf92f3577b34da6a3ce929d0e0e4736"
    clock = {"traceparent": f"00-{swept}-{REMOTE}-01"}
    asked = urllib3.request("POST", traced.functions.url("sweep") + "/", headers=clock, retries=False, timeout=55)
    assert asked.status == 204
    traced.collector.of_trace(swept, "POST /", "lease_events")

    def deliveries() -> list[tuple[str, bool]]:
        return [
            (span.service, span.failed)
            for span in traced.collector.spans
            if (span.trace_id, span.parent_id, span.name) == (trace_id, request.span_id, "deliver event")
        ]

    await_that(lambda: len(deliveries()) == 2, "both deliveries are in the trace")
    assert deliveries() == [("payment-service/create_payment", True), ("payment-service/sweep", False)]
    [delivered] = [span for span in traced.collector.spans if span.service.endswith("sweep") and span.links]
    assert delivered.links == [swept]


def test_what_goes_wrong_is_marked_and_nothing_that_is_secret_is_told(traced: Traced, trips: TripServer) -> None:
    trace_id = "6bf92f3577b34da6a3ce929d0e0e4736"
    trips.says(101, Says(500))
    assert traced.pay(trace_id).status == 503
    found = traced.collector.of_trace(trace_id, "POST /payments", "GET /trips/{trip_id}")
    assert {span.name for span in found.values() if span.failed} == {"POST /payments", "GET /trips/{trip_id}"}
    trips.reset()
    unknown = "7bf92f3577b34da6a3ce929d0e0e4736"
    assert traced.pay(unknown, metadata={"simulate": "timeout", "note": "a-secret-note"}).status == 202
    asked = traced.collector.of_trace(unknown, "POST /payments", "keep_askings; release_key")["gateway charge"]
    assert (asked.failed, asked.attributes["outcome"]) == (True, "unknown")
    assert "x-key" in traced.collector.headers[0]
    told = b"".join(traced.collector.bodies)
    assert not [secret for secret in SECRETS if secret.encode() in told]
    assert "a-secret-header" not in traced.functions.log("create_payment")


@pytest.mark.parametrize("collector_does", ["take", "refuse", "hang"])
def test_no_payment_and_no_end_of_a_process_waits_for_a_collector(
    collector_does: str, place: Place, trips: TripServer
) -> None:
    with Collector() as collector:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "RATE_LIMIT": ""}
        if collector_does == "take":
            told["OTEL_BSP_SCHEDULE_DELAY"] = "60000"  # what is told is told at the end
        else:
            told["OTEL_BSP_SCHEDULE_DELAY"] = "20"
            told["OTEL_BSP_MAX_QUEUE_SIZE"] = told["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"] = "8"
            collector.status = 400
        if collector_does == "hang":
            collector.hang()
        with AsInTheImage(["create_payment"], ENVIRONMENT | place.environment | told) as functions, Sink() as sink:
            traced = Traced(functions, place, collector, sink)
            took = []
            for number in range(30):
                began = time.monotonic()
                assert traced.pay(f"{number + 1:032x}").status == 201
                took.append(time.monotonic() - began)
            assert sorted(took)[-3] < 1.0  # a collector that hangs is waited for for ten
            assert collector.asked.is_set() == (collector_does != "take")
            if collector_does == "refuse":
                await_that(lambda: bool(_told_of_spans(traced)), "the log says that spans are not taken")
            began = time.monotonic()
            functions.kill("create_payment", signal.SIGTERM)
            functions.process("create_payment").wait(20)
            assert time.monotonic() - began < 5
            assert len(_told_of_spans(traced)) <= 1
            if collector_does == "take":
                assert len([span for span in collector.spans if span.name == "POST /payments"]) == 30


def _told_of_spans(traced: Traced) -> list[dict[str, Any]]:
    return [line for line in traced.lines("create_payment") if line["message"] == "spans not sent"]
