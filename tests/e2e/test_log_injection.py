"""What is sent to the service, in any field, is never more than a text in a line of its log."""

import json
import uuid
from urllib.parse import quote

import pytest

from tests.e2e.client import new_key, new_trip, raw
from tests.e2e.service import Service, await_that
from tests.support import hostile

# What may stand in a header or a path at all, were it not for what it means: no line ends of HTTP's own.
RAW = (hostile.TEXT.replace("\r", "").replace("\n", "").replace("\x00", "").encode() + b"\xff\xfe\xed\xa0\x80").replace(
    b" ", b""
)
ENCODED = quote(hostile.TEXT).encode() + b"%ff%ed%a0%80"
BODY = json.dumps(
    {"trip_id": 1, "method": hostile.TEXT, "metadata": {hostile.TEXT: hostile.TEXT, "\ud800": "\udc00"}}
).encode()
FIELDS = [
    b"User-Agent",
    b"X-Correlation-ID",
    b"traceparent",
    b"Idempotency-Key",
    b"X-Caller-Address",
    b"X-Forwarded-For",
    b"Authorization",
    b"Content-Type",
    b"Accept",
    b"Host",
]


def request(line: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    length = b"Content-Length: %d" % len(body)
    return b"\r\n".join([line + b" HTTP/1.1", b"Host: here", b"Connection: close", length, *headers, b"", body])


REQUESTS = {
    "an encoded path and query": request(b"GET /payments/" + ENCODED + b"?status=" + ENCODED + b"&" + ENCODED + b"=1"),
    "an encoded path that is nowhere": request(b"GET /" + ENCODED),
    "a raw path": request(b"GET /payments/" + RAW),
    "a raw query": request(b"GET /payments?status=" + RAW),
    "a method": request(b"G" + RAW[:60] + b" /payments"),
    "a body": request(b"POST /payments", b"Content-Type: application/json", b"Idempotency-Key: k-1", body=BODY),
    "an event": request(b"POST /", b"Content-Type: application/json", b"ce-id: " + RAW, b"ce-type: " + RAW, body=BODY),
    **{f"header {name.decode()}": request(b"GET /payments", name + b": " + RAW) for name in FIELDS},
    "a header's name": request(b"GET /payments", RAW + b": x"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_no_field_of_a_request_is_more_than_a_text_in_one_line(service: Service, name: str) -> None:
    ports = {function: service.port_of(function) for function in ("create_payment", "get_payment", "notify", "health")}
    for port in [service.port, *ports.values()]:
        raw(port, REQUESTS[name])
        marker = f"after-{uuid.uuid4()}"
        raw(port, request(b"GET /payments/0", b"X-Correlation-ID: " + marker.encode()))
        await_that(lambda marker=marker: any(marker in text for text in service.logs().values()), "the next is logged")
    for text in service.logs().values():
        hostile.read_lines(text)


def test_what_is_stored_and_sent_on_is_logged_as_text_too(service: Service) -> None:
    metadata = {"reason": hostile.TEXT.replace("\x00", "")[:400], "simulate": "timeout", hostile.MARKUP: hostile.BIDI}
    body = json.dumps({"trip_id": new_trip(), "method": "CARD", "amount": 1, "metadata": metadata}).encode()
    marker = f"after-{uuid.uuid4()}"
    headers = [b"Content-Type: application/json", b"Idempotency-Key: " + new_key().encode()]
    assert b"202" in raw(
        service.port, request(b"POST /payments", *headers, b"X-Correlation-ID: " + marker.encode(), body=body)
    )
    await_that(lambda: marker in service.logs()["sweep"] or marker in service.logs()["notify"], "it was carried on")
    for text in service.logs().values():
        hostile.read_lines(text)
