"""The page of what happened in a period, as the framework serves it, over a real database that the tests share."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from werkzeug.test import TestResponse

from shared.platform.database import Database
from tests.functions.conftest import Served
from tests.sql.rows import a_dispute, a_payment, a_refund
from tests.support import hostile
from tests.support.cluster import Cluster, Place

OF_THE_PAST = "2024-10-26"
DECLINED_BY = "card_declined"


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    """Three payments of now, one of them declined and one given back and disputed in part; and of a day of the past four that
    were imported."""
    with cluster.database() as place:
        a_payment(place.sql)
        payment_id = a_payment(place.sql, refunded_amount="10.00")
        a_refund(place.sql, payment_id)
        a_dispute(place.sql, payment_id, amount="25.00", status="LOST")
        a_dispute(place.sql, payment_id, amount="5.00", status="INQUIRY")
        a_payment(place.sql, status="FAILED", failure_code=DECLINED_BY)
        for time in ("00:30+02", "01:15+02", "23:59+02"):
            a_payment(place.sql, gateway=None, amount="1234567.50", created_at=f"{OF_THE_PAST} {time}")
        a_payment(place.sql, gateway=None, currency="USD", created_at=f"{OF_THE_PAST} 12:00+02")
        yield place


@pytest.fixture(scope="module")
def today(serve: Callable[[str], Served], place: Place) -> Iterator[Served]:
    served, database = serve("console"), Database(place.settings())
    before = served.module.desk
    settings = replace(before.settings, time_zone="Europe/Berlin")
    served.module.desk = before._replace(settings=settings, deps=before.deps._replace(database=database))
    yield served
    served.module.desk = before
    database.close()


def text(answer: TestResponse) -> str:
    """What a person reads of it, blanks made one."""
    assert answer.status_code == 200
    return " ".join(re.sub(r"<[^>]*>", " ", answer.get_data(as_text=True)).split())


def test_the_figures_of_a_month_are_on_one_page(today: Served) -> None:
    shown = text(today.ask("GET", "/console?period=month"))
    assert "Payments 3 2 charged, 1 declined" in shown
    assert "Revenue ₹165.00 net of refunds and disputes" in shown
    assert "Success rate 66.6 % of 3 charged or declined" in shown
    assert "Refunds 1 ₹10.00 given back" in shown
    assert "Disputes 2 ₹25.00 held back or lost" in shown
    assert "Pending now 0 nothing waits for a gateway" in shown
    assert f"{DECLINED_BY} 1" in shown
    assert "half of them (p50)" in shown


def test_a_day_of_the_past_has_its_own_page_in_the_settings_time_zone_and_currency(today: Served) -> None:
    answer = today.ask("GET", f"/console?period=day&at={OF_THE_PAST}")
    shown = text(answer)
    assert "26 Oct 2024 Europe/Berlin" in shown
    assert "Payments 3 3 charged, none declined" in shown
    assert "₹37,03,702.50" in shown
    assert "Besides, in USD: 1 payments, 1 charged, revenue $100.00. It is not added to the above." in shown
    rows = re.findall(
        r'<tr><th scope="row">(?:<a [^>]*>)?([^<]*)(?:</a>)?</th>\s*<td>(\d+)</td>', answer.get_data(as_text=True)
    )
    assert [row for row in rows if row[1] != "0"] == [("00:00", "1"), ("01:00", "1"), ("23:00", "1"), ("Together", "3")]
    assert "every 10s" not in answer.get_data(as_text=True)  # it does not change


def test_a_day_with_25_hours_has_25_bars(today: Served) -> None:
    page = today.ask("GET", "/console?period=week&at=2024-10-27").get_data(as_text=True)
    assert 'href="/console?period=day&amp;at=2024-10-27"' in page
    shown = text(today.ask("GET", "/console?period=day&at=2024-10-27"))
    assert shown.count(" 02:00 ") == 2


@pytest.mark.parametrize(
    ("period", "said"),
    [("hour", "in that hour"), ("day", "on that day"), ("week", "in that week"), ("month", "in that month")],
)
def test_a_period_without_a_payment_says_so(today: Served, period: str, said: str) -> None:
    answer = today.ask("GET", f"/console?period={period}&at=2025-02-05")
    assert f"No payment {said}." in text(answer)
    assert "<svg class" not in answer.get_data(as_text=True)


def test_from_a_period_one_goes_to_the_one_before_and_after_and_to_longer_and_shorter_ones(today: Served) -> None:
    page = today.ask("GET", f"/console?period=day&at={OF_THE_PAST}").get_data(as_text=True)
    for address in (
        "period=day&amp;at=2024-10-25",
        "period=day&amp;at=2024-10-27",
        "period=hour&amp;at=2024-10-25T22%3A00%3A00Z",
        "period=week&amp;at=2024-10-21",
        "period=month&amp;at=2024-10-01",
    ):
        assert f'href="/console?{address}"' in page
    assert f'href="/console/payments?from={OF_THE_PAST}&to={OF_THE_PAST}'.replace("&", "&amp;") in page
    assert today.ask("GET", "/console?period=hour&at=2024-10-25T22%3A00%3A00Z").status_code == 200
    assert 'rel="next"' not in today.ask("GET", "/console").get_data(as_text=True)


def test_the_page_asks_for_its_figures_again_and_gets_them_alone(today: Served) -> None:
    page = today.ask("GET", "/console?period=week").get_data(as_text=True)
    assert 'hx-get="/console?period=week" hx-trigger="every 10s"' in page
    part = today.ask("GET", "/console?period=week", headers={"HX-Request": "true"}).get_data(as_text=True)
    assert part.lstrip().startswith('<section id="figures"')
    assert part.count('hx-swap-oob="true"') == 1
    assert '<div id="table"' in part
    assert "<html" not in part


def test_who_cannot_see_the_chart_is_told_what_it_shows(today: Served) -> None:
    page = today.ask("GET", "/console?period=month").get_data(as_text=True)
    chart = page[page.index('<svg class="chart"') : page.index("</svg>", page.index('<svg class="chart"'))]
    assert 'role="img" aria-labelledby="chart-title" aria-describedby="chart-told"' in chart
    assert "2 charged, 1 declined, 1 refunded." in chart
    day = datetime.now(ZoneInfo("Europe/Berlin"))
    assert f"<title>{day.day} {day:%b %Y}: 2 charged, 1 declined, 1 refunded</title>" in chart
    assert "style=" not in page
    for kind in ("charged", "declined", "refunded"):
        assert f'<pattern id="{kind}"' in chart
        assert f'fill="url(#{kind})"' in chart


def test_what_was_not_counted_is_told(today: Served, place: Place) -> None:
    place.sql.run("UPDATE figures_since SET since = '2024-10-26 12:00Z'")
    assert "Counted since 26 Oct 2024" in text(today.ask("GET", f"/console?at={OF_THE_PAST}"))
    assert "Counted since" not in text(today.ask("GET", "/console?at=2024-10-27"))
    place.sql.run("UPDATE figures_since SET since = '-infinity'")


def test_wrong_parameters_are_named_on_a_page(today: Served) -> None:
    answer = today.ask("GET", "/console", query_string={"period": "year", "at": hostile.MARKUP})
    assert answer.status_code == 400
    page = answer.get_data(as_text=True)
    assert "<strong>period</strong> must be one of hour, day, week, month" in page
    assert "<strong>at</strong> must be a day" in page
    assert "owned" not in page
