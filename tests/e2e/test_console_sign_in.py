"""People sign in to the console at a real provider, through the front door: as plain HTTP, and in a browser."""

import html
import re

import pytest
from playwright.sync_api import expect

from tests.e2e.service import Service, await_that
from tests.fakes.issuer import Issuer
from tests.support.browser import Browser
from tests.support.provider import Person, Provider


@pytest.fixture
def alice() -> Person:
    return Person("alice")


def sign_out(person: Person, console: str) -> str:
    answer = person.ask("POST", f"{console}/console/sign-out", headers={"Origin": console})
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_whoever_signs_in_gets_to_the_page_and_may_do_what_the_provider_s_token_says(
    guarded: Service, company: Provider, alice: Person, prefix: str
) -> None:
    answer = alice.get(f"{company.console}{prefix}/console/payments?status=PENDING")
    assert (answer.status_code, answer.url) == (200, f"{company.console}/console/payments?status=PENDING")
    assert "Signed in as alice" in answer.text
    assert alice.ask("GET", f"{company.console}/console/payments").status_code == 200
    refused = alice.ask("GET", f"{company.console}/console/settle/PAY-1")
    assert refused.status_code == 403
    assert "This wants the permission payments:settle." in refused.text
    assert f"{company.url} alice" in refused.text


def test_whose_token_the_api_would_not_take_may_do_nothing(guarded: Service, company: Provider) -> None:
    """Whatever was asked for, and whatever the provider says was given."""
    answer = Person("opaque-olga").get(f"{company.console}/console")
    assert answer.status_code == 403
    assert "This wants the permission payments:read." in answer.text
    assert f"{company.url} opaque-olga" in answer.text


def test_whoever_turns_back_at_the_provider_is_told_so(guarded: Service, company: Provider, alice: Person) -> None:
    asked = alice.get(f"{company.console}/console", until="/interaction/")
    answer = alice.get(f"{asked.url}/abort")
    assert answer.status_code == 403
    assert "did not let you in" in answer.text
    assert alice.ask("GET", f"{company.console}/console").status_code == 303


def test_a_code_is_good_once(guarded: Service, company: Provider, alice: Person) -> None:
    back = alice.get(f"{company.console}/console", until="/console/signed-in?").url
    kept = alice.session.cookies.copy()
    assert alice.ask("GET", back).status_code == 303
    thief = Person("mallory")
    assert "was not begun in this browser" in thief.get(back).text
    thief.session.cookies.update(kept)
    answer = thief.ask("GET", back)
    assert (answer.status_code, "it was used already" in answer.text) == (400, True)
    assert "__Host-console" not in thief.session.cookies


def test_signing_out_ends_the_session_here_and_leads_to_where_the_provider_s_ends(
    guarded: Service, company: Provider, alice: Person
) -> None:
    alice.get(f"{company.console}/console")
    (elsewhere,) = re.findall(r'href="(http://localhost[^"]+)"', sign_out(alice, company.console))
    assert "__Host-console" not in alice.session.cookies
    assert "sign-out" in alice.ask("GET", html.unescape(elsewhere)).text
    # Where the provider still knows her, she is in again at once.
    assert "Signed in as alice" in alice.get(f"{company.console}/console").text


def test_a_program_enters_with_its_token_and_the_function_decides(
    guarded: Service, issuer: Issuer, alice: Person
) -> None:
    address = f"http://127.0.0.1:{guarded.port}/console"
    for token, status in ((issuer.token(scope="payments:read"), 200), (issuer.token(), 403), ("garbage", 401)):
        answer = alice.ask("GET", address, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "text/html; charset=utf-8")


def test_the_log_says_who_signed_in_and_nothing_that_is_secret(
    guarded: Service, company: Provider, alice: Person
) -> None:
    back = alice.get(f"{company.console}/console", until="/console/signed-in?").url
    alice.get(back)
    session = alice.session.cookies["__Host-console"]
    await_that(lambda: '"signed in"' in guarded.logs()["console"], "the sign-in is logged")
    names = {line["caller"] for line in guarded.log_lines("console") if line["message"] == "signed in"}
    assert f"{company.url} alice" in names
    (code,) = re.findall(r"code=([^&]+)", back)
    for text in guarded.logs().values():
        for secret in (code, session, company.secret, "s3cr3t-key-of-the-sessions"):
            assert secret not in text


def test_a_browser_signs_in_and_out_with_strict_cookies(guarded: Service, company: Provider, browser: Browser) -> None:
    """The provider's is another site: a strict cookie does not come along with what it sends."""
    with browser.open() as tab:
        page = tab.page
        page.goto(f"{company.console}/console/attention")
        page.fill("[name=login]", "bob")
        page.fill("[name=password]", "any")
        page.get_by_role("button", name="Sign-in").click()
        page.get_by_role("button", name="Continue").click()
        expect(page.locator("header.container")).to_contain_text("Signed in as bob")
        assert page.evaluate("document.cookie") == "", "the session is in no script's reach"
        page.click("form.who button")
        expect(page.locator("main")).to_contain_text("You are signed out")
