"""Pages in a real browser: nothing in them runs, also where hostile text would have got past the escaping."""

import io
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pypdf
import pytest

from shared.platform.settings import Settings
from shared.reading.receipts.page import html_receipt
from shared.reading.receipts.receipt import MOST_REFUNDS, Names, Receipt
from shared.web.answers import Answer
from shared.web.pages import page, styled_by
from tests.support import hostile
from tests.support.browser import Browser, Shown
from tests.support.receipts import FULL, SELLING, SETTINGS, receipt

STATE = "[document.title, getComputedStyle(document.querySelector('main')).maxWidth, document.scripts.length]"


@pytest.fixture
def served() -> Iterator[Callable[[Answer], str]]:
    """Serves an answer, as the door would send it, and gives its address."""
    answers: list[Answer] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers[-1].body.encode("utf-8", "replace")
            self.send_response(200)
            headers = {
                "Content-Type": answers[-1].content_type,
                "Content-Length": str(len(body)),
                **answers[-1].headers,
            }
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: the test says what is wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def serve(answer: Answer) -> str:
        answers.append(answer)
        return f"http://127.0.0.1:{server.server_port}/"

    yield serve
    server.shutdown()
    server.server_close()


@pytest.fixture
def shown(browser: Browser, served: Callable[[Answer], str]) -> Callable[[Answer], Shown]:
    """Shows an answer in the browser."""
    return lambda answer: browser.look(served(answer), STATE)


def hostile_receipt() -> Receipt:
    """Every text of it written by somebody who means harm, whatever the database lets in."""
    texts = dict.fromkeys(["payment_id", "trip_id", "method", "status", "reference"], hostile.TEXT)
    names = Names(hostile.TEXT, hostile.TEXT)
    return receipt("1.00", names=names, metadata={hostile.TEXT: hostile.TEXT}, **texts)._replace(number=hostile.TEXT)


def test_a_receipt_keeps_its_own_style_under_its_policy(shown: Callable[[Answer], Shown]) -> None:
    title, width, _ = shown(html_receipt(receipt(), SETTINGS, {})).given
    assert title == "Receipt RCT-0000000351"
    assert width == "544px", "34rem: the style sheet counts"


def test_hostile_text_in_every_field_of_a_receipt_runs_nothing_and_makes_no_element(
    shown: Callable[[Answer], Shown],
) -> None:
    seen = shown(html_receipt(hostile_receipt(), SETTINGS, {}))
    title, width, scripts = seen.given
    assert title.startswith("Receipt")
    assert title != "owned"
    assert (width, scripts) == ("544px", 0)
    assert "<img" not in seen.dom
    assert "{{7*7}}" in seen.dom, "shown as it was written"


def test_what_got_past_the_escaping_would_run_all_the_same_nothing(shown: Callable[[Answer], Shown]) -> None:
    html = f"<title>kept</title><style>main {{ max-width: 5px }}</style><main style='max-width: 9px'>{hostile.MARKUP}</main>"
    html += (
        "<style>main { max-width: 7px }</style><script>document.title = 'owned'</script><base href='http://elsewhere/'>"
    )
    answer = page(html, styled_by(html), {})
    title, width, scripts = shown(answer).given
    assert (title, width) == ("kept", "5px")
    assert scripts > 0, "they are there, and the browser runs none"
    assert shown(answer._replace(headers={})).given[0] == "owned", "without the policy it would"


def test_a_page_may_be_framed_by_nobody_and_tells_nobody_where_it_was() -> None:
    headers = html_receipt(hostile_receipt(), SETTINGS, {"Vary": "Accept"}).headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Vary"] == "Accept"
    policy = dict(each.strip().partition(" ")[::2] for each in headers["Content-Security-Policy"].split(";"))
    assert policy.pop("style-src").startswith("'sha256-")
    assert policy == dict.fromkeys(["default-src", "base-uri", "form-action", "frame-ancestors"], "'none'")


@pytest.mark.parametrize("settings", [SETTINGS, FULL], ids=["usual", "as long as can be"])
def test_a_printed_receipt_is_one_page_of_a4(
    browser: Browser, served: Callable[[Answer], str], settings: Settings
) -> None:
    names = Names("Bhuvaneshwari " * 5, "W" * 80) if settings is FULL else Names("Priya Iyer")
    refunds = ["1.00"] * MOST_REFUNDS if settings is FULL else []
    answer = html_receipt(receipt(*refunds, names=names, refunded_amount=20.0), settings, {})
    with browser.open() as tab:
        tab.page.goto(served(answer))
        printed = tab.page.pdf(prefer_css_page_size=True)
    [page] = pypdf.PdfReader(io.BytesIO(printed)).pages
    assert [round(float(edge)) for edge in page.mediabox] == pytest.approx([0, 0, 595, 842], abs=1)
    assert "Keep this receipt for your records" in page.extract_text()


def test_a_receipt_on_a_phone_is_not_wider_than_its_screen(browser: Browser, served: Callable[[Answer], str]) -> None:
    answer = html_receipt(receipt("1.00", names=Names("W" * 80)), SELLING, {})
    seen = browser.look(served(answer), "document.documentElement.scrollWidth", width=360, height=800)
    assert seen.given == 360
    assert seen.complaints == []
