"""POST /payments, as far as the door: what a client may send, and what is refused before anything is looked up."""

import io
from typing import Any

import pytest

from shared.web.call import LARGEST_BODY

GOOD = b'{"trip_id": 101, "method": "CARD", "amount": 150.00}'
KEY = {"Idempotency-Key": "k", "Content-Type": "application/json"}
BEFORE_THE_DATABASE = (503, "database_unavailable")


@pytest.fixture
def post(serve: Any, problem: Any) -> Any:
    """Sends a body; gives the fields at fault and their messages. The request must be refused with this status and code."""

    def send(
        body: bytes, status: int = 400, code: str = "invalid_request", headers: dict[str, str] | None = None
    ) -> Any:
        answer = serve("create_payment").ask(
            "POST", "/payments", data=body, headers=KEY if headers is None else headers
        )
        document = problem(answer, status, code)
        return {error["field"]: error["message"] for error in document.get("errors", [])}

    return send


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"trip_id=101&method=CARD",
        b"{",
        b"\xff\xfe",
        b"\x00",
        GOOD + GOOD,
        b"<payment/>",
        b'{"trip_id": NaN}',
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf" * 2 + GOOD,
        GOOD.decode().encode("utf-16"),
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"9" * 60_000,
    ],
)
def test_a_body_that_is_not_json_is_refused_as_the_body(post: Any, body: bytes) -> None:
    assert list(post(body)) == ["body"]


def test_a_byte_order_mark_is_accepted(post: Any) -> None:
    post(b"\xef\xbb\xbf" + GOOD, *BEFORE_THE_DATABASE)


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"true", b"[" + GOOD + b"]"])
def test_a_body_that_is_no_object_is_refused(post: Any, body: bytes) -> None:
    assert post(body) == {"body": "must be a JSON object"}


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b'{"trip_id": 1, "trip_id": 2, "method": "CARD"}', "trip_id", "is given twice"),
        (b'{"trip_id": 1e400, "method": "CARD"}', "trip_id", "too large or too long"),
        (b'{"trip_id": ' + b"9" * 5000 + b', "method": "CARD"}', "trip_id", "too large or too long"),
        (b'{"trip_id": 1, "method": "CARD", "amount": 1e400}', "amount", "too large or too long"),
        (b'{"trip_id": 1, "method": "CA\\u0000RD"}', "method", "NUL"),
        (b'{"trip_id": 1, "method": "CARD", "metadata": {"a": "\\ud800"}}', "metadata.a", "surrogate"),
        (
            b'{"trip_id": 1, "method": "CARD", "metadata": ' + b'{"a":' * 40 + b"1" + b"}" * 41,
            "metadata" + ".a" * 31,
            "deeper",
        ),
    ],
)
def test_a_fault_is_named_with_its_field(post: Any, body: bytes, field: str, message: str) -> None:
    found = post(body)
    assert list(found) == [field]
    assert message in found[field]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/html", "x"]
)
def test_another_content_type_is_refused(post: Any, content_type: str) -> None:
    post(GOOD, 415, "unsupported_media_type", {"Idempotency-Key": "k", "Content-Type": content_type})


@pytest.mark.parametrize(
    "content_type", ["application/json", "APPLICATION/JSON; charset=utf-8", "application/vnd.payments+json", None]
)
def test_json_by_any_of_its_names_or_without_one_is_taken(post: Any, content_type: str | None) -> None:
    headers = {"Idempotency-Key": "k"} | ({"Content-Type": content_type} if content_type else {})
    post(GOOD, *BEFORE_THE_DATABASE, headers)


def padded(size: int) -> bytes:
    return GOOD + b" " * (size - len(GOOD))


def test_a_body_of_exactly_64_kib_is_taken_and_one_byte_more_is_not(post: Any) -> None:
    post(padded(LARGEST_BODY), *BEFORE_THE_DATABASE)
    post(padded(LARGEST_BODY + 1), 413, "payload_too_large")


def test_a_body_without_an_announced_length_is_measured_too(serve: Any, problem: Any) -> None:
    environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    body = io.BytesIO(padded(LARGEST_BODY * 3))
    answer = serve("create_payment").ask("POST", "/payments", input_stream=body, headers=KEY, environ_overrides=environ)
    problem(answer, 413, "payload_too_large")


@pytest.mark.parametrize("key", ["", '""', "a b", "k" * 256, "clé", "\x7f"])
def test_a_malformed_key_is_refused_by_the_name_of_its_header(post: Any, key: str) -> None:
    assert list(post(GOOD, headers={"Idempotency-Key": key, "Content-Type": "application/json"})) == ["Idempotency-Key"]


def test_a_request_without_a_key_is_refused(post: Any) -> None:
    assert "is required" in post(GOOD, headers={})["Idempotency-Key"]


def test_a_key_may_come_in_the_body(post: Any) -> None:
    post(GOOD[:-1] + b', "idempotency_key": "k"}', *BEFORE_THE_DATABASE, headers={})
    post(GOOD[:-1] + b', "idempotency_key": "k"}', *BEFORE_THE_DATABASE)


def test_two_different_keys_are_refused(post: Any) -> None:
    found = post(GOOD[:-1] + b', "idempotency_key": "other"}')
    assert found == {"idempotency_key": "differs from the Idempotency-Key header"}


def test_a_wrong_key_in_the_body_is_named_once(serve: Any) -> None:
    body = GOOD[:-1] + b', "idempotency_key": 5}'
    answer = serve("create_payment").ask("POST", "/payments", data=body, headers={"Content-Type": "application/json"})
    assert [error["field"] for error in answer.get_json(force=True)["errors"]] == ["idempotency_key"]


def test_the_key_and_every_field_at_fault_are_named_together(post: Any) -> None:
    assert set(post(b'{"method": "x", "amout": 1}', headers={})) == {"Idempotency-Key", "trip_id", "method", "amout"}


def test_nothing_of_what_was_sent_is_logged(post: Any, log_lines: Any) -> None:
    secret = "tok_s3cr3t"
    body = f'{{"trip_id": 1, "method": "{secret}", "payment_token": "{secret} ", "x": "{secret}"}}'.encode()
    post(body, headers={"Idempotency-Key": f"{secret} {secret}", "Content-Type": "application/json"})
    post(GOOD, *BEFORE_THE_DATABASE, headers={"Idempotency-Key": secret})
    assert secret not in str(log_lines())
