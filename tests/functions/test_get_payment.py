"""GET /payments and what is below it, as far as the door; and the receipt's page."""

import html.parser
import json
from typing import Any

import pytest

from functions.get_payment.receipt import json_receipt
from functions.get_payment.receipt_page import html_receipt
from shared.reading import payments
from shared.reading.payments import Receipt

PAYMENT = {
    "payment_id": 351,
    "trip_id": 101,
    "amount": 36.5,
    "currency": "INR",
    "method": "CARD",
    "status": "SUCCESS",
    "reference": "PAY-20261122-7QH4V0ZK3MDX9T2C",
    "refunded_amount": 0.0,
    "failure_code": None,
    "fare": {"base_fare": 5.0, "distance_km": 10.5, "rate_per_km": 2.5, "surge_multiplier": 1.2, "total": 36.5},
    "metadata": {},
    "created_at": "2026-11-22T12:00:00.000000Z",
    "updated_at": "2026-11-22T12:00:00.000000Z",
}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


def receipt(**changes: Any) -> Receipt:
    """A receipt whose payment is written as the database writes it, money with two decimals."""
    text = json.dumps(PAYMENT | changes)
    for amount in ("36.5", "5.0", "2.5", "0.0"):
        text = text.replace(f": {amount},", f": {amount}0,".replace("5.00", "5.00").replace("0.00", "0.00"))
        text = text.replace(f": {amount}}}", f": {amount}0}}")
    return Receipt("RCT-0000000351", "36.50", "INR", "2026-11-22T12:00:00.000000Z", text)


class Page(html.parser.HTMLParser):
    """What a page says, and which elements it is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)


def test_the_page_says_what_was_paid_and_how() -> None:
    page = Page(html_receipt(receipt(), {}).body)
    for words in (
        "RCT-0000000351",
        "INR 36.50",
        "Paid by card",
        "2026-11-22 12:00 UTC",
        "Trip 101",
        "PAY-20261122-7QH4V0ZK3MDX9T2C",
        "Base fare INR 5.00",
        "10.5 km at INR 2.50/km",
        "Surge × 1.2",
        "Total paid INR 36.50",
    ):
        assert words in page.text
    assert "refunded" not in page.text.lower()


def test_the_page_needs_nothing_from_anywhere_else() -> None:
    page = Page(html_receipt(receipt(), {}).body)
    assert not {"script", "img", "iframe", "form", "object"} & set(page.elements)
    assert not [name for name, _ in page.attributes if name in ("src", "href") or name.startswith("on")]
    assert "url(" not in html_receipt(receipt(), {}).body


def test_the_page_of_a_payment_without_a_fare_shows_none() -> None:
    assert "Base fare" not in Page(html_receipt(receipt(fare=None), {}).body).text


def test_the_page_tells_what_was_given_back() -> None:
    partly = Page(html_receipt(receipt(refunded_amount=2.5), {}).body).text
    assert "partly refunded" in partly
    assert "Refunded INR 2.50" in partly
    assert "refunded in full" in Page(html_receipt(receipt(status="REFUNDED", refunded_amount=36.5), {}).body).text


def test_hostile_text_of_a_payment_is_no_markup() -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    page = Page(html_receipt(receipt(reference=hostile, metadata={"note": hostile}, trip_id=hostile), {}).body)
    assert not {"script", "img"} & set(page.elements)
    assert hostile.split()[0] in page.text


def test_a_receipt_as_json_holds_the_payment_with_its_decimals() -> None:
    text = json_receipt(receipt())
    assert '"amount": 36.50' in text
    assert json.loads(text) == {
        "receipt_number": "RCT-0000000351",
        "amount": 36.5,
        "currency": "INR",
        "issued_at": "2026-11-22T12:00:00.000000Z",
        "payment": PAYMENT,
    }


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("image/png", "application/json"),
        ("nonsense", "application/json"),
        ("text/html;q=0", "application/json"),
        ("text/html;q=0.1, application/json;q=0.9", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/*", "text/html; charset=utf-8"),
        ("text/html;charset=utf-8", "text/html; charset=utf-8"),
        ("text/html;level=1, */*;q=0.1", "text/html; charset=utf-8"),
        ("application/json;q=0.5, text/html", "text/html; charset=utf-8"),
        (BROWSER, "text/html; charset=utf-8"),
    ],
)
def test_a_receipt_is_a_page_only_for_who_prefers_one(
    serve: Any, monkeypatch: pytest.MonkeyPatch, accept: str | None, content_type: str
) -> None:
    monkeypatch.setattr(payments, "receipt", lambda *_: receipt())
    headers = {} if accept is None else {"Accept": accept}
    answer = serve("get_payment").ask("GET", "/payments/351/receipt", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert "Accept" in answer.headers["Vary"]


@pytest.mark.parametrize("path", ["/payments/{}", "/payments/{}/refunds", "/payments/{}/receipt"])
@pytest.mark.parametrize(
    "payment_id", ["0", "-1", "x", "1.0", "+1", "9223372036854775808", "9" * 3000, "%EF%BC%91", "1%20"]
)
def test_what_is_no_id_is_no_payment(serve: Any, problem: Any, path: str, payment_id: str) -> None:
    problem(serve("get_payment").ask("GET", path.format(payment_id)), 404, "payment_not_found")


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0", ["limit"]),
        ("limit=1&limit=2", ["limit"]),
        ("page=2", ["page"]),
        ("", None),
        ("status=PAID&method=GOLD", ["status", "method"]),
        ("trip_id=99999999999999999999", ["trip_id"]),
        ("from=yesterday&to=2026-11-22", ["from", "to"]),
        ("cursor=%00", ["cursor"]),
        ("limit=%ff", ["limit"]),
        ("%ff=1", ["%FF"]),
        ("=1", [""]),
        ("limit", ["limit"]),
        ("&&&&", None),
        ("limit=1;status=x", ["limit"]),
    ],
)
def test_a_parameter_that_is_unknown_or_wrong_is_named(
    serve: Any, problem: Any, query: str, fields: list[str] | None
) -> None:
    answer = serve("get_payment").ask("GET", "/payments", query_string=query)
    if fields is None:
        problem(answer, 503, "database_unavailable")
    else:
        document = problem(answer, 400, "invalid_request")
        assert sorted(error["field"] for error in document["errors"]) == sorted(fields)


@pytest.mark.parametrize(
    "path", ["/payments/1?limit=1", "/payments/1/receipt?x", "/payments/1/refunds?status=REFUNDED"]
)
def test_an_address_takes_no_parameter_that_is_not_its_own(serve: Any, problem: Any, path: str) -> None:
    problem(serve("get_payment").ask("GET", path), 400, "invalid_request")
