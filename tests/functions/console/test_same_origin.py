"""What changes something is taken only from a page of our own."""

import uuid

import pytest

from tests.functions.console.conftest import Visitor
from tests.support.till import Till

OURS = "http://localhost"


def refunded(visitor: Visitor, payment_id: int, headers: dict[str, str]) -> int:
    fields = {"form": str(uuid.uuid4()), "amount": "5", "reason": ""}
    return visitor.post(f"/console/payments/{payment_id}/refund", headers, **fields).status


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": OURS},
        {"Origin": OURS},
        {"Origin": "https://pay.example", "Host": "pay.example"},
        {"Origin": "https://pay.example:8443", "X-Forwarded-Host": "pay.example:8443"},
    ],
)
def test_a_form_of_our_own_is_taken(visitor: Visitor, payment_id: int, headers: dict[str, str]) -> None:
    assert refunded(visitor, payment_id, headers) == 303


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": OURS},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://evil.example"},
        {"Origin": f"{OURS}.evil.example"},
        {"Origin": f"{OURS}:8080"},
        {"Origin": "http://["},
        {"Origin": "ftp://localhost"},
        {"Origin": OURS, "Host": "other.example"},
    ],
)
def test_every_other_is_refused_and_nothing_is_done(
    visitor: Visitor, till: Till, payment_id: int, headers: dict[str, str]
) -> None:
    assert refunded(visitor, payment_id, headers) == 403
    assert till.gateway.verbs() == ["charge"]


@pytest.mark.parametrize("address", ["/console/payments/1/refund", "/console/payments/1/ask", "/console/settle/PAY-1"])
def test_the_refusal_is_a_page_that_says_why(visitor: Visitor, address: str) -> None:
    page = visitor.post(address, {"Origin": "https://evil.example"})
    assert page.status == 403
    assert "taken only from a page of this console" in page.text


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("", b"amount=5", 415),
        ("application/x-www-form-urlencoded", b"amount=5&amount=6", 400),
        ("application/x-www-form-urlencoded", b"amount=5&other=1", 400),
        ("application/x-www-form-urlencoded", b"reason=%00", 400),
        ("application/x-www-form-urlencoded", b"reason=%ff", 400),
        ("application/x-www-form-urlencoded", b"\xff", 400),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 1000), 400),
        ("application/x-www-form-urlencoded", b"reason=" + b"x" * 65536, 413),
        ("application/x-www-form-urlencoded", b"", 400),
    ],
)
def test_what_is_no_form_of_ours_is_refused(
    visitor: Visitor, till: Till, payment_id: int, content_type: str, body: bytes, status: int
) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": content_type}
    assert visitor.ask("POST", f"/console/payments/{payment_id}/refund", headers, body).status == status
    assert till.gateway.verbs() == ["charge"]


@pytest.mark.parametrize("query", ["form=1&form=2", "other=1", "amount=%00"])
def test_an_address_of_no_page_of_ours_is_refused(visitor: Visitor, payment_id: int, query: str) -> None:
    assert visitor.get(f"/console/payments/{payment_id}/refund?{query}").status == 400
