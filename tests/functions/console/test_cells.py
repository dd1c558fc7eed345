"""All cells side by side: what each tells of itself, and what stands in its place where it tells nothing."""

from decimal import Decimal
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from functions.console.cells import _declined
from shared.reading.figures import Happened
from shared.rules.cells import read_cells
from tests.functions.console.conftest import Visitor
from tests.sql.rows import a_key, a_payment, a_refund
from tests.support.barriers import barriers
from tests.support.browser import Browser
from tests.support.cells import console_of, down, one_address, served
from tests.support.cluster import Place

CELLS = "mumbai=0,delhi=2,pune=3,agra=4,goa=5"
PREFIXED = {"X-Forwarded-Prefix": "/cells/mumbai"}
STANDING = "/console/standing"
GUARDED = {
    "AUTH_ISSUERS": '[{"issuer": "https://id.example"}]',
    "CONSOLE_CLIENT_ID": "console",
    "CONSOLE_SESSION_KEY": "a-key-of-the-sessions-of-these-tests",
    "CONSOLE_URL": "http://localhost",
}


def test_the_page_of_all_cells_has_their_names_and_asks_no_database(visitor: Visitor) -> None:
    visitor.till.change(cell_name="mumbai", cells=read_cells(CELLS))
    page = visitor.get("/console/cells")
    assert "mumbai cell 0" in page.text
    assert [each for each in page.links if each.endswith("/console")] == [
        "/console",
        *(f"/cells/{name}/console" for name in ("mumbai", "delhi", "pune", "agra", "goa")),
    ]
    asked = [each["hx-get"] for each in page.all("div") if "hx-get" in each]
    assert asked == [f"/cells/{name}{STANDING}" for name in ("mumbai", "delhi", "pune", "agra", "goa")]
    loaded = [str(each["href"]) for each in page.all("link")[1:]] + [str(each["src"]) for each in page.all("script")]
    assert all(each.startswith("/cells/mumbai/console/files/") for each in loaded), "of the version that shows the page"
    assert visitor.till.database.ran == []


def test_one_cell_has_no_such_page(visitor: Visitor) -> None:
    for cells in ("", "mumbai=0"):
        visitor.till.change(cell_name="mumbai", cells=read_cells(cells))
        assert visitor.get("/console/cells").status == 404


def test_a_cell_tells_what_happened_today_and_what_waits_for_somebody(visitor: Visitor, place: Place) -> None:
    visitor.till.change(cell_name="mumbai", time_zone="Asia/Kolkata")
    page = visitor.get(STANDING, PREFIXED)
    assert "IST Charged today 0 Revenue ₹0.00 Declined – none was charged or declined Refunds 0" in page.text
    assert "Pending now 0 nothing waits for a gateway Needs attention 0" in page.text
    for _ in range(2):
        a_payment(place.sql)
    a_refund(place.sql, a_payment(place.sql, refunded_amount="10.00"))
    a_payment(place.sql, status="FAILED", failure_code="card_declined")
    a_payment(place.sql, currency="USD")
    at = place.sql.value("SELECT now() - interval '3 hours'")
    a_key(place.sql, a_payment(place.sql, status="PENDING", created_at=at), created_at=at)
    page = visitor.get(STANDING, PREFIXED)
    assert "Charged today 3 Revenue ₹290.00 Declined 25 % 1 of 4 Refunds 1 ₹10.00 given back" in page.text
    assert "Pending now 1 the oldest for 3 hours Needs attention 1" in page.text
    assert page.links == ["/cells/mumbai/console/attention"]
    assert "<html" not in page.html


@pytest.mark.parametrize(
    ("charged", "declined", "told"), [(0, 0, None), (1, 0, "0.0"), (9_999, 1, "0.1"), (1, 2, "66.7"), (0, 1, "100.0")]
)
def test_the_share_that_was_declined_is_never_less_than_it_is(charged: int, declined: int, told: str | None) -> None:
    assert _declined(Happened(charged=charged, declined=declined)) == (told and Decimal(told))


class Cities:
    """Five cells at one address: mumbai has a database, delhi's is not there; pune asks who it is; agra is down, and goa of a
    version before this page. `front`: where they are, which a test may change."""

    def __init__(self, place: Place) -> None:
        def console(number: int, **settings: str) -> Any:
            return console_of(CELL=str(number), CELLS=CELLS, **settings)[0]

        mumbai = console(0, **place.environment)

        def of_an_older_version(environ: dict[str, Any], start: Any) -> Any:
            return mumbai({**environ, "PATH_INFO": "/console/nothing"}, start)

        self.front = {
            "/cells/mumbai": mumbai,
            "/cells/delhi": console(2, DB_HOST="127.0.0.1", DB_PORT="1"),
            "/cells/pune": console(3, **GUARDED),
            "/cells/agra": down,
            "/cells/goa": of_an_older_version,
        }
        self.address = one_address(self.front, mumbai)


@pytest.fixture
def cities(place: Place) -> Cities:
    return Cities(place)


def card(page: Page, cell: str) -> Any:
    return page.locator(".cells > li", has=page.get_by_role("heading", name=cell))


def test_in_a_browser_each_card_has_figures_or_says_why_not(cities: Cities, browser: Browser, place: Place) -> None:
    a_payment(place.sql)
    with served(cities.address) as url, browser.open(base_url=url, reduced_motion="reduce", bypass_csp=True) as tab:
        page = tab.page
        page.clock.install()
        page.route("**/cells/goa/**", lambda route: route.abort(), times=1)
        page.goto("/console")
        expect(card(page, "mumbai")).to_contain_text("Up")
        expect(card(page, "mumbai")).to_contain_text("₹100.00")
        expect(card(page, "delhi")).to_contain_text("This cell's database does not answer.")
        expect(card(page, "pune").get_by_role("link", name="Sign in to this cell")).to_have_attribute(
            "href", "/cells/pune/console/sign-in?next=/console/cells"
        )
        for silent in ("agra", "goa"):
            expect(card(page, silent).get_by_text("It does not answer now")).to_be_visible()
            expect(card(page, silent).get_by_text("Asking")).to_have_count(0)
        expect(page.get_by_text("It does not answer now").locator("visible=true")).to_have_count(2)
        for colours in ("light", "dark"):
            page.emulate_media(color_scheme=colours)
            assert barriers(page) == []
        for width in (320, 1400):
            page.set_viewport_size({"width": width, "height": 700})
            assert page.evaluate("document.documentElement.scrollWidth") <= width

        cities.front["/cells/mumbai"] = down
        page.clock.fast_forward(31_000)
        expect(card(page, "mumbai").get_by_text("It does not answer now")).to_be_visible()
        expect(card(page, "mumbai")).not_to_contain_text("Up")


def fits_a_phone_with_the_longest_name(page: Page) -> None:
    whole = page.viewport_size
    assert whole
    last = page.get_by_role("link", name="goa")
    last.evaluate("link => { link.textContent = 'm'.repeat(32) }")
    page.set_viewport_size({"width": 390, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.set_viewport_size(whole)


def test_the_choice_of_a_cell_works_by_keyboard_and_without_a_script(cities: Cities, browser: Browser) -> None:
    cities.front["/cells/delhi"] = cities.front["/cells/mumbai"]
    with served(cities.address) as url, browser.open(base_url=url, java_script_enabled=False) as tab:
        page = tab.page
        page.goto("/console")
        page.get_by_role("link", name="mumbai").click()
        page.wait_for_url("**/cells/mumbai/console")
        page.get_by_role("link", name="Payments", exact=True).click()
        page.locator("summary", has_text="mumbai").press("Enter")
        expect(page.get_by_role("link", name="mumbai")).to_have_attribute("aria-current", "true")
        fits_a_phone_with_the_longest_name(page)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url("**/cells/delhi/console/payments")
