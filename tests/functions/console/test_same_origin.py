"""What changes something is taken only from a page of our own."""

import uuid

from tests.functions.console.conftest import Visitor
from tests.support.till import Till

OURS = "http://localhost"
TAKEN: tuple[dict[str, str], ...] = (
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin", "Origin": OURS},
    {"Origin": OURS},
    {"Origin": "https://pay.example", "Host": "pay.example"},
    {"Origin": "https://pay.example:8443", "X-Forwarded-Host": "pay.example:8443"},
)
REFUSED: tuple[dict[str, str], ...] = (
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
)
FORM = "application/x-www-form-urlencoded"
NO_FORMS = (
    ("application/json", b"{}", 415),
    ("multipart/form-data; boundary=x", b"--x--", 415),
    ("", b"amount=5", 415),
    (FORM, b"amount=5&amount=6", 400),
    (FORM, b"amount=5&other=1", 400),
    (FORM, b"reason=%00", 400),
    (FORM, b"reason=%ff", 400),
    (FORM, b"\xff", 400),
    (FORM, b"&".join([b"a=1"] * 1000), 400),
    (FORM, b"reason=" + b"x" * 65536, 413),
    (FORM, b"", 400),
)


def refunded(visitor: Visitor, payment_id: int, headers: dict[str, str]) -> int:
    fields = {"form": str(uuid.uuid4()), "amount": "5", "reason": ""}
    return visitor.post(f"/console/payments/{payment_id}/refund", headers, **fields).status


def test_a_form_of_our_own_is_taken(visitor: Visitor, payment_id: int) -> None:
    assert [refunded(visitor, payment_id, headers) for headers in TAKEN] == [303] * len(TAKEN)


def test_every_other_is_refused_and_nothing_is_done(visitor: Visitor, till: Till, payment_id: int) -> None:
    assert [refunded(visitor, payment_id, headers) for headers in REFUSED] == [403] * len(REFUSED)
    assert till.gateway.verbs() == ["charge"]


def test_at_the_address_of_the_settings_alone_where_they_name_one(
    visitor: Visitor, till: Till, payment_id: int
) -> None:
    till.change(console_url="https://pay.example")
    ours, rebound = {"Origin": "https://pay.example"}, {"Origin": "https://evil.example", "Host": "evil.example"}
    by_browser = {"Sec-Fetch-Site": "same-origin"}
    assert [refunded(visitor, payment_id, headers) for headers in (ours, ours | by_browser, by_browser)] == [303] * 3
    assert [refunded(visitor, payment_id, headers) for headers in (rebound, rebound | by_browser, {})] == [403] * 3


def test_the_refusal_is_a_page_that_says_why(visitor: Visitor) -> None:
    for address in ("/console/payments/1/refund", "/console/payments/1/ask", "/console/settle/PAY-1"):
        page = visitor.post(address, {"Origin": "https://evil.example"})
        assert page.status == 403
        assert "taken only from a page of this console" in page.text


def test_what_is_no_form_of_ours_is_refused(visitor: Visitor, till: Till, payment_id: int) -> None:
    for content_type, body, status in NO_FORMS:
        headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": content_type}
        answer = visitor.ask("POST", f"/console/payments/{payment_id}/refund", headers, body)
        assert answer.status == status, (content_type, body[:20])
    assert till.gateway.verbs() == ["charge"]


def test_an_address_of_no_page_of_ours_is_refused(visitor: Visitor, payment_id: int) -> None:
    for query in ("form=1&form=2", "other=1", "amount=%00"):
        assert visitor.get(f"/console/payments/{payment_id}/refund?{query}").status == 400
