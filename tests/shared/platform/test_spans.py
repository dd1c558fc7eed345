"""Spans, as OpenTelemetry makes them where somebody is to be told; and none where nobody is."""

import atexit
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from shared.events.notifications import NotificationService
from shared.platform import http_client, spans
from shared.platform.database import Conflict
from shared.platform.spans import span
from shared.platform.tracer import Tracer
from shared.web.tracing import Trace
from tests.fakes.collector import Collector, Seen
from tests.fakes.sink import Sink
from tests.fakes.trips import TripServer
from tests.sql.rows import CLAIM
from tests.support.till import Till

EVENT = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "PAY-1.succeeded",
    "ce-type": "com.ridehailing.payment.succeeded.v1",
    "ce-source": "/payment-service",
    "ce-subject": "payments/1",
    "ce-traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
CAME = Trace("ride-7", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=opaque")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], dict[str, Seen]]]:
    """This process has spans, and this ends them: what the collector was told, by names."""
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        logger = logging.getLogger("opentelemetry")
        before = logger.handlers, logger.propagate
        tracer = Tracer("tests")
        monkeypatch.setattr(spans, "_tracer", tracer)

        def end() -> dict[str, Seen]:
            tracer.end()
            return {span.name: span for span in collector.spans}

        yield end
        atexit.unregister(tracer.end)
        logger.handlers, logger.propagate = before


def test_without_an_endpoint_there_is_one_span_that_does_nothing() -> None:
    spans.begin("", "create_payment")
    assert span("POST /payments", "server", parent=CAME) is spans.NOTHING
    assert spans.carried() == {}


def test_what_is_called_within_a_span_is_told_of_it_and_nothing_is_told_outside_of_one(
    told: Callable[[], dict[str, Seen]], trips: TripServer
) -> None:
    assert span("look", "client") is spans.NOTHING
    url = f"{trips.url}/trips/101"
    http_client.request("GET", url, timeout=5, headers=CAME.headers())
    assert trips.asked[-1].headers["traceparent"] == CAME.traceparent
    with span("outer", "server", parent=CAME):
        http_client.request("GET", url, timeout=5, headers={"traceparent": "another"}, template="/trips/{trip_id}")
    found = told()
    assert found.keys() == {"outer", "GET /trips/{trip_id}"}
    called = found["GET /trips/{trip_id}"]
    assert (called.trace_id, called.parent_id) == (found["outer"].trace_id, found["outer"].span_id)
    assert trips.asked[-1].headers["traceparent"] == called.traceparent
    assert called.attributes == {
        "http.request.method": "GET",
        "server.address": "127.0.0.1",
        "http.response.status_code": 200,
    }


def test_a_client_that_samples_nothing_is_followed(told: Callable[[], dict[str, Seen]], trips: TripServer) -> None:
    unsampled = CAME._replace(traceparent=f"{str(CAME.traceparent)[:-2]}00")
    with span("outer", "server", parent=unsampled):
        http_client.request("GET", f"{trips.url}/trips/101", timeout=5, headers={})
    carried = trips.asked[-1].headers["traceparent"].split("-")
    assert (carried[1], carried[3]) == (CAME.trace_id, "00")
    assert told() == {}


def test_a_failure_has_its_name_and_none_of_its_text(told: Callable[[], dict[str, Seen]], till: Till) -> None:
    till.database.run("claim_payment", **CLAIM)
    with span("outer", "server", parent=Trace("ride-8")), pytest.raises(Conflict):
        till.database.run("claim_payment", **CLAIM)
    found = told()
    assert found["claim_payment"].failed
    assert found["claim_payment"].attributes["error.type"] == "Conflict"
    assert not found["outer"].failed
    assert found["outer"].parent_id == ""


def test_a_variable_that_is_wrong_is_said_without_what_it_holds(
    told: Callable[[], dict[str, Seen]], logged: list[logging.LogRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "a-secret;that is no pair")
    atexit.unregister(Tracer("tests").end)
    assert ["Header format invalid" in str(vars(each)["why"]) for each in logged] == [True]
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    monkeypatch.setattr(spans, "_tracer", None)
    with pytest.raises(SystemExit, match="OTEL_") as stopped:
        spans.begin("http://127.0.0.1:9", "tests")
    assert "a-secret" not in f"{[vars(each) for each in logged]} {stopped.value}"


def test_so_is_one_that_is_read_before_there_is_a_tracer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "many")
    begins = "from shared.platform import spans; spans.begin('http://127.0.0.1:9', 'tests')"
    started = subprocess.run([sys.executable, "-c", begins], capture_output=True, text=True, timeout=60)
    assert started.stderr == "payment-service cannot start: a variable OTEL_* is wrong (ValueError)\n"


def test_of_an_answer_that_is_none_of_a_collector_little_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        collector.answer = bytes(32 << 20)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        tracer = Tracer("tests")
        monkeypatch.setattr(spans, "_tracer", tracer)
        with span("outer", "server", parent=CAME):
            pass
        tracer.end()
        atexit.unregister(tracer.end)
        assert collector.cut_off.wait(5)
        assert [each.name for each in collector.spans] == ["outer"]


def test_the_notification_service_is_told_in_the_event_s_own_trace(
    told: Callable[[], dict[str, Seen]], sink: Sink
) -> None:
    with span("POST /", "server", parent=CAME):  # as a Broker may send it, with a trace of its own
        NotificationService(sink.url, 2).notify(EVENT, b'{"payment_id": 1}')
    found = told()
    notify, call = found["notify"], found["POST /v1/notifications"]
    _, trace_id, parent_id, _ = EVENT["ce-traceparent"].split("-")
    assert (notify.trace_id, notify.parent_id, notify.links) == (trace_id, parent_id, [CAME.trace_id])
    assert call.parent_id == notify.span_id
    assert sink.received[0].headers["traceparent"] == call.traceparent
