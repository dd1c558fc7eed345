"""Money: exact decimals of at most two places, above 0, at most 9999999999.99, in a currency of ISO 4217."""

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
GREATEST = Decimal("9999999999.99")

# ISO 4217, list one (https://www.six-group.com/en/products-services/financial-information/data-standards.html): the currencies
# without a minor unit. The few that have three or four decimals, such as KWD, are charged in hundredths like all others.
WHOLE = (
    "BIF",
    "CLP",
    "DJF",
    "GNF",
    "ISK",
    "JPY",
    "KMF",
    "KRW",
    "PYG",
    "RWF",
    "UGX",
    "UYI",
    "VND",
    "VUV",
    "XAF",
    "XOF",
    "XPF",
)


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


def smallest_unit(currency: str) -> Decimal:
    """The smallest amount of a currency, of which every other is a multiple: 1 JPY, 0.01 INR."""
    return Decimal(1) if currency in WHOLE else CENT


def expresses(currency: str, amount: Decimal) -> bool:
    """Whether an amount exists in a currency: 10.50 JPY does not."""
    return amount % smallest_unit(currency) == 0


def not_expressing(amount: Decimal) -> list[str]:
    """The currencies in which an amount does not exist."""
    return [currency for currency in WHOLE if not expresses(currency, amount)]


def rounded(value: Decimal) -> Decimal:
    """Rounded half up to two decimals."""
    return value.quantize(CENT, rounding=ROUND_HALF_UP)
