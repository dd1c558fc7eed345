"""The lines of a receipt, which add up to its amount, to the smallest unit of its currency."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from shared.platform.page_values import TaxLine
from shared.rules.money import CENT, smallest_unit


class Line(NamedTuple):
    """One part of a fare: `kind` is base_fare, distance, surge, rounding, or fare for the whole of it."""

    kind: str
    amount: Decimal


class Taxes(NamedTuple):
    """What of an amount is tax: `net` and the `amounts`, one for each tax, are the whole amount."""

    net: Decimal
    amounts: list[Decimal]


def fare_lines(amount: Decimal, currency: str, fare: dict[str, Any] | None) -> list[Line]:
    """What an amount is made of, naught left out. `fare` as a payment shows it; None: the amount came with the request."""
    if fare is None:
        return [Line("fare", amount)]
    base, distance, rate, surge = (
        Fraction(Decimal(fare[name])) for name in ("base_fare", "distance_km", "rate_per_km", "surge_multiplier")
    )
    parts = {"base_fare": base, "distance": distance * rate, "surge": distance * rate * (surge - 1)}
    unit = Fraction(smallest_unit(currency))
    sum_of_parts = floor(sum(parts.values()) / unit + Fraction(1, 2)) * unit
    shares = dict(zip(parts, apportioned(sum_of_parts, list(parts.values()), unit), strict=True))
    shares["rounding"] = amount - _decimal(sum_of_parts)
    return [Line(kind, share) for kind, share in shares.items() if share]


def included_taxes(amount: Decimal, currency: str, taxes: Sequence[TaxLine]) -> Taxes:
    """The taxes within an amount, each of its rate in per cent of what is left without them."""
    rates = [Fraction(tax.rate) for tax in taxes]
    net = Fraction(amount) * 100 / (100 + sum(rates))
    unit = Fraction(smallest_unit(currency))
    first, *others = apportioned(Fraction(amount), [net, *(net * rate / 100 for rate in rates)], unit)
    return Taxes(first, others)


def apportioned(whole: Fraction, parts: list[Fraction], unit: Fraction) -> list[Decimal]:
    """The parts in whole units, which add up to `whole`: each rounded down, and what is left over given, a unit each, to those
    that lost most, the first of equals first (Hamilton's method, of the largest remainder).

    `whole` is a multiple of the unit, and less than half a unit away from the sum of the parts or as far."""
    units = [floor(part / unit) for part in parts]
    lost = [part / unit - whole_units for part, whole_units in zip(parts, units, strict=True)]
    left = int(whole / unit) - sum(units)
    for place in sorted(range(len(parts)), key=lambda place: -lost[place])[:left]:
        units[place] += 1
    return [_decimal(count * unit) for count in units]


def _decimal(number: Fraction) -> Decimal:
    """A number of at most two decimals."""
    return Decimal(floor(number * 100)) * CENT
