"""Money and time in words for people."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from shared.platform.settings import Settings
from shared.reading.words import Words

MOMENT = datetime(2026, 11, 26, 20, 48, 17, tzinfo=UTC)


def words(locale: str = "en_IN", zone: str = "UTC") -> Words:
    return Words(Settings.read({"LOCALE": locale, "TIME_ZONE": zone}))


@pytest.mark.parametrize(
    ("locale", "currency", "amount", "written"),
    [
        ("en_IN", "INR", "123456.00", "₹1,23,456.00"),
        ("en_US", "INR", "123456", "₹123,456.00"),
        ("hi_IN", "INR", "9999999999.99", "₹9,99,99,99,999.99"),
        ("en_US", "JPY", "15000.00", "¥15,000"),
        ("en_IN", "INR", "-0.10", "-₹0.10"),
        ("en_IN", "LBP", "10.50", "LBP\xa010.50"),
        ("en_IN", "INR", "2.505", "₹2.505"),
        ("en_IN", "INR", "0.00", "₹0.00"),
    ],
)
def test_an_amount_has_its_currency_s_own_format_and_all_its_decimals(
    locale: str, currency: str, amount: str, written: str
) -> None:
    assert words(locale).money(Decimal(amount), currency) == written


def test_a_moment_is_told_in_the_time_zone_that_is_set() -> None:
    there = words(zone="Asia/Kolkata")
    assert there.moment(MOMENT) == "27 Nov 2026, 2:18\u202fAM IST"
    assert there.moment(MOMENT, seconds=True) == "27 Nov 2026, 2:18:17\u202fAM IST"
    assert there.day(MOMENT) == "27 Nov 2026"
    assert words().day(MOMENT) == "26 Nov 2026"
    assert words().day(MOMENT.date()) == "26 Nov 2026"


def test_how_long_is_said_in_the_largest_unit() -> None:
    assert words().ago(MOMENT - timedelta(hours=3), MOMENT) == "3 hours ago"
    assert words().duration(70) == "1 minute"
    assert words().duration(0.0234) == "23 ms"


def test_numbers_lose_no_decimal() -> None:
    assert words().number(Decimal("1.2000")) == "1.2"
    assert words().number(Decimal("12345.678901")) == "12,345.678901"


def test_pages_are_in_english_as_the_country_of_the_locale_has_it() -> None:
    assert words("hi_IN").language == "en-IN"
    assert words("en").language == "en"
