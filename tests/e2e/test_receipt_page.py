"""The receipt's page in a real browser: what it shows, and that hostile text in a payment stays text."""

import io
import re

import pypdf

from tests.e2e.client import Client, new_trip
from tests.e2e.service import Service
from tests.support.browser import HEIGHT, WIDTH, Browser
from tests.support.hostile import BIDI, MARKUP, SCHEME


def shown(dom: str) -> str:
    """The words of a page, without its elements."""
    body = dom[dom.index("<body") :]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def test_a_receipt_is_a_page_in_a_browser(service: Service, client: Client, browser: Browser) -> None:
    payment = client.pay(trip_id=new_trip() * 5 + 2, amount=None).json
    client.refund(payment["payment_id"], amount=1)
    url = f"http://127.0.0.1:{service.port}/v1/payments/{payment['payment_id']}/receipt"
    page = browser.look(url)
    words = shown(page.dom)
    for part in (payment["reference"], f"₹{payment['amount']:.2f}", "Paid by card", "partly refunded", "Base fare"):
        assert part in words
    assert re.search(r"Refunded [^₹]+ −₹1.00", words)
    assert re.search(r"Rider \w+ \w+ Driver \w+ \w+ Payment", words), "the stand-in knows who was on its trips"
    content = page.picture
    assert content.startswith(b"\x89PNG")
    width, height = (int.from_bytes(content[start : start + 4]) for start in (16, 20))
    assert (width, height) == (WIDTH, HEIGHT)
    # An empty page of this size is a few kilobytes.
    assert len(content) > 10_000


def test_a_receipt_is_a_file_where_one_is_asked_for(client: Client) -> None:
    payment = client.pay(trip_id=new_trip(), amount=None).json
    found = client.get(f"/payments/{payment['payment_id']}/receipt", Accept="application/pdf")
    assert found.headers["Content-Disposition"].endswith(f'-{payment["payment_id"]:010}.pdf"')
    [page] = pypdf.PdfReader(io.BytesIO(found.body)).pages
    assert payment["reference"] in page.extract_text()


def test_hostile_text_in_metadata_is_no_markup(service: Service, client: Client, browser: Browser) -> None:
    hostile = f"</style></main>{MARKUP}{SCHEME}{BIDI}"
    payment = client.pay(metadata={hostile: hostile, "note": hostile}).json
    client.refund(payment["payment_id"], amount=1, metadata={"reason": hostile})
    path = f"/payments/{payment['payment_id']}/receipt"
    dom = browser.look(f"http://127.0.0.1:{service.port}{path}").dom
    assert "owned" not in dom.split("</head>")[0]
    assert not re.search(r"<(script|img)\b", dom)
    assert "49" not in re.sub(r"[0-9A-Z]{8,}", "", shown(dom)).split()
    page = client.get(path, Accept="text/html")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.type == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert page.headers["Cache-Control"] == "no-store"


def test_a_browser_that_asks_for_no_receipt_is_told_so_as_a_problem(client: Client) -> None:
    declined = client.pay(metadata={"simulate": "decline"}).json["payment"]["payment_id"]
    client.get(f"/payments/{declined}/receipt", Accept="text/html").problem(404, "receipt_not_found")
