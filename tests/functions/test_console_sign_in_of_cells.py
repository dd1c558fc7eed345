"""Signing in to the consoles of two cells at one address: each has a session of its own, and no other cell's is one."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from werkzeug.test import Client, TestResponse

from functions.console.sign_in_cookies import SESSION, SESSION_OF_CELL
from tests.fakes.issuer import Issuer
from tests.support.cells import console_of, one_address

URL = "https://payments.example"
MUMBAI, DELHI = "/cells/mumbai", "/cells/delhi"
# A person who is known finds nothing there, and anybody else is asked to sign in.
NOTHING = "/console/nothing"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def both(issuer: Issuer) -> Any:
    """The two behind their front door, with the same settings of access."""
    settings = {
        "CELLS": "mumbai=1,delhi=2",
        "AUTH_ISSUERS": json.dumps([{"issuer": issuer.url, "audience": "payment-service"}]),
        "AUTH_SUBJECTS": json.dumps({"bob": "payments:read"}),
        "CONSOLE_CLIENT_ID": "the:console",
        "CONSOLE_SESSION_KEY": "one-key-of-the-sessions-of-both-the-cells",
        "CONSOLE_URL": URL,
    }
    cells = {prefix: console_of(CELL=number, **settings)[0] for prefix, number in ((MUMBAI, "1"), (DELHI, "2"))}
    return one_address(cells, cells[MUMBAI])


class Browser:
    """Has cookies for both, as a browser keeps and sends them."""

    def __init__(self, app: Any, issuer: Issuer) -> None:
        self.client = Client(app)
        self._issuer = issuer

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(path, base_url=URL, headers=headers)

    def post(self, path: str) -> TestResponse:
        return self.client.post(path, base_url=URL, headers={"Sec-Fetch-Site": "same-origin"})

    def sign_in(self, cell: str, subject: str) -> TestResponse:
        """From a page of the cell, to the provider, and back."""
        asked = self.begin(cell)
        self._issuer.gives = {
            "access_token": "opaque",
            "token_type": "Bearer",
            "id_token": self._issuer.token(aud=asked["client_id"], sub=subject, nonce=asked["nonce"]),
        }
        back = urlencode({"code": "c0de", "state": asked["state"], "again": "1"})
        return self.get(f"{asked['redirect_uri'].removeprefix(URL)}?{back}")

    def begin(self, cell: str) -> dict[str, str]:
        """What the provider is asked."""
        sent = self.get(f"{cell}{NOTHING}?x=1").headers["Location"]
        assert sent == f"{URL}{cell}/console/sign-in?next=%2Fconsole%2Fnothing%3Fx%3D1"
        answer = self.get(sent.removeprefix(URL))
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

    def is_known(self, cell: str) -> bool:
        return self.get(f"{cell}{NOTHING}").status_code == 404


@pytest.fixture
def browser(both: Any, issuer: Issuer) -> Browser:
    return Browser(both, issuer)


def test_a_sign_in_comes_back_to_the_cell_it_was_begun_in_and_its_cookies_are_sent_there_alone(
    browser: Browser,
) -> None:
    assert browser.begin(MUMBAI)["redirect_uri"] == f"{URL}/cells/mumbai/console/signed-in"
    answer = browser.sign_in(MUMBAI, "alice")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/cells/mumbai/console/nothing?x=1")
    session, attempt = answer.headers.getlist("Set-Cookie")
    assert session.startswith(f"{SESSION_OF_CELL}=")
    assert attempt.startswith(f"{SESSION_OF_CELL}-sign-in-")
    for cookie in (session, attempt):
        assert re.search(r"; Secure; HttpOnly; Path=/cells/mumbai; SameSite=Strict$", cookie)
    assert browser.is_known(MUMBAI)
    assert not browser.is_known(DELHI)


def test_two_cells_have_two_sessions_in_one_browser(browser: Browser) -> None:
    browser.sign_in(MUMBAI, "alice")
    browser.sign_in(DELHI, "bob")
    for cell, name in ((MUMBAI, "alice"), (DELHI, "bob")):
        assert f"Signed in as {name}" in browser.get(f"{cell}{NOTHING}").text
    left = browser.post(f"{DELHI}/console/sign-out")
    assert 'href="/cells/delhi/console/sign-in"' in left.text
    assert browser.is_known(MUMBAI)
    assert not browser.is_known(DELHI)


def test_a_session_of_one_cell_is_none_in_another(browser: Browser, both: Any) -> None:
    browser.sign_in(MUMBAI, "alice")
    cookie = browser.client.get_cookie(SESSION_OF_CELL, "payments.example", MUMBAI)
    assert cookie
    bare = Client(both, use_cookies=False)
    for prefix, name, status in (
        (MUMBAI, SESSION_OF_CELL, 404),
        (MUMBAI, SESSION, 303),
        (DELHI, SESSION_OF_CELL, 303),
        (DELHI, SESSION, 303),
    ):
        asked = bare.get(f"{prefix}{NOTHING}", base_url=URL, headers={"Cookie": f"{name}={cookie.value}"})
        assert asked.status_code == status, (prefix, name)


def test_the_page_of_all_cells_asks_nobody_who_he_is_and_each_card_does(browser: Browser) -> None:
    page = browser.get("/console")
    assert (page.status_code, "delhi" in page.text) == (200, True)
    assert "hx-get" in page.text
    standing = f"{MUMBAI}/console/standing"
    for headers in ({"HX-Request": "true"}, {"HX-Request": ""}, {}):
        unknown = browser.get(standing, **headers)
        assert unknown.status_code == 401
        assert 'href="/cells/mumbai/console/sign-in?next=/console/cells"' in unknown.text
        assert "HX-Refresh" not in unknown.headers, "it would load the page of all cells anew, for ever"
    browser.sign_in(MUMBAI, "alice")
    refused = browser.get(standing)
    assert refused.status_code == 403
    assert "You may not see this cell's figures. This wants the permission payments:read." in refused.text
    back = browser.get(f"{MUMBAI}/console/sign-in?next=/console/cells")
    assert back.headers["Location"] == "/cells/mumbai/console/cells"
