"""The page of the API in a real browser: all operations, nothing from elsewhere, and requests that it sends."""

import re
from urllib.parse import urljoin, urlsplit

import pytest

from shared.web.routes import endpoints
from tests.e2e.client import Client, new_key
from tests.e2e.service import Service
from tests.support.browser import Browser

FORMS = ["/docs", "/docs/", "/v1/docs", "/v1/docs/"]
# Waits for elements in the page, and does with them what a person does.
HANDS = """
const found = async (selector, within = document) => {
  while (!within.querySelector(selector)) await new Promise(requestAnimationFrame);
  return within.querySelector(selector);
};
const press = async (selector, within) => (await found(selector, within)).click();
const write = async (selector, text, within) => {
  const field = await found(selector, within);
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), "value").set.call(field, text);
  field.dispatchEvent(new Event("input", {bubbles: true}));
  field.dispatchEvent(new FocusEvent("focusout", {bubbles: true})); // or the page would wait for more to be typed
};
"""
LIST_AND_OPEN = """(async () => { %s
  await found(".opblock");
  const operations = [...document.querySelectorAll(".opblock")].map((each) =>
    each.querySelector(".opblock-summary-method").textContent + " " + each.querySelector("[data-path]").dataset.path);
  await press("#operations-payments-create_payment .opblock-summary-control");
  await found("#operations-payments-create_payment .responses-inner .highlight-code");
  return [operations, document.documentElement.scrollWidth];
})()"""
TRY = """(async () => { %s
  await press(".btn.authorize");
  await write(".auth-container input", "a.b.c");
  await press(".auth-container .authorize");
  await press(".btn-done");
  await press("#operations-payments-create_payment .opblock-summary-control");
  const operation = await found("#operations-payments-create_payment.is-open");
  await write("tr[data-param-name='Idempotency-Key'] input", "%s", operation);
  await press(".execute", operation);
  const answer = await found(".live-responses-table .response", operation);
  return [".response-col_status", ".curl-command", ".response-col_description"].map((part) =>
    (answer.querySelector(part) || operation.querySelector(part)).textContent);
})()"""


@pytest.mark.parametrize(("path", "width"), [("/docs", 360), ("/v1/docs/", 1280)])
def test_the_page_shows_every_operation_in_each_form_of_its_address_and_fits_a_window_of_any_width(
    service: Service, browser: Browser, path: str, width: int
) -> None:
    page = browser.look(f"http://127.0.0.1:{service.port}{path}", LIST_AND_OPEN % HANDS, width=width)
    operations, wide = page.given
    assert page.complaints == []
    assert sorted(operations) == sorted(endpoints())
    assert "<title>Payment Service: the API</title>" in page.dom
    assert wide <= width
    assert len(page.picture) > 10_000


def test_a_request_can_be_tried_with_a_token_and_a_key(service: Service, browser: Browser) -> None:
    key = new_key()
    page = browser.look(f"http://127.0.0.1:{service.port}/v1/docs", TRY % (HANDS, key))
    assert page.complaints == []
    status, sent, answered = page.given
    assert status.startswith("201")
    assert f"Idempotency-Key: {key}" in sent
    assert "Authorization: Bearer a.b.c" in sent
    assert '"status": "SUCCESS"' in answered


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_within_it(client: Client) -> None:
    answer = client.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert not re.search(r"<script(?! src)|<style|\son\w+=", answer.text)
    assert {urlsplit(link).scheme for link in re.findall(r'(?:src|href)="([^"]+)"', answer.text)} == {"", "data"}


@pytest.mark.parametrize("path", FORMS)
def test_what_the_page_loads_is_there_in_each_form_of_its_address(client: Client, path: str) -> None:
    links = re.findall(r'(?:src|href)="([^":]+)"', client.get(path).text)
    assert len(links) == 5, "and the document itself"
    assert [client.get(urljoin(path, link)).status for link in links] == [200] * 5


def test_what_the_page_loads_is_kept_for_ever_and_named_by_its_content(client: Client) -> None:
    loaded = re.findall(r'(?:src|href)="(docs/[^"]+)"', client.get("/docs").text)
    assert len(loaded) == 4
    for path in loaded:
        answer = client.get(f"/{path}")
        assert answer.status == 200
        assert answer.type in ("text/css; charset=utf-8", "text/javascript; charset=utf-8")
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        client.get(f"/{path}".replace("-", "-0", 1)).problem(404, "not_found")


@pytest.mark.parametrize("path", ["/docs/../main.py", "/docs/main.py", "/docs/docs.html", "/docs//", "/docs/a/b"])
def test_nothing_else_is_given_out(client: Client, path: str) -> None:
    client.get(path).problem(404, "not_found")
