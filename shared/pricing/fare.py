"""The fare of a trip: base fare, and distance by rate by surge; the surge multiplies the distance part only."""

from decimal import Context, Decimal, localcontext
from typing import NamedTuple

from shared.rules.money import CENT, GREATEST


class NotChargeable(ValueError):
    """The fare comes out at nothing, or above the greatest amount."""


class Fare(NamedTuple):
    """How a fare came about. `total` and `base_fare` in currency, `rate_per_km` in currency for a kilometre."""

    base_fare: Decimal
    distance_km: Decimal
    rate_per_km: Decimal
    surge_multiplier: Decimal
    total: Decimal


def compute_fare(
    base_fare: Decimal, distance_km: Decimal, rate_per_km: Decimal, surge_multiplier: Decimal, rounding: Decimal
) -> Fare:
    """base_fare + distance_km × rate_per_km × surge_multiplier, rounded half up to a multiple of `rounding` once, at the end.

    Exact whatever the numbers: the precision is that of the whole product. Raises NotChargeable.
    """
    factors = (base_fare, distance_km, rate_per_km, surge_multiplier)
    if distance_km and rate_per_km and surge_multiplier:
        magnitude = distance_km.adjusted() + rate_per_km.adjusted() + surge_multiplier.adjusted()
        if magnitude > GREATEST.adjusted() + 1:
            raise NotChargeable("the fare is above the greatest amount that can be charged")
    with localcontext(Context(prec=sum(map(_places, factors)) + _places(GREATEST) + 8)):
        exact = base_fare + distance_km * rate_per_km * surge_multiplier
        if exact > GREATEST + rounding:
            raise NotChargeable("the fare is above the greatest amount that can be charged")
        steps, rest = divmod(exact, rounding)
        if 2 * rest >= rounding:
            steps += 1
        total = (steps * rounding).quantize(CENT)
    if not 0 < total <= GREATEST:
        raise NotChargeable("the fare comes out at nothing" if total <= 0 else "the fare is above the greatest amount")
    return Fare(_shown(base_fare), distance_km, _shown(rate_per_km), surge_multiplier, total)


def _places(number: Decimal) -> int:
    """How many digits it takes to write the number out, on both sides of the point."""
    _, digits, exponent = number.as_tuple()
    return len(digits) + abs(int(exponent))


def _shown(price: Decimal) -> Decimal:
    """A price with at least two decimals, none of its own lost."""
    exponent = price.as_tuple().exponent
    return price if isinstance(exponent, int) and exponent <= -2 else price.quantize(CENT)
