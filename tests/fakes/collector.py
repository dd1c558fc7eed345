"""A collector of OpenTelemetry's, of the tests' own: takes spans by OTLP over HTTP, and fails on demand."""

import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Sent

from tests.fakes.server import CuttableServer


class Seen:
    """One span, with ids in hexadecimal as a traceparent has them."""

    def __init__(self, sent: Sent, service: str) -> None:
        self.name, self.service = sent.name, service
        self.kind = Sent.SpanKind.Name(sent.kind).removeprefix("SPAN_KIND_").lower()
        self.trace_id, self.span_id, self.parent_id = (
            each.hex() for each in (sent.trace_id, sent.span_id, sent.parent_span_id)
        )
        self.links = [link.trace_id.hex() for link in sent.links]
        self.failed = sent.status.code == sent.status.STATUS_CODE_ERROR
        self.attributes: dict[str, Any] = {
            each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value") for each in sent.attributes
        }

    @property
    def traceparent(self) -> str:
        """As what is called within the span should have it."""
        return f"00-{self.trace_id}-{self.span_id}-01"


class Collector:
    """The server, in threads, ready when the constructor returns; a context manager that ends it.

    `status` and `answer` are what it answers, `cut_off` whether somebody did not hear it out. `hang()` makes it answer nobody
    until it ends.
    """

    def __init__(self) -> None:
        self.status, self.answer = 200, b""
        self.cut_off = threading.Event()
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.asked = threading.Event()
        self._spans: list[Seen] = []
        self._answers = threading.Event()
        self._answers.set()
        self._changed = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.collector = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_all()

    def hang(self) -> None:
        self._answers.clear()

    @property
    def spans(self) -> list[Seen]:
        with self._changed:
            return list(self._spans)

    def of_trace(self, trace_id: str, *names: str, seconds: float = 10.0) -> dict[str, Seen]:
        """The spans of a trace by their names, once those that are named are there; AssertionError where they do not come."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                found = {span.name: span for span in self._spans if span.trace_id == trace_id}
                if found.keys() >= set(names):
                    return found
                left = deadline - time.monotonic()
                assert left > 0, f"{sorted(found)} came within {seconds} s, not all of {names}"
                self._changed.wait(left)

    def take(self, handler: "_Handler") -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.asked.set()
        self._answers.wait(30)
        with self._changed:
            self.bodies.append(body)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            if self.status == 200:
                self._spans += _spans_in(body)
            self._changed.notify_all()
        handler.send_response(self.status)
        handler.send_header("Content-Length", str(len(self.answer)))
        handler.end_headers()
        try:
            handler.wfile.write(self.answer)
        except ConnectionError:
            self.cut_off.set()


def _spans_in(body: bytes) -> list[Seen]:
    found = []
    for said in ExportTraceServiceRequest.FromString(body).resource_spans:
        names = {each.key: each.value.string_value for each in said.resource.attributes}
        found += [Seen(span, names["service.name"]) for scope in said.scope_spans for span in scope.spans]
    return found


class _Server(CuttableServer):
    collector: Collector


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: _Server

    def do_POST(self) -> None:
        self.server.collector.take(self)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
