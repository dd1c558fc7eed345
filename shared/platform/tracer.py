"""OpenTelemetry, as spans are made and sent with it: imported only where OTEL_EXPORTER_OTLP_ENDPOINT is set. Its other
variables (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS, OTEL_BSP_*, ...) are read by the SDK itself."""

import atexit
import io
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Self

import requests
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from requests.adapters import HTTPAdapter

from shared import VERSION
from shared.platform import spans
from shared.platform.log import correlation_id, log

# Seconds for which the end of a process waits for its last spans to be taken.
GRACE = 1.5
# Bytes of an answer: all that a collector has to say is its status.
LONGEST_ANSWER = 64 * 1024
# Seconds between two lines about spans that could not be sent.
SAID_EVERY = 60.0

_KINDS = {kind.name.lower(): kind for kind in SpanKind}
_propagator = TraceContextTextMapPropagator()


class Tracer:
    """Makes spans, and sends them in batches from a thread of its own. Its queue is bounded (OTEL_BSP_MAX_QUEUE_SIZE): where
    spans are not taken, they are dropped, and nothing waits for them. Forked, a process sends its own.

    Raises ValueError or OSError where a variable of OpenTelemetry's is wrong."""

    def __init__(self, function: str) -> None:
        _say_seldom()
        self._provider = TracerProvider(resource=_resource(function), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(session=_session())))
        self._tracer = self._provider.get_tracer("payment-service", VERSION)
        atexit.register(self.end)

    def span(self, name: str, kind: spans.Kind, about: spans.About, parent: spans.Context | None) -> spans.Span:
        """See `spans.span`."""
        current = trace.get_current_span().get_span_context()
        if parent is None:
            if not current.is_valid:
                return spans.NOTHING
            return _Span(self._tracer.start_span(name, kind=_KINDS[kind], attributes=dict(about)))
        within = _context_of(parent)
        came = trace.get_current_span(within).get_span_context()
        begun = self._tracer.start_span(
            name,
            within,
            _KINDS[kind],
            {"correlation_id": correlation_id.get() or "", **about},
            [trace.Link(current)] if current.is_valid and current.trace_id != came.trace_id else [],
        )
        return _Span(begun)

    def carried(self) -> Mapping[str, str]:
        """See `spans.carried`."""
        headers: dict[str, str] = {}
        _propagator.inject(headers)
        return headers

    def end(self) -> None:
        """Sends what there is, for at most 1.5 seconds. A thread that is still sending then ends with the process."""
        ending = threading.Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        ending.start()
        ending.join(GRACE)


class _Span(spans.Span):
    def __init__(self, begun: trace.Span) -> None:
        self._span = begun

    def __enter__(self) -> Self:
        self._token = contexts.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: object = None, *_: object) -> None:
        contexts.detach(self._token)
        if isinstance(kind, type):
            self.fail(kind.__name__)  # not its text, which may hold a row, or a header
        self._span.end()

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, about: spans.About) -> None:
        self._span.set_attributes(dict(about))

    def fail(self, why: str) -> None:
        self._span.set_attribute("error.type", why)
        self._span.set_status(Status(StatusCode.ERROR))


def _session() -> requests.Session:
    """As the rest of the service: no proxy or password is read from the environment."""
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Brief())
    return session


class _Brief(HTTPAdapter):
    """Reads no more of an answer than this: whatever answers in place of a collector could fill the memory."""

    def send(self, *given: Any, **options: Any) -> requests.Response:
        response = super().send(*given, **options)
        body = response.raw.read(LONGEST_ANSWER, decode_content=True)
        response.raw.close()
        response.raw = io.BytesIO(body)
        return response


def _context_of(came: spans.Context) -> contexts.Context:
    headers = {"traceparent": came.traceparent, "tracestate": came.tracestate}
    return _propagator.extract({name: value for name, value in headers.items() if value}, contexts.Context())


def _resource(function: str) -> Resource:
    """Who says it, where OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES do not."""
    ours = {"service.name": f"payment-service/{function}", "service.version": VERSION}
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


class _Seldom(logging.Handler):
    """What OpenTelemetry has to say, as a line of ours, once a minute at most: a collector that is down is not to fill the
    log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._not_before = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if time.monotonic() >= self._not_before:
            self._not_before = time.monotonic() + SAID_EVERY
            log.warning("spans not sent", extra={"why": _told(record)})


def _told(record: logging.LogRecord) -> str:
    """What a record says, without the values of variables (a header is a secret) and the text of exceptions: numbers, the names
    of exceptions, and the statuses that a collector answers with."""
    told = str(record.msg)
    if not record.name.startswith("opentelemetry.exporter") or not isinstance(record.args, tuple):
        return told
    shown = (type(each).__name__ if isinstance(each, Exception) else each for each in record.args)
    return told % tuple(shown)


def _say_seldom() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.handlers = [_Seldom()]
    logger.propagate = False
