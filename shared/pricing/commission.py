"""The commission: what of a payment is ours, the rest being its driver's."""

from decimal import ROUND_HALF_UP, Decimal

from shared.rules.money import CENT, smallest_unit


def compute_commission(amount: Decimal, rate: Decimal, currency: str) -> Decimal:
    """amount × rate, rounded half up to the smallest unit of the currency: never below 0, nor above the amount.

    `amount` is one of the currency's, `rate` from 0 to 1. Exact with up to sixteen decimals of the rate.
    """
    unit = smallest_unit(currency)
    units = (amount / unit * rate).to_integral_value(ROUND_HALF_UP)
    return (units * unit).quantize(CENT)
