"""Amounts in the unit that Stripe counts a currency in."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.gateways.stripe.money import minor_units, moved_of_minor_units, of_minor_units

AMOUNTS = some.decimals(Decimal("0.01"), Decimal("9999999999.99"), places=2)
NONE = ["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"]
THREE = ["BHD", "JOD", "KWD", "OMR", "TND"]
WHOLE = ["ISK", "UGX"]


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("10.00", "USD", 1000),
        ("150.00", "INR", 15000),
        ("0.01", "EUR", 1),
        ("9999999999.99", "INR", 999999999999),
        ("500.00", "JPY", 500),
        ("500.50", "JPY", None),
        ("5.12", "KWD", 5120),
        ("5.124", "KWD", None),
        ("5.00", "ISK", 500),
        ("5.00", "UGX", 500),
        ("5.10", "UGX", None),
        ("10.45", "HUF", 1045),
        ("800.45", "TWD", 80045),
    ],
)
def test_the_examples_of_the_documentation_hold(amount: str, currency: str, units: int | None) -> None:
    assert minor_units(Decimal(amount), currency) == units


@given(AMOUNTS, some.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3))
def test_most_currencies_are_counted_in_hundredths_exactly(amount: Decimal, currency: str) -> None:
    if currency not in NONE + THREE + WHOLE:
        assert minor_units(amount, currency) == int(amount.scaleb(2))


@given(AMOUNTS, some.sampled_from(NONE))
def test_currencies_without_decimals_are_counted_whole_or_not_at_all(amount: Decimal, currency: str) -> None:
    assert minor_units(amount, currency) == (int(amount) if amount == int(amount) else None)


@given(AMOUNTS, some.sampled_from(THREE))
def test_currencies_of_three_decimals_end_in_zero_and_lose_nothing(amount: Decimal, currency: str) -> None:
    units = minor_units(amount, currency)
    assert units is not None
    assert units % 10 == 0
    assert Decimal(units) == amount * 1000


@given(AMOUNTS, some.sampled_from(WHOLE))
def test_some_whole_currencies_are_counted_in_hundredths(amount: Decimal, currency: str) -> None:
    units = minor_units(amount, currency)
    assert units is None if amount % 1 else units == int(amount) * 100


@given(AMOUNTS, some.one_of(some.sampled_from(NONE + THREE + WHOLE), some.just("INR")))
def test_what_is_counted_in_units_is_the_same_amount_when_it_is_read(amount: Decimal, currency: str) -> None:
    units = minor_units(amount, currency)
    if units is not None:
        assert of_minor_units(units, currency) == amount


@pytest.mark.parametrize(
    ("units", "currency"),
    [
        *((units, "INR") for units in ("15000", 150.0, None, True, 0, -1, 10**12, 10**40)),
        *((5124, "KWD"), (10**10, "JPY")),
    ],
)
def test_what_is_no_amount_of_ours_is_none(units: object, currency: str) -> None:
    assert of_minor_units(units, currency) is None


@given(AMOUNTS, some.sampled_from([*NONE, *THREE, *WHOLE, "INR"]))
def test_what_goes_out_is_read_as_what_comes_in_and_nothing_as_nothing(amount: Decimal, currency: str) -> None:
    units = minor_units(amount, currency)
    if units is not None:
        assert moved_of_minor_units(-units, currency) == -amount
    assert moved_of_minor_units(0, currency) == 0


@pytest.mark.parametrize("units", ["15000", 150.0, None, True, 10**16, -(10**16), 10**40])
def test_what_no_books_can_hold_is_none(units: object) -> None:
    assert moved_of_minor_units(units, "INR") is None
    assert moved_of_minor_units(10**16 - 1, "INR") == Decimal("99999999999999.99")
