"""Hostile bodies and headers: every answer is a problem document that names what is wrong, and never a 500."""

import gzip
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.client import Client, new_key, new_trip, parse, raw
from tests.e2e.service import Service

LARGEST = 65536
GOOD = '{"trip_id": 1, "method": "CARD", "amount": 1}'
# Wrong in one way, and what is wrong with it by name.
BODIES = {
    "nothing": (b"", "body"),
    "spaces": (b" " * 1000, "body"),
    "a form": (b"trip_id=1&method=CARD", "body"),
    "not UTF-8": (b'{"trip_id": 1, "method": "\xff"}', "body"),
    "UTF-16": (GOOD.encode("utf-16"), "body"),
    "two byte order marks": (b"\xef\xbb\xbf" * 2 + GOOD.encode(), "body"),
    "a raw NUL": (b'{"trip_id": 1, "method": "CARD\x00"}', "body"),
    "an escaped NUL": (rb'{"trip_id": 1, "method": "CARD", "metadata": {"a": "\u0000"}}', "metadata.a"),
    "a NUL in a name": (rb'{"trip_id": 1, "method": "CARD", "metadata": {"\u0000": 1}}', "metadata.\0"),
    "half a surrogate pair": (rb'{"trip_id": 1, "method": "CARD", "metadata": {"a": "\ud800"}}', "metadata.a"),
    "half a pair in a name": (rb'{"trip_id": 1, "method": "CARD", "\udc00": 1}', "?"),
    "a field twice": (b'{"trip_id": 1, "trip_id": 2, "method": "CARD"}', "trip_id"),
    "a field twice, deep": (b'{"trip_id": 1, "method": "CARD", "metadata": {"a": {"b": 1, "b": 2}}}', "b"),
    "ten thousand fields": (b"{" + b",".join(b'"%x":1' % n for n in range(7000)) + b"}", "trip_id"),
    "1e400": (b'{"trip_id": 1e400, "method": "CARD"}', "trip_id"),
    "an amount of 1e400": (b'{"trip_id": 1, "method": "CARD", "amount": 1e400}', "amount"),
    "an amount of 1e-400": (b'{"trip_id": 1, "method": "CARD", "amount": 1e-400}', "amount"),
    "an exponent of 20 digits": (b'{"trip_id": 1, "method": "CARD", "amount": 1e99999999999999999999}', "amount"),
    "5000 digits": (b'{"trip_id": ' + b"9" * 5000 + b', "method": "CARD"}', "trip_id"),
    "5000 decimals": (b'{"trip_id": 1, "method": "CARD", "amount": 1.' + b"0" * 5000 + b"}", "amount"),
    "5000 digits in metadata": (
        b'{"trip_id": 1, "method": "CARD", "metadata": {"n": -' + b"9" * 5000 + b"}}",
        "metadata.n",
    ),
    "an id beyond bigint": (b'{"trip_id": 9223372036854775808, "method": "CARD"}', "trip_id"),
    "NaN": (b'{"trip_id": 1, "method": "CARD", "amount": NaN}', "body"),
    "Infinity": (b'{"trip_id": 1, "method": "CARD", "amount": -Infinity}', "body"),
    "a third decimal": (b'{"trip_id": 1, "method": "CARD", "amount": 1.001}', "amount"),
    "a hidden decimal": (b'{"trip_id": 1, "method": "CARD", "amount": 1500e-3}', "amount"),
    "too much": (b'{"trip_id": 1, "method": "CARD", "amount": 10000000000}', "amount"),
    "an amount as text": (b'{"trip_id": 1, "method": "CARD", "amount": "1.00"}', "amount"),
    "a card number": (b'{"trip_id": 1, "method": "CARD", "payment_token": "4111111111111111"}', "payment_token"),
    "a field of its own": (b'{"trip_id": 1, "method": "CARD", "status": "SUCCESS"}', "status"),
    "a prototype": (b'{"trip_id": 1, "method": "CARD", "__proto__": {}}', "__proto__"),
    "arrays 30,000 deep": (b"[" * 30000 + b"]" * 30000, "body"),
    "arrays never closed": (b"[" * 60000, "body"),
    "objects 10,000 deep": (b'{"a":' * 10000 + b"1" + b"}" * 10000, "body"),
    "metadata 33 deep": (
        b'{"trip_id": 1, "method": "CARD", "metadata": ' + b'{"a":' * 32 + b"1" + b"}" * 33,
        "metadata" + ".a" * 31,
    ),
    "metadata above 16 KiB": (
        b'{"trip_id": 1, "method": "CARD", "metadata": {"a": "' + b"x" * 16400 + b'"}}',
        "metadata",
    ),
    "an array": (b"[" + GOOD.encode() + b"]", "body"),
    "a string": (b'"x"', "body"),
    "null": (b"null", "body"),
    "two objects": (GOOD.encode() * 2, "body"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_wrong_body_is_400_and_says_what_is_wrong(client: Client, name: str) -> None:
    body, field = BODIES[name]
    answer = client.call("POST", "/v1/payments", body, {"Idempotency-Key": new_key()})
    found = answer.problem(400, "invalid_request")
    assert field in [error["field"] for error in found["errors"]]


@pytest.mark.parametrize("name", BODIES)
def test_a_wrong_body_of_a_refund_never_breaks_anything(client: Client, name: str) -> None:
    answer = client.call("POST", "/payments/1/refunds", BODIES[name][0], {"Idempotency-Key": new_key()})
    answer.problem(*((409, "payment_not_refundable") if name == "nothing" else (400, "invalid_request")))


def padded(size: int) -> bytes:
    body = json.dumps({"trip_id": new_trip(), "method": "CASH", "amount": 1}).encode()
    return body + b" " * (size - len(body))


def in_parts(body: bytes) -> Iterator[bytes]:
    yield from (body[start : start + 5000] for start in range(0, len(body), 5000))


@pytest.mark.parametrize("chunked", [False, True])
def test_64_kib_are_taken_and_not_a_byte_more(client: Client, chunked: bool) -> None:
    for size, status in ((LARGEST, 201), (LARGEST + 1, 413), (LARGEST * 4, 413)):
        body = padded(size)
        answer = client.call("POST", "/payments", in_parts(body) if chunked else body, {"Idempotency-Key": new_key()})
        assert answer.status == status, (size, answer.text)
        if status == 413:
            answer.problem(413, "payload_too_large")


def test_a_body_that_is_announced_as_huge_is_refused_without_being_awaited(service: Service) -> None:
    head = (
        b"POST /payments HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    )
    parse(raw(service.port, head + b" " * 70000)).problem(413, "payload_too_large")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/html",
        "json",
        "/",
    ],
)
def test_another_content_type_is_415(client: Client, content_type: str) -> None:
    headers = {"Idempotency-Key": new_key(), "Content-Type": content_type}
    client.call("POST", "/payments", GOOD.encode(), headers).problem(415, "unsupported_media_type")


def test_a_compressed_body_is_415_and_told_what_is_taken(client: Client) -> None:
    headers = {"Idempotency-Key": new_key(), "Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = client.call("POST", "/payments", gzip.compress(GOOD.encode()), headers)
    answer.problem(415, "unsupported_media_type")
    assert answer.headers["Accept-Encoding"] == "identity"


def test_a_byte_order_mark_and_a_slash_at_the_paths_end_make_no_other_request(client: Client) -> None:
    headers = {"Idempotency-Key": new_key(), "Content-Type": "application/json"}
    paid = client.call("POST", "/payments", GOOD.encode(), headers)
    again = client.call("POST", "/v1/payments/", b"\xef\xbb\xbf" + GOOD.encode(), headers)
    assert (paid.status, again.status, again.body) == (201, 201, paid.body)
    assert again.headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("key", ["", '""', "a b", "k" * 256, "cl\xe9", "a\tb"])
def test_a_bad_key_is_400(client: Client, key: str) -> None:
    found = client.call("POST", "/payments", GOOD.encode(), {"Idempotency-Key": key}).problem(400, "invalid_request")
    assert [error["field"] for error in found["errors"]] == ["Idempotency-Key"]


def test_two_different_keys_are_400(client: Client) -> None:
    body = json.loads(GOOD) | {"idempotency_key": "other"}
    found = client.call("POST", "/payments", body, {"Idempotency-Key": new_key()}).problem(400, "invalid_request")
    assert [error["field"] for error in found["errors"]] == ["idempotency_key"]


def test_a_key_header_given_twice_with_two_values_pays_nothing(service: Service) -> None:
    body = GOOD.encode()
    head = f"POST /payments HTTP/1.1\r\nHost: x\r\nIdempotency-Key: {new_key()}\r\nIdempotency-Key: {new_key()}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    parse(raw(service.port, head.encode() + body)).problem(400, "invalid_request")


@pytest.mark.parametrize("given", ["x" * 129, "a b", "<script>", "cl\xe9", "", "a,b", "' or 1=1"])
def test_a_bad_correlation_id_is_replaced(client: Client, given: str) -> None:
    kept = client.get("/health", X_Correlation_ID=given).headers["X-Correlation-ID"]
    assert kept != given
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", kept)


def test_a_callers_own_word_for_his_address_is_not_believed(client: Client) -> None:
    for header in (
        "X-Caller-Address",
        "X-Forwarded-For",
        "X-Envoy-Original-Path",
        "X-Original-URL",
        "X-HTTP-Method-Override",
    ):
        assert client.get("/payments/1", **{header.replace("-", "_"): "/metrics"}).json["payment_id"] == 1


def test_hostile_text_in_metadata_is_kept_as_it_is_and_is_no_sql(client: Client, rows: Any) -> None:
    metadata = {
        "'; DROP TABLE payments; --": '%s %(x)s {} \\ " \u2028 \U0001f600 \x7f',
        "n": 0.1,
        "big": 12345678901234567890,
    }
    answer = client.pay(metadata=metadata)
    assert answer.json["metadata"] == metadata
    assert client.get(answer.headers["Location"]).json["metadata"] == metadata
    assert rows("SELECT count(*) > 350 FROM payments") == [(True,)]
