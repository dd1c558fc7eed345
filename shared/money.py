"""Money: exact decimals of at most two places, above 0, at most 9999999999.99."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
GREATEST = Decimal("9999999999.99")


def is_amount(value: object) -> bool:
    """Whether a number, as it was written, is an amount: not a bool, no third decimal (`1.500` has one, and so has
    `1500e-3`), above 0 and at most 9999999999.99."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    number = Decimal(value)
    if not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -2 and 0 < number <= GREATEST


def rounded(value: Decimal) -> Decimal:
    """Rounded half up to two decimals."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)
