"""Pages in a real browser: nothing in them runs, also where hostile text would have got past the escaping."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from functions.get_payment.receipt_page import html_receipt
from shared.reading.payments import Receipt
from shared.web.answers import Answer
from shared.web.pages import page, styled_by
from tests.support import hostile
from tests.support.browser import Browser, Shown

STATE = "[document.title, getComputedStyle(document.querySelector('main')).maxWidth, document.scripts.length]"


@pytest.fixture
def shown(browser: Browser) -> Iterator[Callable[[Answer], Shown]]:
    """Shows an answer in the browser, as the door would send it."""
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

    def show(answer: Answer) -> Shown:
        answers.append(answer)
        return browser.look(f"http://127.0.0.1:{server.server_port}/", STATE)

    yield show
    server.shutdown()
    server.server_close()


def hostile_receipt() -> Receipt:
    """Every field of it written by somebody who means harm, whatever the database lets in."""
    names = ["payment_id", "trip_id", "method", "status", "reference", "refunded_amount"]
    fare = dict.fromkeys(["base_fare", "distance_km", "rate_per_km", "surge_multiplier"], hostile.TEXT)
    payment = {**dict.fromkeys(names, hostile.TEXT), "fare": fare, "metadata": {hostile.TEXT: hostile.TEXT}}
    return Receipt(*[hostile.TEXT] * 4, json.dumps(payment))


def test_a_receipt_keeps_its_own_style_under_its_policy(shown: Callable[[Answer], Shown]) -> None:
    payment = {"payment_id": 1, "trip_id": 1, "method": "CARD", "status": "SUCCESS", "reference": "PAY-1"}
    receipt = Receipt(
        "RCT-1", "5.00", "INR", "2026-11-22T12:00:00Z", json.dumps({**payment, "refunded_amount": "0.00"})
    )
    title, width, _ = shown(html_receipt(receipt, {})).given
    assert title == "Receipt RCT-1"
    assert width == "544px", "34rem: the style sheet counts"


def test_hostile_text_in_every_field_of_a_receipt_runs_nothing_and_makes_no_element(
    shown: Callable[[Answer], Shown],
) -> None:
    seen = shown(html_receipt(hostile_receipt(), {}))
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
    headers = html_receipt(hostile_receipt(), {"Vary": "Accept"}).headers
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Vary"] == "Accept"
    policy = dict(each.strip().partition(" ")[::2] for each in headers["Content-Security-Policy"].split(";"))
    assert policy.pop("style-src").startswith("'sha256-")
    assert policy == dict.fromkeys(["default-src", "base-uri", "form-action", "frame-ancestors"], "'none'")
