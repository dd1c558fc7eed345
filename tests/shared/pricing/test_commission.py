"""The commission, against exact fractions: rounded half up to what the currency has, and never more than the amount."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.pricing.commission import compute_commission
from shared.rules.money import GREATEST, smallest_unit

RATES = st.decimals(min_value=0, max_value=1, places=6) | st.sampled_from([Decimal(0), Decimal(1), Decimal("1.000000")])
CURRENCIES = st.sampled_from(["INR", "JPY", "KWD"])


@given(st.integers(1, 10**12 - 1), RATES, CURRENCIES)
@example(5, Decimal("0.1"), "INR")
@example(25, Decimal("0.1"), "JPY")
@example(10**12 - 1, Decimal("0.999999"), "INR")
def test_it_is_the_exact_share_rounded_half_up_to_the_currencys_unit(units: int, rate: Decimal, currency: str) -> None:
    unit = smallest_unit(currency)
    amount = min(units * unit, GREATEST - GREATEST % unit)
    commission = compute_commission(amount, rate, currency)
    exact = Fraction(amount) / Fraction(unit) * Fraction(rate)
    assert Fraction(commission) == (exact + Fraction(1, 2)).__floor__() * Fraction(unit)
    assert 0 <= commission <= amount
    assert commission.as_tuple().exponent == -2


@pytest.mark.parametrize("amount", ["0.01", "150.00", "9999999999.99"])
def test_of_no_commission_all_is_the_drivers_and_of_a_whole_one_nothing(amount: str) -> None:
    assert compute_commission(Decimal(amount), Decimal(0), "INR") == 0
    assert str(compute_commission(Decimal(amount), Decimal(1), "INR")) == amount
