"""Amounts as Stripe counts them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# https://docs.stripe.com/currencies#minor-units: zero-decimal currencies, three-decimal currencies, special cases.
_NO_DECIMALS = re.compile("BIF|CLP|DJF|GNF|JPY|KMF|KRW|MGA|PYG|RWF|VND|VUV|XAF|XOF|XPF")
_THREE_DECIMALS = re.compile("BHD|JOD|KWD|OMR|TND")
# Whole amounts only, and yet counted in hundredths: 5 UGX is 500.
_WHOLE_IN_HUNDREDTHS = re.compile("ISK|UGX")
# Our amounts are numeric(12, 2).
_HUNDREDTH = Decimal("0.01")
_TOO_LARGE = Decimal(10) ** 10
# And what moves at once in the gateway's books, a payout of many of them, is numeric(16, 2).
_TOO_LARGE_TO_MOVE = Decimal(10) ** 14
_TOO_MANY = 10**17


def minor_units(amount: Decimal, currency: str) -> int | None:
    """The amount in the unit that Stripe counts `currency` in, exactly; None where Stripe cannot express it.

    Currencies of three decimals must end in 0 there, so 5.124 KWD cannot be expressed and 5.12 can.
    """
    if _NO_DECIMALS.fullmatch(currency):
        units, step = amount, 1
    elif _THREE_DECIMALS.fullmatch(currency):
        units, step = amount * 1000, 10
    else:
        units, step = amount * 100, 100 if _WHOLE_IN_HUNDREDTHS.fullmatch(currency) else 1
    return int(units) if units % step == 0 else None


def currency_of(found: Mapping[str, Any]) -> str | None:
    """The currency of an object of Stripe's, as we write it: None where it names none."""
    currency = found.get("currency")
    return currency.upper() if isinstance(currency, str) and re.fullmatch("[a-z]{3}", currency) else None


def of_minor_units(units: object, currency: str) -> Decimal | None:
    """The amount that Stripe counts as so many of its unit of `currency`, exactly; None for what is no amount that we can hold:
    no whole number, not above 0, longer than any amount of ours, or in parts of a hundredth."""
    amount = moved_of_minor_units(units, currency)
    return amount if amount is not None and 0 < amount < _TOO_LARGE else None


def moved_of_minor_units(units: object, currency: str) -> Decimal | None:
    """What moved, as `of_minor_units` reads an amount: also nothing, what went out (below 0), and more than one amount of
    ours."""
    if not isinstance(units, int) or isinstance(units, bool) or abs(units) >= _TOO_MANY:
        return None
    places = 0 if _NO_DECIMALS.fullmatch(currency) else 3 if _THREE_DECIMALS.fullmatch(currency) else 2
    amount = Decimal(units).scaleb(-places)
    return amount.quantize(_HUNDREDTH) if amount % _HUNDREDTH == 0 and abs(amount) < _TOO_LARGE_TO_MOVE else None
