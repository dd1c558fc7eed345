"""Whatever a fare was made of and whatever taxes it includes: the lines of its receipt add up to the amount."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform.page_values import TaxLine
from shared.pricing.fare import compute_fare
from shared.reading.receipts.lines import fare_lines, included_taxes
from shared.rules.money import WHOLE, smallest_unit

CURRENCIES = st.sampled_from(["INR", "USD", "KWD", "JPY", *WHOLE])
PRICES = st.decimals(0, 1000, places=6, allow_nan=False)
TAXES = st.lists(st.decimals("0.0001", 100, places=4), max_size=6).map(
    lambda rates: [TaxLine(f"tax {place}", rate) for place, rate in enumerate(rates)]
)


def lines(amount: str, currency: str = "INR", **changes: str) -> list[tuple[str, str]]:
    fare: dict[str, Any] = {
        "base_fare": "5.00",
        "distance_km": "10.5",
        "rate_per_km": "2.50",
        "surge_multiplier": "1.2",
    }
    return [
        (line.kind, str(line.amount))
        for line in fare_lines(
            Decimal(amount), currency, {name: Decimal(text) for name, text in (fare | changes).items()}
        )
    ]


@given(
    base=PRICES,
    distance=PRICES,
    rate=PRICES,
    surge=st.decimals(0, 5, places=3),
    currency=CURRENCIES,
    steps=st.integers(1, 500),
)
def test_the_lines_of_a_fare_add_up_to_what_was_charged(
    base: Decimal, distance: Decimal, rate: Decimal, surge: Decimal, currency: str, steps: int
) -> None:
    rounding = smallest_unit(currency) * steps
    base += rounding  # so that it never rounds to nothing, which is not charged
    fare = compute_fare(base, distance, rate, surge, rounding)
    shown = fare_lines(fare.total, currency, fare._asdict())
    assert sum(line.amount for line in shown) == fare.total
    assert all(line.amount % smallest_unit(currency) == 0 and line.amount != 0 for line in shown)
    exact = {"base_fare": base, "distance": distance * rate}
    assert all(abs(line.amount - exact[line.kind]) < smallest_unit(currency) for line in shown if line.kind in exact)


@given(units=st.integers(1, 10**12), currency=CURRENCIES, taxes=TAXES)
def test_what_is_left_without_taxes_and_the_taxes_are_the_amount(
    units: int, currency: str, taxes: list[TaxLine]
) -> None:
    unit = smallest_unit(currency)
    amount = units * unit
    net, amounts = included_taxes(amount, currency, taxes)
    assert net + sum(amounts) == amount
    assert all(part >= 0 and part % unit == 0 for part in (net, *amounts))
    exact = amount * 100 / (100 + sum(tax.rate for tax in taxes))
    assert abs(net - exact) < unit
    assert all(abs(part - exact * tax.rate / 100) < unit for part, tax in zip(amounts, taxes, strict=True))


def test_a_fare_is_told_as_it_was_computed() -> None:
    assert lines("36.50") == [("base_fare", "5.00"), ("distance", "26.25"), ("surge", "5.25")]


def test_a_line_for_nothing_is_left_out() -> None:
    assert lines("26.25", base_fare="0.00", surge_multiplier="1.0") == [("distance", "26.25")]


def test_a_surge_below_one_takes_away() -> None:
    assert lines("18.13", surge_multiplier="0.5") == [("base_fare", "5.00"), ("distance", "26.25"), ("surge", "-13.12")]


def test_what_rounding_to_whole_rupees_added_is_a_line() -> None:
    assert lines("37.00")[-1] == ("rounding", "0.50")
    assert lines("36.00")[-1] == ("rounding", "-0.50")


def test_yen_have_no_decimals() -> None:
    assert lines("37.00", "JPY") == [("base_fare", "5.00"), ("distance", "27.00"), ("surge", "5.00")]
    assert included_taxes(Decimal("100.00"), "JPY", [TaxLine("VAT", Decimal(10))]) == (
        Decimal("91.00"),
        [Decimal("9.00")],
    )


@pytest.mark.parametrize("currency", ["INR", "JPY"])
def test_an_amount_that_came_with_the_request_is_one_line(currency: str) -> None:
    assert fare_lines(Decimal("150.00"), currency, None) == [("fare", Decimal("150.00"))]


def test_equal_taxes_are_equal_where_that_adds_up() -> None:
    taxes = [TaxLine("CGST", Decimal("2.5")), TaxLine("SGST", Decimal("2.5"))]
    assert included_taxes(Decimal("36.50"), "INR", taxes) == (Decimal("34.76"), [Decimal("0.87"), Decimal("0.87")])
