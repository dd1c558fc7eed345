"""The console in a real browser: as whoever is on call uses it, on a phone, by keyboard, without JavaScript."""

import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.client import Client
from tests.e2e.service import Service
from tests.support.barriers import COLOURS, barriers
from tests.support.browser import Browser, Tab
from tests.support.hostile import BIDI, MARKUP, SCHEME

PHONE = {"width": 360, "height": 740}
# A browser ends a paragraph before what has no place in one, and what follows is no longer laid out with it.
ENDS_A_PARAGRAPH = re.compile(r"<p\b[^>]*>(?:(?!</p>).)*?<(?:form|div|dl|p|section|table|ul)\b[^>]*>", re.DOTALL)
# A reconciliation that found one difference of each kind, with the longest names and texts that there may be.
DIFFERENCES = """
WITH reconciliation AS (
    INSERT INTO reconciliations (gateway, account, from_at, to_at, phase, finished_at, movements, differences,
                                not_yet_due)
    VALUES ('stripe', 'acct_1032D82eZvKYlo2C/live', 'yesterday', 'today', 'done', now(), 123456, 4, 0)
    RETURNING reconciliation_id
)
INSERT INTO reconciled_movements (reconciliation_id, movement, kind, at, object_id, charge_id, reference, payment_id, currency,
                                  their_amount, our_amount, their_status, our_status, verdict, why, run)
SELECT reconciliation_id, 'txn_' || repeat('x', n::int * 20), 'charge', now(), 'pi_3MtwBwLkdIwHu7ix28a3tqPa',
       'pi_3MtwBwLkdIwHu7ix28a3tqPa', 'PAY-20261125-HX5FJWC0DDAR47GP', CASE WHEN n > 1 THEN %s::bigint END, 'INR',
       1234567.89, 1234567.8, 'succeeded', 'SUCCESS', verdict, %s, 1
  FROM reconciliation,
       unnest(ARRAY['missing_here', 'amount_differs', 'status_differs', 'missing_there']) WITH ORDINALITY AS kind (verdict, n)
RETURNING reconciliation_id
"""


@pytest.fixture
def tab(service: Service, browser: Browser) -> Iterator[Tab]:
    """A window that is open at the console, and has nothing to complain about at the end, nor asked anybody else."""
    with browser.open(base_url=f"http://127.0.0.1:{service.port}") as tab:
        yield tab
        assert tab.complaints == []
        assert {address.split("/")[2] for address in tab.asked} == {f"127.0.0.1:{service.port}"}


@pytest.fixture(scope="module")
def told(service: Service) -> Iterator[dict[str, Any]]:
    """Payments that everything can be said of, by what they are. The sweep stands still meanwhile: what is pending stays so."""
    client = Client(service.port)
    refunded = client.pay(trip_id=1_900_007, amount=None, metadata={"note": "airport"}).json
    client.refund(refunded["payment_id"], amount=1, metadata={"reason": "Waited too long"})
    hostile = f"</script></title>{MARKUP}{SCHEME}{BIDI}"
    payments = {
        "refunded in part": refunded,
        "declined": client.pay(metadata={"simulate": "decline"}).json["payment"],
        "hostile": client.pay(metadata={hostile: hostile}).json,
        "history": client.get("/payments/1").json,
    }
    client.refund(payments["hostile"]["payment_id"], amount=1, metadata={"reason": hostile})
    with service.database() as run:
        run(DIFFERENCES, refunded["payment_id"], f"{hostile} {'x' * 100}")
    with service.frozen("/functions/sweep/main.py"):
        payments["pending"] = client.pay(metadata={"simulate": "timeout"}).json
        client.close()
        yield payments


def pages(told: dict[str, Any]) -> list[str]:
    """The address of every kind of page."""
    of_payments = [f"/console/payments/{payment['payment_id']}" for payment in told.values()]
    refund = f"{of_payments[0]}/refund?form={uuid.uuid4()}"
    return [
        *[f"/console?period={period}" for period in ("day", "month")],
        "/console/payments",
        "/console/payments?status=FAILED&amount_from=0.01",
        "/console/attention",
        "/console/reconciliation",
        "/console/reconciliation/1",
        *of_payments,
        refund,
        refund.replace("?", "/confirm?") + "&amount=1.00&reason=Late",
        f"/console/settle/{told['pending']['reference']}",
        f"{of_payments[0]}/receipt",
    ]


def rows(page: Page, reference: str) -> Any:
    return page.locator("tr", has_text=reference)


def test_a_payment_that_was_just_made_is_found_and_half_of_it_refunded_once_by_a_double_click(
    tab: Tab, client: Client
) -> None:
    page = tab.page
    page.goto("/console")
    page.get_by_role("link", name="Payments").click()
    payment = client.pay(amount=150).json
    expect(rows(page, payment["reference"])).to_have_count(1)  # by itself, without a reload
    page.click(f"text={payment['reference']}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("₹150.00")
    expect(page.locator(".timeline")).to_contain_text("asked to charge")
    page.click("text=Refund")
    page.fill("#amount", "75")
    page.fill("#reason", "The driver took a detour")
    page.click("text=Continue")
    page.dblclick("main button")
    expect(page.locator("main")).to_contain_text("₹75.00 was given back")
    refunds = client.get(f"/payments/{payment['payment_id']}/refunds").json["data"]
    assert [refund["refund_amount"] for refund in refunds] == [75.0]
    assert refunds[0]["reason"] == "The driver took a detour"

    page.reload()
    for _ in range(2):  # the confirmation and the form show what came of them
        page.go_back()
        expect(page.locator("main")).to_contain_text("₹75.00 was given back")
    assert len(client.get(f"/payments/{payment['payment_id']}/refunds").json["data"]) == 1
    page.click("text=Back to the payment")
    expect(page.locator("main")).to_contain_text("The driver took a detour")


def test_its_receipt_is_a_page_and_a_file_to_print(tab: Tab, told: dict[str, Any]) -> None:
    page = tab.page
    page.goto(f"/console/payments/{told['refunded in part']['payment_id']}")
    page.click("text=Receipt")
    expect(page.locator("body")).to_contain_text(told["refunded in part"]["reference"])
    file = page.request.get(f"{page.url}?format=pdf")
    assert (file.headers["content-type"], file.body()[:5]) == ("application/pdf", b"%PDF-")
    # A sheet of A4 as the browser prints it.
    assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4"))) == 1


def test_hostile_metadata_is_shown_as_text(tab: Tab, told: dict[str, Any]) -> None:
    page = tab.page
    page.goto(f"/console/payments/{told['hostile']['payment_id']}")
    assert "owned" not in page.title()
    assert page.locator("main script, main img, main iframe").count() == 0
    expect(page.locator("main")).to_contain_text(MARKUP.strip().splitlines()[0][:20])


def test_on_a_phone_nothing_is_cut_off_nor_scrolls_sideways(
    service: Service, browser: Browser, told: dict[str, Any]
) -> None:
    with browser.open(base_url=f"http://127.0.0.1:{service.port}", viewport=PHONE, has_touch=True) as tab:
        for address in pages(told):
            tab.page.goto(address)
            assert tab.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], address


def test_it_is_wholly_usable_by_keyboard(tab: Tab, client: Client) -> None:
    page = tab.page
    payment = client.pay(amount=40).json
    page.goto("/console/payments")
    page.keyboard.press("Tab")
    assert focused(page) == "To the content"
    page.keyboard.press("Enter")
    go_to(page, lambda: page.evaluate("document.activeElement.id") == "q")
    page.keyboard.type(payment["reference"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/console/payments/{payment['payment_id']}")
    go_to(page, lambda: focused(page).startswith("Refund"))
    page.keyboard.press("Enter")
    page.wait_for_url("**/refund?form=*")
    go_to(page, lambda: page.evaluate("document.activeElement.id") == "amount")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("15.50")
    page.keyboard.press("Enter")
    page.wait_for_url("**/refund/confirm?*")
    go_to(page, lambda: focused(page) == "Refund ₹15.50")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("₹15.50 was given back")


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.textContent.trim()"))


def go_to(page: Page, there: Callable[[], bool]) -> None:
    """By Tab alone; whatever has the focus on the way shows it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        outline = page.evaluate(
            "(({outlineStyle, boxShadow}) => [outlineStyle, boxShadow])(getComputedStyle(document.activeElement))"
        )
        assert outline != ["none", "none"], page.evaluate("document.activeElement.outerHTML")
        if there():
            return
    pytest.fail("not reached by Tab")


def test_without_javascript_everything_works_but_what_is_live(
    service: Service, browser: Browser, client: Client
) -> None:
    payment = client.pay(amount=20).json
    with browser.open(base_url=f"http://127.0.0.1:{service.port}", java_script_enabled=False) as tab:
        page = tab.page
        page.goto("/console/payments")
        page.fill("#q", payment["reference"])
        page.click("text=Search")
        page.click("text=Ask again now")
        expect(page.locator("main")).to_contain_text("was asked again and says")
        page.click("text=Refund")
        page.click("text=Continue")
        page.click("main button")
        expect(page.locator("main")).to_contain_text("₹20.00 was given back")
        assert tab.complaints == []


def test_nothing_keeps_anybody_out(service: Service, browser: Browser, told: dict[str, Any]) -> None:
    """By axe-core's rules; in the dark by those of colours once more. The pages' own policy would let no such script in."""
    found = []
    with browser.open(base_url=f"http://127.0.0.1:{service.port}", reduced_motion="reduce", bypass_csp=True) as tab:
        for address in pages(told):
            tab.page.emulate_media(color_scheme="light")
            tab.page.goto(address)
            found += [f"{address}: {finding}" for finding in barriers(tab.page)]
            tab.page.emulate_media(color_scheme="dark")
            found += [f"{address} in the dark: {finding}" for finding in barriers(tab.page, COLOURS)]
    assert found == []


def test_every_page_has_nothing_to_complain_about_and_asks_nobody_else(tab: Tab, told: dict[str, Any]) -> None:
    for address in pages(told):
        answer = tab.page.goto(address, wait_until="networkidle" if address.startswith("/console?") else "load")
        assert tab.page.title(), address
        assert answer
        assert not ENDS_A_PARAGRAPH.search(answer.text()), address
