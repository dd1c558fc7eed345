"""Amounts: what is one, against exact fractions, and how they are rounded."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rules.money import GREATEST, expresses, is_amount, not_expressing, rounded, smallest_unit

AMOUNTS = st.decimals(min_value=Decimal("0.01"), max_value=GREATEST, places=2)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False)
# ISO 4217, list one: all whose minor unit has another number of decimals than two.
DECIMALS = {
    **dict.fromkeys(["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"], 0),
    **dict.fromkeys(["RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"], 0),
    **dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
CURRENCIES = st.sampled_from(sorted(DECIMALS)) | st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3)


@given(AMOUNTS)
def test_every_number_of_at_most_two_decimals_within_the_limits_is_an_amount(amount: Decimal) -> None:
    assert is_amount(amount)


@given(NUMBERS)
def test_a_number_is_an_amount_exactly_when_it_is_whole_cents_within_the_limits_and_shows_no_third_decimal(
    number: Decimal,
) -> None:
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    cents = Fraction(number) * 100
    assert is_amount(number) == (cents.denominator == 1 and 1 <= cents <= 999999999999 and exponent >= -2)


@given(st.integers())
def test_a_whole_number_is_an_amount_from_one_to_the_greatest(number: int) -> None:
    assert is_amount(number) == (0 < number <= 9999999999)


@pytest.mark.parametrize("text", ["0.01", "1", "1.5", "1e2", "15E+1", "1500e-1", "1.5e0", "9999999999.99"])
def test_an_exponent_that_hides_no_decimal_is_allowed(text: str) -> None:
    assert is_amount(Decimal(text))


@pytest.mark.parametrize(
    "text", ["0", "0.00", "-0.01", "0.001", "1.500", "1500e-3", "1e-2147", "9999999999.995", "10000000000", "1e400"]
)
def test_nothing_or_too_much_or_a_third_decimal_is_no_amount(text: str) -> None:
    assert not is_amount(Decimal(text))


@pytest.mark.parametrize(
    "value", [True, False, None, "1.00", 1.5, [1], Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")]
)
def test_what_is_no_exact_number_is_no_amount(value: object) -> None:
    assert not is_amount(value)


@given(st.decimals(min_value=0, max_value=GREATEST, allow_nan=False, places=6))
def test_rounding_is_half_up_to_the_cent(value: Decimal) -> None:
    cents = (Fraction(value) * 100 + Fraction(1, 2)).__floor__()
    assert Fraction(rounded(value)) == Fraction(cents, 100)
    assert rounded(value).as_tuple().exponent == -2


@given(CURRENCIES, AMOUNTS)
def test_a_currency_expresses_the_amounts_of_its_own_decimals(currency: str, amount: Decimal) -> None:
    units = Fraction(amount) * 10 ** DECIMALS.get(currency, 2)
    assert expresses(currency, amount) == (units.denominator == 1)
    assert (currency in not_expressing(amount)) == (units.denominator != 1)


@given(CURRENCIES)
def test_the_smallest_unit_is_that_of_the_currency_but_never_less_than_a_hundredth(currency: str) -> None:
    assert smallest_unit(currency) == max(Decimal("0.01"), Decimal(1).scaleb(-DECIMALS.get(currency, 2)))
    assert expresses(currency, smallest_unit(currency))


@pytest.mark.parametrize(
    ("currency", "amount", "exists"),
    [
        ("JPY", "10.50", False),
        ("JPY", "10.00", True),
        ("INR", "10.50", True),
        ("KWD", "10.55", True),
        ("MGA", "0.2", True),
    ],
)
def test_half_a_yen_does_not_exist(currency: str, amount: str, exists: bool) -> None:
    assert expresses(currency, Decimal(amount)) == exists
