"""Fares, against exact fractions: the surge multiplies the distance part only, and rounding happens once."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.pricing.fare import Fare, NotChargeable, compute_fare

PRICES = st.decimals(min_value=0, max_value=10**9, places=2)
RATES = st.decimals(min_value=0, max_value=10**5, places=6)
# As json_text lets a number of the Trip Service in: a hundred digits, and some 300 places on either side of the point.
ANY_NUMBER = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent) if digits else Decimal(0),
    st.integers(min_value=0, max_value=10**28 - 1),
    st.integers(min_value=-300, max_value=280),
)
PLAUSIBLE = st.decimals(min_value=0, max_value=10**4, places=3)


CENT = Decimal("0.01")
# What FARE_ROUNDING may be: whole cents.
ROUNDINGS = st.sampled_from(["0.01", "0.05", "0.5", "1", "3000", "100000"]).map(Decimal) | st.decimals(
    CENT, 100000, places=2
)


def expected(base: Decimal, distance: Decimal, rate: Decimal, surge: Decimal, rounding: Decimal) -> Fraction | None:
    """The fare by the contract's formula; None where it cannot be charged."""
    exact = Fraction(base) + Fraction(distance) * Fraction(rate) * Fraction(surge)
    total = (exact / Fraction(rounding) + Fraction(1, 2)).__floor__() * Fraction(rounding)
    return total if 0 < total <= Fraction(999999999999, 100) else None


def check(base: Decimal, distance: Decimal, rate: Decimal, surge: Decimal, rounding: Decimal = CENT) -> None:
    total = expected(base, distance, rate, surge, rounding)
    if total is None:
        with pytest.raises(NotChargeable):
            compute_fare(base, distance, rate, surge, rounding)
    else:
        fare = compute_fare(base, distance, rate, surge, rounding)
        assert Fraction(fare.total) == total
        assert fare.total.as_tuple().exponent == -2


@given(PRICES, PLAUSIBLE, RATES, PLAUSIBLE, ROUNDINGS)
@example(Decimal("5.0"), Decimal("10.5"), Decimal("2.5"), Decimal("1.2"), CENT)
@example(Decimal(0), Decimal("0.001"), Decimal(5), Decimal(1), CENT)
@example(Decimal(0), Decimal("0.15"), Decimal(1), Decimal(1), Decimal("0.3"))
@example(Decimal(0), Decimal(10) ** 10, Decimal(1), Decimal(1), Decimal(3000))
def test_a_fare_is_the_exact_formula_rounded_half_up_once_to_a_multiple(
    base: Decimal, distance: Decimal, rate: Decimal, surge: Decimal, rounding: Decimal
) -> None:
    check(base, distance, rate, surge, rounding)


@given(PRICES, ANY_NUMBER, RATES, ANY_NUMBER)
@example(Decimal(0), Decimal("9999999999.994"), Decimal(1), Decimal(1))
@example(Decimal(0), Decimal("9999999999.995"), Decimal(1), Decimal(1))
@example(Decimal(0), Decimal("9999999999.994999999999999999999999999999999999999999"), Decimal(1), Decimal(1))
@example(Decimal(9), Decimal("1e10"), Decimal(1), Decimal("1e-1"))
@example(Decimal("9999999999"), Decimal(9), Decimal(9), Decimal(9))
@example(Decimal(0), Decimal("1e300"), Decimal(0), Decimal("1e300"))
@example(Decimal(1), Decimal("1e-300"), Decimal("0.000001"), Decimal("1e-300"))
def test_no_number_a_trip_can_have_makes_a_fare_inexact(
    base: Decimal, distance: Decimal, rate: Decimal, surge: Decimal
) -> None:
    check(base, distance, rate, surge)


def test_the_surge_multiplies_the_distance_part_only() -> None:
    assert compute_fare(Decimal("5.0"), Decimal("10.5"), Decimal("2.5"), Decimal("1.2"), CENT).total == Decimal("36.50")
    assert compute_fare(Decimal("5.0"), Decimal(0), Decimal("2.5"), Decimal(9), CENT).total == Decimal("5.00")


@pytest.mark.parametrize(("rounding", "total"), [("0.01", "36.50"), ("1", "37.00"), ("5", "35.00"), ("100", "0")])
def test_a_fare_is_a_multiple_of_the_rounding(rounding: str, total: str) -> None:
    trip = (Decimal("5.0"), Decimal("10.5"), Decimal("2.5"), Decimal("1.2"))
    if total == "0":
        with pytest.raises(NotChargeable, match="nothing"):
            compute_fare(*trip, Decimal(rounding))
    else:
        assert str(compute_fare(*trip, Decimal(rounding)).total) == total


def test_rounding_happens_once_at_the_end() -> None:
    # Rounded on the way, 0.004 would come to nothing twice.
    assert compute_fare(Decimal("0.004"), Decimal("0.004"), Decimal(1), Decimal("1.5"), CENT).total == Decimal("0.01")


def test_a_fare_shows_what_it_was_computed_from() -> None:
    fare = compute_fare(Decimal("5.0"), Decimal("10.50"), Decimal("2.125"), Decimal("1.20"), CENT)
    assert fare == Fare(Decimal("5.00"), Decimal("10.50"), Decimal("2.125"), Decimal("1.20"), Decimal("31.78"))
    assert [str(fare.base_fare), str(fare.rate_per_km)] == ["5.00", "2.125"]
    assert [str(fare.distance_km), str(fare.surge_multiplier)] == ["10.50", "1.20"]


@pytest.mark.parametrize(("base", "distance"), [("0", "0"), ("0", "0.0049"), ("0.004", "0")])
def test_a_fare_that_comes_out_at_nothing_is_not_chargeable(base: str, distance: str) -> None:
    with pytest.raises(NotChargeable, match="nothing"):
        compute_fare(Decimal(base), Decimal(distance), Decimal(1), Decimal(1), CENT)


@pytest.mark.parametrize("distance", ["9999999999.995", "1e11", "1e308"])
def test_a_fare_above_the_greatest_amount_is_not_chargeable(distance: str) -> None:
    with pytest.raises(NotChargeable, match="greatest"):
        compute_fare(Decimal(0), Decimal(distance), Decimal(1), Decimal(1), CENT)
