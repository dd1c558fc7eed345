"""A receipt's page: what it says, and that it needs nothing."""

import html.parser
from typing import Any

from shared.platform.settings import Settings
from shared.reading.receipts.page import html_receipt
from shared.reading.receipts.receipt import Names, Receipt
from tests.support.receipts import SELLING, SETTINGS, receipt


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


def page(of: Receipt, settings: Settings = SETTINGS) -> Page:
    body = html_receipt(of, settings, {}).body
    assert isinstance(body, str)
    return Page(body)


def test_it_says_who_sold_what_to_whom_when_and_for_how_much() -> None:
    text = page(receipt(names=Names("Priya Iyer", "आदित्य कृष्णमूर्ति")), SELLING).text
    for words in (
        "Namma Rides Private Limited 12 MG Road, Bengaluru 560001 GSTIN 29ABCDE1234F1Z5",
        "Receipt for your ride RCT-0000000351 ₹36.50 Paid by card",
        "Issued 22 Nov 2026, 5:30 PM IST",
        "Trip 101 Rider Priya Iyer Driver आदित्य कृष्णमूर्ति Payment 351 Reference PAY-20261122-7QH4V0ZK3MDX9T2C",
        "Fare Base fare ₹5.00 Distance 10.5 km × ₹2.50 ₹26.25 Surge × 1.2 ₹5.25 Total ₹36.50",
        "Included taxes Without taxes ₹34.76 CGST 2.5 % ₹0.87 SGST 2.5 % ₹0.87",
        "Payment and refunds Paid 22 Nov 2026, 5:30 PM IST ₹36.50",
    ):
        assert words in text
    assert "refunded" not in text


def test_what_is_not_known_is_not_shown() -> None:
    text = page(receipt(fare=None)).text
    assert "Fare Fare ₹36.50 Total ₹36.50" in text
    assert not {"Rider", "Driver", "taxes", "Base", "None"} & set(text.split())


def test_it_tells_what_was_given_back_and_what_is_left() -> None:
    partly = page(receipt("2.50")).text
    assert "partly refunded" in partly
    assert "Refunded 22 Nov 2026, 6:31 PM IST −₹2.50 Paid, less refunds ₹34.00" in partly
    assert "refunded in full" in page(receipt("36.50", status="REFUNDED")).text


def test_a_refund_whose_outcome_is_not_known_counts_for_nothing_yet() -> None:
    found = receipt("2.50", refunded_amount=0.0)
    under_way = found._replace(refunds=(found.refunds[0].replace("REFUNDED", "PENDING"),))
    text = page(under_way).text
    assert "Refund on its way 22 Nov 2026, 6:31 PM IST −₹2.50 Paid, less refunds ₹36.50" in text


def test_yen_have_no_decimals() -> None:
    fare: dict[str, Any] = {"base_fare": 500.0, "distance_km": 3.3, "rate_per_km": 100.0, "surge_multiplier": 1.0}
    text = page(receipt(currency="JPY", amount=830.0, fare=fare), SELLING).text
    assert "Base fare JP¥500 Distance 3.3 km × JP¥100 JP¥330 Total JP¥830" in text
    assert "Without taxes JP¥790 CGST 2.5 % JP¥20 SGST 2.5 % JP¥20" in text


def test_it_needs_nothing_from_anywhere_else() -> None:
    shown = page(receipt("1.00"), SELLING)
    assert not {"script", "img", "iframe", "form", "object", "link"} & set(shown.elements)
    assert not [name for name, _ in shown.attributes if name in ("src", "href", "style") or name.startswith("on")]
    assert "url(" not in str(html_receipt(receipt(), SETTINGS, {}).body)


def test_hostile_text_is_no_markup() -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    shown = page(receipt(reference=hostile, metadata={"note": hostile}, trip_id=hostile, names=Names(hostile, hostile)))
    assert not {"script", "img"} & set(shown.elements)
    assert shown.text.count(hostile) == 4


def test_it_is_in_english_of_the_country_whose_numbers_are_in_it() -> None:
    assert ("lang", "en-IN") in page(receipt()).attributes
