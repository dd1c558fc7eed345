"""Whatever is sent to notify: it is passed on, refused for good, or to be sent again; never a failure of notify's own."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.events.cloud_event import STRUCTURED
from shared.events.event import EVENT_TYPES
from shared.events.notifications import NotificationService
from tests.fakes.sink import Sink
from tests.functions.conftest import Served

ATTRIBUTES = {
    "specversion": "1.0",
    "id": "PAY-1.succeeded",
    "type": EVENT_TYPES[0],
    "source": "/payment-service",
    "subject": "payments/351",
    "time": "2026-11-24T12:00:00Z",
    "correlationid": "ride-7",
}
PAYMENT = '{"payment_id":351,"amount":150.00}'

LATIN = st.text(st.characters(max_codepoint=255))
NAMES = st.sampled_from([*ATTRIBUTES, "traceparent", "datacontenttype", "data", "data_base64", "tenant", "ID", ""])
KINDS = st.sampled_from(
    [
        STRUCTURED,
        "application/json",
        "application/cloudevents-batch+json",
        "application/cloudevents+xml",
        "text/plain",
        "",
    ]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ODD_PIECES = st.sampled_from(
    [b"", b"\xff", b"\0", b'"', b"{", b"}", b"[" * 30_000, b"1e999999999", b"9" * 5000, b"NaN", b"\\ud800", b",", b":"]
)


@st.composite
def structured_events(draw: st.DrawFn) -> bytes:
    """A good event, but for a few members that are another thing, and a piece in the middle of it."""
    event = ATTRIBUTES | {"data": "@"} | draw(st.dictionaries(NAMES, ANYTHING, max_size=3))
    body = json.dumps(event).replace('"@"', PAYMENT).encode()
    begin = draw(st.integers(0, len(body)))
    return body[:begin] + draw(ODD_PIECES) + body[begin + draw(st.integers(0, 5)) :]


@st.composite
def binary_headers(draw: st.DrawFn) -> dict[str, str]:
    headers = {f"ce-{name}": value for name, value in ATTRIBUTES.items()} | {"content-type": draw(KINDS | LATIN)}
    return headers | {f"Ce-{name}": value for name, value in draw(st.dictionaries(NAMES, LATIN, max_size=3)).items()}


@pytest.fixture(scope="module")
def picky() -> Iterator[Sink]:
    """A Notification Service."""
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def tell(picky: Sink) -> Callable[[dict[str, str], bytes, int], int]:
    """What notify answers to a request when the Notification Service answers with this status."""
    service = NotificationService(f"http://127.0.0.1:{picky.port}", 5.0)

    def ask(headers: dict[str, str], body: bytes, status: int) -> int:
        picky.status = status
        answer = service.notify(headers, body)
        assert "\n" not in answer.body
        assert len(answer.body) < 100
        return answer.status

    return ask


Tell = Callable[[dict[str, str], bytes, int], int]
STATUSES = {202: {204, 400}, 400: {422, 400}, 409: {422, 400}, 429: {503, 400}, 500: {503, 400}}
every_status = st.sampled_from(sorted(STATUSES))


@settings(deadline=None)
@given(KINDS | LATIN, structured_events() | st.binary(), every_status)
def test_any_structured_event_is_passed_on_or_refused(tell: Tell, kind: str, body: bytes, status: int) -> None:
    assert tell({"Content-Type": kind}, body, status) in STATUSES[status]


@settings(deadline=None)
@given(structured_events(), every_status)
def test_an_event_that_is_nearly_good_is_passed_on_or_refused(tell: Tell, body: bytes, status: int) -> None:
    assert tell({"Content-Type": STRUCTURED}, body, status) in STATUSES[status]


@settings(deadline=None)
@given(binary_headers(), st.just(PAYMENT.encode()) | st.binary() | ODD_PIECES, every_status)
def test_any_binary_event_is_passed_on_or_refused(
    tell: Tell, headers: dict[str, str], body: bytes, status: int
) -> None:
    assert tell(headers, body, status) in STATUSES[status]


def test_whatever_is_passed_on_is_json_with_the_amount_as_it_was_written(tell: Tell, picky: Sink) -> None:
    assert tell(
        {"Content-Type": STRUCTURED}, json.dumps(ATTRIBUTES | {"data": "@"}).replace('"@"', PAYMENT).encode(), 202
    )
    for received in picky.received:
        json.loads(received.body, parse_int=str)
        received.headers["idempotency-key"].encode("ascii")
    assert picky.received[-1].body.endswith(f'"data":{PAYMENT}}}'.encode())


ODD: list[dict[str, Any]] = [
    {"headers": [("Content-Type", STRUCTURED), ("Content-Type", "text/plain")], "data": b"{}"},
    {"headers": [("Ce-Id", "a"), ("Ce-Id", "b"), ("Ce-Specversion", "1.0")], "data": b"{}"},
    {"headers": [("Ce-Id", "\xff\xfe"), ("Ce-", "x"), ("Ce-Specversion", "1.0")], "data": b"\xff"},
    {"headers": [("Content-Type", "application/cloudevents-batch+json")], "data": b"[" * 60_000},
    {"headers": [("Content-Type", "; ; ,")], "data": b""},
    {"headers": [("Content-Type", STRUCTURED)], "data": b'{"specversion": {"a": []}, "id": [1]}'},
    {"headers": [("Content-Type", STRUCTURED)], "data": b'{"specversion": "1.0", "data_base64": "!!!"}'},
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_what_is_odd_is_answered_400_through_the_door(serve: Callable[[str], Served], odd: dict[str, Any]) -> None:
    answer = serve("notify").ask("POST", "/", **odd)
    assert answer.status_code == 400
    assert answer.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("odd", "status"),
    [({"data": b"{" * 70_000}, 413), ({"data": b"{}", "headers": {"Content-Encoding": "gzip"}}, 415)],
)
def test_what_is_too_long_or_compressed_is_refused_for_good(
    serve: Callable[[str], Served], odd: dict[str, Any], status: int
) -> None:
    assert serve("notify").ask("POST", "/", **odd).status_code == status
