"""Signing in to the console, with a provider that does as it is told, and may lie."""

import base64
import hashlib
import html
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from werkzeug.test import Client, TestResponse

from functions.console import sign_in_provider
from functions.console.sign_in import NOT_BEGUN_HERE, own_address
from functions.console.sign_in_cookies import SESSION, Attempt, Cookies, Session
from local.place import CHECKOUT
from shared.rules.permissions import PERMISSIONS
from shared.web.routes import ROUTES, Route
from tests.fakes.issuer import Issuer, bad_tokens, private_key, unsigned
from tests.support.cells import console_of

URL = "https://payments.example"
KEYS = ("an old key, which was the first of the two".replace(" ", "-"), "another-key-of-some-other-console's")
SECRET = "s3cr3t of the client"
# A person who is known finds nothing there, and anybody else is asked to sign in.
NOTHING = "/console/nothing"
SETTLE = "/console/settle/PAY-1"
FROM_HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def console(issuer: Issuer) -> Any:
    return console_of(
        AUTH_ISSUERS=json.dumps([{"issuer": issuer.url, "audience": "payment-service"}]),
        AUTH_SUBJECTS=json.dumps({"bob": "payments:read payments:settle"}),
        CONSOLE_CLIENT_ID="the:console",
        CONSOLE_CLIENT_SECRET=SECRET,
        CONSOLE_SESSION_KEY=f"{KEYS[0]} {KEYS[0][::-1]}",
        CONSOLE_URL=URL,
    )


class Browser:
    """Has cookies, and remembers the sign-in that it began."""

    def __init__(self, app: Any, issuer: Issuer) -> None:
        self.client: Client = app.test_client()
        self._issuer = issuer

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None) -> TestResponse:
        return self.client.open(path, method=method, base_url=URL, headers=headers)

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.ask("GET", path, {name.replace("_", "-"): value for name, value in headers.items()})

    def begin(self, goes_on_to: str = "/console/nothing?x=1") -> dict[str, str]:
        """What the provider is asked."""
        answer = self.get(f"/console/sign-in?{urlencode({'next': goes_on_to})}")
        assert answer.status_code == 303, answer.text
        return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))

    def back(self, **query: str) -> TestResponse:
        """As the provider sends it back, once a page of ours has loaded the address again."""
        return self.get(f"/console/signed-in?{urlencode({'code': 'c0de', **query, 'again': '1'})}")

    def sign_in(self, subject: str = "alice", access: str = "opaque", **claims: Any) -> TestResponse:
        asked = self.begin()
        self._issuer.gives = self.tokens(asked, subject, access, **claims)
        return self.back(state=asked["state"])

    def tokens(self, asked: dict[str, str], subject: str, access: str = "opaque", **claims: Any) -> dict[str, Any]:
        right: dict[str, Any] = {"aud": asked["client_id"], "sub": subject, "nonce": asked["nonce"]}
        return {
            "access_token": access,
            "token_type": "Bearer",
            "scope": "openid payments:read refunds:write payments:settle",
            "id_token": self._issuer.token(**{**right, **claims}),
        }

    @property
    def session(self) -> str | None:
        cookie = self.client.get_cookie(SESSION, "payments.example")
        return cookie.value if cookie else None

    def with_session(self, value: str, path: str = NOTHING) -> int:
        """The status of a page for whoever has this for a session."""
        bare: Client = self.client.application.test_client(use_cookies=False)
        return bare.get(path, base_url=URL, headers={"Cookie": f"{SESSION}={value}"}).status_code


@pytest.fixture
def browser(console: Any, issuer: Issuer) -> Iterator[Browser]:
    issuer.exchanged.clear()
    yield Browser(console[0], issuer)
    issuer.status, issuer.delay, issuer.gives, issuer.also_says = 200, 0.0, {}, {}
    forget(console)


def forget(console: Any) -> None:
    """What the console knows of its provider."""
    console[1].desk.entrance.ways[""].__dict__.pop("provider", None)


def told(answer: TestResponse) -> str:
    return html.unescape(re.findall(r'<p role="alert">(.*?)</p>', answer.text, re.DOTALL)[0])


def test_a_page_sends_whoever_is_not_known_to_sign_in_and_then_goes_on_to_it(browser: Browser) -> None:
    for method, path in (
        ("GET", f"{NOTHING}?q=a%26b&q=%E2%82%B9"),
        ("HEAD", "/v1/console/"),
        ("GET", "/console/1/json"),
    ):
        answer = browser.ask(method, path)
        assert answer.status_code == 303
        address, _, query = answer.headers["Location"].partition("?")
        assert address == f"{URL}/console/sign-in"
        assert parse_qs(query) == {"next": [path.removeprefix("/v1").removesuffix("/")]}
        assert own_address(parse_qs(query)["next"][0]) == path.removeprefix("/v1").removesuffix("/")


def test_a_part_of_a_page_is_told_to_load_the_whole_again(browser: Browser) -> None:
    answer = browser.get("/console", HX_Request="true")
    assert (answer.status_code, answer.headers["HX-Refresh"], answer.text) == (401, "true", "")


def test_a_form_of_whoever_is_not_known_does_nothing_and_says_so(browser: Browser) -> None:
    answer = browser.ask("POST", "/console/payments/1/refund", FROM_HERE)
    assert answer.status_code == 401
    assert told(answer) == "You are not signed in, and nothing was done."
    assert 'href="/console/sign-in"' in answer.text
    assert "Open to everybody" not in answer.text


def test_the_provider_is_asked_with_all_that_binds_its_answer_to_this_browser(browser: Browser, issuer: Issuer) -> None:
    answer = browser.get("/console/sign-in")
    assert answer.headers["Location"].startswith(f"{issuer.url}/authorize?")
    asked = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    assert asked.keys() == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
        *("code_challenge", "code_challenge_method"),
    }
    assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
    assert (asked["client_id"], asked["scope"]) == ("the:console", "openid")
    assert asked["redirect_uri"] == f"{URL}/console/signed-in"
    (cookie,) = answer.headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-console-sign-in-")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict", "Max-Age=600"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


def test_signing_in_goes_on_to_the_page_with_a_cookie_that_no_other_site_has_sent(browser: Browser) -> None:
    answer = browser.sign_in()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/nothing?x=1")
    session, gone = answer.headers.getlist("Set-Cookie")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(session.split("; "))
    assert session.startswith("__Host-console=")
    assert "Domain" not in session
    assert "Max-Age=0" in gone
    page = browser.get(NOTHING)
    assert page.status_code == 404
    assert "Signed in as alice" in page.text
    assert 'action="/console/sign-out"' in page.text


def test_the_code_is_exchanged_with_the_verifier_and_the_secret(browser: Browser, issuer: Issuer) -> None:
    asked = browser.begin()
    issuer.gives = browser.tokens(asked, "alice")
    assert browser.back(state=asked["state"]).status_code == 303
    ((headers, sent),) = issuer.exchanged
    digest = hashlib.sha256(sent.pop("code_verifier").encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]
    assert sent == {"grant_type": "authorization_code", "code": "c0de", "redirect_uri": f"{URL}/console/signed-in"}
    pair = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
    assert pair == "the%3Aconsole:s3cr3t+of+the+client"


def test_a_provider_that_takes_secrets_only_in_the_body_gets_it_there(browser: Browser, issuer: Issuer) -> None:
    issuer.also_says = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert browser.sign_in().status_code == 303
    ((headers, sent),) = issuer.exchanged
    assert "Authorization" not in headers
    assert (sent["client_id"], sent["client_secret"]) == ("the:console", SECRET)


def test_what_the_provider_sends_is_loaded_once_more_by_a_page_of_our_own(browser: Browser) -> None:
    """Strict cookies do not come along with a redirect from elsewhere."""
    answer = browser.get('/console/signed-in?code=c%22%3E&state=s"<&iss=x')
    assert answer.status_code == 200
    assert not answer.headers.getlist("Set-Cookie")
    (address,) = re.findall(r'content="0; url=([^"]*)"', answer.text)
    assert html.unescape(address) == "/console/signed-in?code=c%22%3E&state=s%22%3C&iss=x&again=1"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_whoever_comes_by_a_link_from_elsewhere_and_is_signed_in_is_not_asked_again(browser: Browser) -> None:
    browser.sign_in()
    fresh = Browser(browser.client.application, browser._issuer)
    answer = fresh.get("/console/sign-in?next=/console/nothing", Sec_Fetch_Site="cross-site")
    (address,) = re.findall(r'content="0; url=([^"]*)"', answer.text)
    again = browser.get(html.unescape(address))
    assert (again.status_code, again.headers["Location"]) == (303, NOTHING)


def test_what_may_be_done_is_what_the_api_would_let_the_person_do(browser: Browser, issuer: Issuer) -> None:
    api = {"sub": "alice", "aud": "payment-service"}
    given = {
        "payments:read": issuer.token(**api, scope="openid payments:read"),
        "payments:settle": issuer.token(**api, scope="payments:settle"),
        "": "opaque",
        " of another subject": issuer.token(**{**api, "sub": "bob"}, scope="payments:settle"),
        " of another audience": issuer.token(**{**api, "aud": "the:console"}, scope="payments:settle"),
        " expired": issuer.token(**api, scope="payments:settle", exp=int(time.time()) - 90),
        " unsigned": unsigned(issuer.claims(**api, scope="payments:settle")),
    }
    for permission, access in given.items():
        fresh = Browser(browser.client.application, issuer)
        fresh.sign_in(access=access, scope="payments:settle")
        answer = fresh.get(SETTLE)
        assert (answer.status_code != 403) == (permission == "payments:settle"), permission
        if answer.status_code == 403:
            assert "This wants the permission payments:settle." in answer.text
            assert f"{issuer.url} alice" in answer.text
            assert ("payments:read." if permission == "payments:read" else "no permission here") in answer.text


def test_what_auth_subjects_gives_counts_for_people_too(browser: Browser) -> None:
    browser.sign_in("bob")
    assert browser.get(SETTLE).status_code != 403
    assert browser.ask("POST", "/console/payments/1/refund", FROM_HERE).status_code == 403


PROTECTED = [route for route in ROUTES if route.function == "console" and route.permission]


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("route", PROTECTED, ids=lambda route: f"{route.method} {route.template}")
def test_every_page_wants_somebody_who_may_see_it(browser: Browser, issuer: Issuer, route: Route, prefix: str) -> None:
    path = prefix + re.sub(r"\{\w+\}", "1", route.template)
    is_led_on = (
        route.method == "GET" and route.template != "/console/standing"
    )  # a part of a page, which a script asks for
    assert browser.ask(route.method, path, FROM_HERE).status_code == (303 if is_led_on else 401)
    others = PERMISSIONS - {str(route.permission)}
    session = Session(issuer.url, "alice", others, int(time.time()) + 600)
    cookie = Cookies([KEYS[0]], URL).of_session(session).partition(";")[0]
    bare: Client = browser.client.application.test_client(use_cookies=False)
    for who in ({"Cookie": cookie}, {"Authorization": f"Bearer {issuer.token(scope=' '.join(others))}"}):
        answer = bare.open(path, method=route.method, base_url=URL, headers={**FROM_HERE, **who})
        assert answer.status_code == 403
        assert f"This wants the permission {route.permission}." in answer.text or path.endswith("/json")


def test_what_pages_load_and_signing_in_and_the_names_of_cells_ask_nobody_who_he_is() -> None:
    free = {route.template for route in ROUTES if route.function == "console" and not route.permission}
    assert free == {f"/console/{name}" for name in ("sign-in", "signed-in", "sign-out", "files/{file}", "cells")}


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "for the API": {"aud": "payment-service"},
    "expired": {"exp": 1},
    "without an end": {"exp": None},
    "of another issuer": {"iss": "https://somebody.example"},
    "of another sign-in": {"nonce": "another"},
    "of no sign-in": {"nonce": None},
    "made for another": {"azp": "another"},
    "for several, and nobody's": {"aud": ["the:console", "another"]},
    "without a subject": {"sub": None},
    "with a subject of two lines": {"sub": "alice\nbob"},
}


@pytest.mark.parametrize("wrong", WRONG_CLAIMS)
def test_an_id_token_that_is_wrong_lets_nobody_in(browser: Browser, wrong: str, log_lines: Any) -> None:
    answer = browser.sign_in(**WRONG_CLAIMS[wrong])
    refused(browser, answer, log_lines, 502, sign_in_provider.UNUSABLE, "ID token: ")


def refused(browser: Browser, answer: TestResponse, log_lines: Any, status: int, says: str, why: str) -> None:
    """Nobody is signed in; the page says what happened and offers to try again, the log why, and neither a secret."""
    assert (answer.status_code, told(answer)) == (status, says)
    assert 'href="/console/sign-in"' in answer.text
    assert browser.session is None
    assert browser.get(NOTHING).status_code == 303
    lines = log_lines()
    assert any(line["message"] == "sign-in failed" and line["why"].startswith(why) for line in lines), lines
    for secret in (SECRET, "c0de", "eyJ", *KEYS):
        assert secret not in answer.text + json.dumps(lines)


@pytest.mark.parametrize(
    "wrong", ["nothing", "a number", "garbage", "a wrong key", "alg none", "HS256 with the public key"]
)
def test_an_id_token_that_the_provider_did_not_sign_lets_nobody_in(
    browser: Browser, issuer: Issuer, wrong: str, log_lines: Any
) -> None:
    asked = browser.begin()
    issuer.gives = browser.tokens(asked, "alice")
    right = issuer.claims(aud=asked["client_id"], sub="alice", nonce=asked["nonce"])
    issuer.gives["id_token"] = {
        "nothing": None,
        "a number": 7,
        "alg none": unsigned(right),
        "a wrong key": issuer.token(key="strange", headers={"kid": "first"}, **right),
    }.get(wrong) or bad_tokens(issuer).get(wrong)
    assert private_key("RS256", "strange") is not private_key("RS256", "first")
    refused(browser, browser.back(state=asked["state"]), log_lines, 502, sign_in_provider.UNUSABLE, "")


TROUBLES: dict[str, tuple[int, Any, int, str]] = {
    "a code that was used": (400, {"error": "invalid_grant"}, 400, sign_in_provider.SPENT),
    "a secret that is wrong": (401, {"error": "invalid_client"}, 502, sign_in_provider.UNUSABLE),
    "a failure of its own": (500, {}, 503, sign_in_provider.SILENT),
    "no tokens": (200, {}, 502, sign_in_provider.UNUSABLE),
    "no object": (200, ["access_token"], 502, sign_in_provider.UNUSABLE),
    "strange times": (200, {"access_token": "x", "expires_in": "soon"}, 502, sign_in_provider.UNUSABLE),
    "times without end": (200, {"access_token": "x", "expires_in": float("inf")}, 502, sign_in_provider.UNUSABLE),
    "a redirect": (302, {}, 502, sign_in_provider.UNUSABLE),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_provider_that_gives_no_tokens_is_told_of(
    browser: Browser, issuer: Issuer, trouble: str, log_lines: Any
) -> None:
    asked = browser.begin()
    issuer.status, issuer.gives, status, says = TROUBLES[trouble]
    answer = browser.back(state=asked["state"])
    issuer.status = 200
    refused(browser, answer, log_lines, status, says, "")


def test_a_provider_that_is_slow_is_not_waited_for(
    browser: Browser, issuer: Issuer, log_lines: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = browser.begin()
    monkeypatch.setattr(sign_in_provider, "EXCHANGE_TIMEOUT", 0.2)
    issuer.delay = 1.0
    answer = browser.back(state=asked["state"])
    issuer.delay = 0.0
    refused(browser, answer, log_lines, 503, sign_in_provider.SILENT, "no tokens: no answer in time")


@pytest.mark.parametrize(
    ("says", "status"),
    [
        ({"issuer": "https://somebody.example"}, 503),
        ({"authorization_endpoint": "http://somebody.example/authorize"}, 502),
        ({"authorization_endpoint": None}, 502),
    ],
)
def test_a_provider_that_does_not_say_well_where_it_is_is_not_gone_to(
    browser: Browser, issuer: Issuer, says: dict[str, Any], status: int, log_lines: Any, console: Any
) -> None:
    forget(console)
    issuer.also_says = says
    answer = browser.get("/console/sign-in")
    assert answer.status_code == status
    assert "sign-in failed" in {line["message"] for line in log_lines()}


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"error": "access_denied", "error_description": "<b>no</b>"}, 403, sign_in_provider.DENIED),
        ({"error": "<script>"}, 502, sign_in_provider.UNUSABLE),
        ({"iss": "https://somebody.example"}, 502, sign_in_provider.UNUSABLE),
        ({"code": ""}, 502, sign_in_provider.UNUSABLE),
    ],
)
def test_what_the_provider_refuses_is_told_in_our_own_words(
    browser: Browser, issuer: Issuer, query: dict[str, str], status: int, says: str, log_lines: Any
) -> None:
    answer = browser.back(state=browser.begin()["state"], **query)
    assert "<b>no" not in answer.text
    assert issuer.exchanged == []
    refused(browser, answer, log_lines, status, says, "")


def test_a_sign_in_that_somebody_else_began_signs_nobody_in(browser: Browser, issuer: Issuer, log_lines: Any) -> None:
    """Whoever has a victim's browser load his own code would have it work under his name."""
    attacker = Browser(browser.client.application, issuer)
    asked = attacker.begin()
    issuer.gives = attacker.tokens(asked, "mallory")
    browser.begin()
    answer = browser.back(state=asked["state"])
    assert issuer.exchanged == []
    refused(browser, answer, log_lines, 400, NOT_BEGUN_HERE, "")


def test_a_sign_in_is_gone_on_with_once(browser: Browser, issuer: Issuer) -> None:
    asked = browser.begin()
    issuer.gives = browser.tokens(asked, "alice")
    assert browser.back(state=asked["state"]).headers["Location"] == "/console/nothing?x=1"
    # The back button: whoever is signed in stays so.
    again = browser.back(state=asked["state"])
    assert (again.status_code, again.headers["Location"]) == (303, "/console")
    assert len(issuer.exchanged) == 1


def test_a_state_is_compared_to_its_end(browser: Browser, issuer: Issuer) -> None:
    answer = browser.back(state=f"{browser.begin()['state'][:-1]}~")
    assert (answer.status_code, told(answer)) == (400, NOT_BEGUN_HERE)


def test_two_windows_sign_in_at_once(browser: Browser, issuer: Issuer) -> None:
    first, second = browser.begin("/console/a"), browser.begin("/console/b")
    for asked, page in ((second, "/console/b"), (first, "/console/a")):
        issuer.gives = browser.tokens(asked, "alice")
        assert browser.back(state=asked["state"]).headers["Location"] == page


def test_a_sign_in_takes_ten_minutes_at_most(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, now = browser.begin(), time.time()
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: now + 605)
    assert browser.back(state=asked["state"]).status_code == 400


ALICE = ("alice", frozenset({"payments:read"}))


def test_only_a_session_that_was_signed_here_and_holds_is_one(browser: Browser, issuer: Issuer) -> None:
    later = int(time.time()) + 600
    alice = Session(issuer.url, *ALICE, later)

    def signed(cookies: Cookies, session: Session = alice) -> str:
        return cookies.of_session(session).partition("=")[2].partition(";")[0]

    own = Cookies([KEYS[0]], URL)
    assert browser.with_session(signed(own)) == 404
    assert browser.with_session(signed(Cookies([KEYS[0][::-1]], URL))) == 404, "the key before"
    text = signed(own)
    body, rest = text.split(".", 1)
    raised = base64.urlsafe_b64encode(json.dumps([issuer.url, "alice", ["payments:settle"], later]).encode()).decode()
    attempt = own.of_attempt(Attempt(issuer.url, "alice", "payments:read", str(later)))
    for value in (
        signed(Cookies([KEYS[1]], URL)),
        signed(Cookies([KEYS[0]], "https://staging.example")),
        signed(own, alice._replace(expires=int(time.time()) - 1)),
        signed(own, alice._replace(issuer="https://somebody.example")),
        f"{raised.rstrip('=')}.{rest}",
        f"{body}.{rest}x",
        body,
        f"{body}..",
        attempt.partition("=")[2].partition(";")[0],
        issuer.token(sub="alice", scope="payments:settle"),
        "",
        "x" * 3000,
        f"{text[:-1]};{SESSION}={text}",
    ):
        assert browser.with_session(value) == 303, value


def test_a_session_lasts_as_long_as_the_id_token_an_hour_at_least_and_eight_at_most(
    browser: Browser, console: Any
) -> None:
    for lasts, expected in ((300, 3600), (7200, 7200), (90000, 8 * 3600)):
        browser.sign_in(exp=int(time.time()) + lasts)
        session = Cookies([KEYS[0]], URL).session({SESSION: browser.session or ""})
        assert session
        assert abs(session.expires - time.time() - expected) < 5
        browser.client.delete_cookie(SESSION, domain="payments.example")


@pytest.mark.parametrize("given", [" ", "alice", "__Host-console=x"])
def test_no_header_but_the_two_says_who_calls(browser: Browser, issuer: Issuer, given: str) -> None:
    smuggled = dict.fromkeys(("X-Forwarded-User", "X-Remote-User", "X-Caller", "X-Auth-Request-User", "Cookie2"), given)
    assert browser.ask("GET", NOTHING, smuggled).status_code == 303
    assert browser.with_session(given) == 303


def test_a_program_enters_with_a_token_and_an_id_token_is_none(browser: Browser, issuer: Issuer) -> None:
    def bearer(**claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {issuer.token(**claims)}"}

    assert browser.ask("GET", SETTLE, bearer(scope="payments:settle")).status_code not in (303, 401, 403)
    assert browser.ask("GET", SETTLE, bearer(scope="payments:read")).status_code == 403
    browser.sign_in("bob")
    for wrong in (bearer(aud="the:console", scope="payments:settle"), {"Authorization": "Bearer garbage"}):
        answer = browser.ask("GET", SETTLE, wrong)
        assert (answer.status_code, "invalid_token" in answer.headers["WWW-Authenticate"]) == (401, True)


FROM_ELSEWHERE: list[dict[str, str]] = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "https://neighbour.payments.example"},
    {"Sec-Fetch-Site": "none", "Origin": URL},
    {"Origin": "null"},
    {"Origin": "https://payments.example.evil.example"},
    {"Origin": "http://payments.example"},
]


@pytest.mark.parametrize("headers", FROM_ELSEWHERE)
def test_a_form_of_another_page_does_nothing(browser: Browser, headers: dict[str, str]) -> None:
    browser.sign_in("bob")
    for path in (SETTLE, "/console/sign-out"):
        answer = browser.ask("POST", path, headers)
        assert answer.status_code == 403
        assert "Nothing was done" in answer.text
    assert browser.get(NOTHING).status_code == 404, "still signed in"


@pytest.mark.parametrize("headers", [FROM_HERE, {"Origin": URL}])
def test_signing_out_ends_the_session_and_says_where_the_provider_s_ends(
    browser: Browser, issuer: Issuer, headers: dict[str, str], console: Any
) -> None:
    forget(console)
    issuer.also_says = {"end_session_endpoint": f"{issuer.url}/logout?x=1"}
    browser.sign_in()
    answer = browser.ask("POST", "/console/sign-out", headers)
    assert answer.status_code == 200
    assert f'href="{issuer.url}/logout?x=1&amp;client_id=the%3Aconsole"' in answer.text
    assert "Signed in as" not in answer.text
    assert "hx-get" not in answer.text, "it would be told to load the page anew, for ever"
    assert browser.get(NOTHING).status_code == 303


@pytest.mark.parametrize(
    "text",
    [
        "/console",
        "/console?x=1",
        "/console/payments?q=a%26b&from=2026-01-01T00:00:00%2B05:30",
        "/console/payments/7/json",
    ],
)
def test_a_sign_in_goes_on_to_any_page_of_the_console(text: str) -> None:
    assert own_address(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "https://evil.example/console",
            "//evil.example/console",
            "/\\evil.example",
            "\\/console",
            "javascript:alert(1)",
        ),
        *(
            "/consolex",
            "/console.evil.example",
            "/console@evil.example",
            "/payments",
            "console",
            " /console",
            "/console\n/x",
        ),
        *("/console/../payments", "/console/%2e%2e/payments", "/console/.%2E/x", "/console/\\..\\x", "/console/%5cx"),
        *(
            "/console/sign-out",
            "/console/signed-in?code=x&state=y",
            "/console/sign-in?next=/console",
            "/console/\u00e9",
        ),
        *("/console/%0d%0aSet-Cookie:x", "/console?\r\nX: y", "/console/" + "x" * 2000),
    ],
)
def test_a_sign_in_goes_on_to_nothing_else(text: str) -> None:
    assert own_address(text) == "/console"


COMPLETE = {
    "AUTH_ISSUERS": '[{"issuer": "https://id.example"}]',
    "CONSOLE_CLIENT_ID": "console",
    "CONSOLE_SESSION_KEY": KEYS[0],
    "CONSOLE_URL": URL,
}
TWO = '[{"issuer": "https://id.example"}, {"issuer": "https://two.example"}]'


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"AUTH_ISSUERS": ""}, "CONSOLE_CLIENT_ID needs AUTH_ISSUERS"),
        ({"CONSOLE_SESSION_KEY": ""}, "CONSOLE_CLIENT_ID needs CONSOLE_SESSION_KEY"),
        ({"CONSOLE_URL": ""}, "CONSOLE_CLIENT_ID needs CONSOLE_URL"),
        ({"AUTH_ISSUERS": TWO}, "CONSOLE_ISSUER must say at which of AUTH_ISSUERS"),
        ({"CONSOLE_ISSUER": "https://id.example/"}, "CONSOLE_ISSUER must be one of AUTH_ISSUERS"),
        ({"AUTH_ISSUERS": '[{"issuer": "cluster", "keys": "/keys"}]'}, "CONSOLE_ISSUER must be an https:// URL"),
        ({"CONSOLE_CLIENT_ID": "payment-service"}, "CONSOLE_CLIENT_ID must not be the audience of the API's tokens"),
        ({"CONSOLE_CLIENT_ID": "two words"}, "CONSOLE_CLIENT_ID must be 1 to 255"),
        ({"CONSOLE_SESSION_KEY": "s3cr3t"}, "CONSOLE_SESSION_KEY must be at least 32 characters"),
        ({"CONSOLE_SESSION_KEY": f"{KEYS[0]} s3cr3t"}, "CONSOLE_SESSION_KEY must be at least 32 characters"),
        ({"CONSOLE_URL": "http://payments.example"}, "CONSOLE_URL must be an https:// URL without a path"),
        ({"CONSOLE_URL": f"{URL}/pay"}, "CONSOLE_URL must be an https:// URL without a path"),
        ({"CONSOLE_SCOPE": "profile"}, "CONSOLE_SCOPE must be words with a blank in between, openid among them"),
    ],
)
def test_settings_that_do_not_fit_stop_the_start_with_one_line(changed: dict[str, str], says: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        console_of(**{**COMPLETE, **changed})
    assert str(stopped.value).startswith(f"payment-service cannot start: {says}")
    assert "s3cr3t" not in str(stopped.value)
    assert "\n" not in str(stopped.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"AUTH_ISSUERS": TWO, "CONSOLE_ISSUER": "https://two.example"},
        {"CONSOLE_URL": "http://localhost:8082/", "CONSOLE_SCOPE": "openid payments:read"},
    ],
)
def test_settings_that_fit_do_not(changed: dict[str, str]) -> None:
    _, module = console_of(**{**COMPLETE, **changed})
    client = module.desk.entrance.ways[""].client
    assert client.issuer.name == changed.get("CONSOLE_ISSUER", "https://id.example")
    assert client.returns_to == f"{changed.get('CONSOLE_URL', URL).rstrip('/')}/console/signed-in"


def test_without_a_client_the_console_is_closed_to_people_and_says_what_to_set(issuer: Issuer) -> None:
    app, _ = console_of(AUTH_ISSUERS=json.dumps([{"issuer": issuer.url}]))
    browser = Browser(app, issuer)
    for method, path in (
        ("GET", NOTHING),
        ("POST", SETTLE),
        ("GET", "/console/sign-in"),
        ("GET", "/console/signed-in"),
    ):
        answer = browser.ask(method, path, FROM_HERE)
        assert answer.status_code == 401
        assert "<code>CONSOLE_CLIENT_ID</code>" in answer.text
    token = {"Authorization": f"Bearer {issuer.token(scope='payments:read')}"}
    assert browser.ask("GET", NOTHING, token).status_code == 404


def test_an_open_console_asks_nobody_and_takes_forms_of_its_own_pages_alone(serve: Callable[[str], Any]) -> None:
    console = serve("console")
    assert "Open to everybody" in console.ask("GET", NOTHING).text
    for path in ("/console/sign-in", "/console/signed-in"):
        assert console.ask("GET", path).headers["Location"] == "/console"
    for headers in FROM_ELSEWHERE:
        assert console.ask("POST", "/console/sign-out", headers=headers).status_code == 403
    for headers in (FROM_HERE, {"Origin": "http://192.0.2.7:8082", "Host": "192.0.2.7:8082"}):
        assert console.ask("POST", "/console/sign-out", headers=headers).status_code == 303


LOADED = """
import sys, functions_framework
client = functions_framework.create_app("console", "functions/console/main.py").test_client()
for path in ("/console/files/x", "/console/sign-in", "/console/nothing"):
    client.get(path, headers={"Cookie": "__Host-console=x.y.z"})
    print(*sorted({"jwt", "cryptography", "oauthlib"} & sys.modules.keys()), sep=",")
"""


def test_nothing_waits_for_what_signing_in_imports_but_whoever_signs_in(issuer: Issuer) -> None:
    def loaded(**settings: str) -> list[str]:
        command = [sys.executable, "-c", LOADED]
        environment = {"PATH": os.environ["PATH"], "LOG_LEVEL": "ERROR", **settings}
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.splitlines()

    assert loaded() == ["", "", ""]
    settings = {**COMPLETE, "AUTH_ISSUERS": json.dumps([{"issuer": issuer.url}])}
    assert loaded(**settings) == ["cryptography,jwt", *["cryptography,jwt,oauthlib"] * 2]
