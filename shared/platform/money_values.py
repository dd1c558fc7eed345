"""What the text of a setting about money may be, as setting_values."""

import re
from decimal import Decimal, InvalidOperation

# Fares of currencies with large numbers are rounded to thousands; more would leave nothing of them.
COARSEST_ROUNDING = 100_000


def price(value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,6})?", value):
        raise ValueError("a decimal number of at least 0, such as 5.0")
    return number


def rounding(value: str) -> Decimal:
    """0 where it is empty: the currency decides."""
    if value and not (re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", value) and 0 < Decimal(value) <= COARSEST_ROUNDING):
        raise ValueError(
            f"a decimal number above 0 and at most {COARSEST_ROUNDING}, or empty for the smallest unit of CURRENCY"
        )
    return Decimal(value or 0)


def currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError("a three-letter ISO 4217 code in capitals, such as INR")
    return value


def commission_rate(value: str) -> Decimal | None:
    """None where it is empty: no rule."""
    if value and not re.fullmatch(r"0(\.[0-9]{1,6})?|1(\.0{1,6})?", value):
        raise ValueError("a share from 0 to 1 of at most six decimals, such as 0.2, or empty for none")
    return Decimal(value) if value else None
