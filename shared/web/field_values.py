"""What the fields of a request may hold: each reads a value, or raises ValueError with what it must be."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from shared.platform import json_text
from shared.rules.identifiers import driver_id as as_driver_id
from shared.rules.money import GREATEST, is_amount

# Bytes as compact JSON, the contract's: each is stored with the payment, and written into its answers and events.
LARGEST_METADATA = 16 * 1024


class Field(NamedTuple):
    """How a field is read; `default` makes the value where it is absent, None where it is required."""

    read: Callable[[Any], Any]
    default: Callable[[], Any] | None = None


def amount(value: object) -> Decimal:
    if not is_amount(value):
        raise ValueError(f"must be a number above 0 and at most {GREATEST}, with at most two decimals")
    return Decimal(str(value))


def method(value: object) -> object:
    return value.upper() if isinstance(value, str) and value.isascii() else value


def metadata(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    if len(json_text.write(value).encode()) > LARGEST_METADATA:
        raise ValueError("must be at most 16 KiB as JSON")
    return value


def token(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]{1,255}", value):
        raise ValueError("must be 1 to 255 visible ASCII characters")
    if re.fullmatch(r"[0-9-]{12,23}", value):
        raise ValueError("must be what the gateway's client library gave, never a card number")
    return value


def driver_id(value: object) -> str:
    driver = as_driver_id(value)
    if driver is None:
        raise ValueError("must be 1 to 64 of A-Z, a-z, 0-9, '.', '_', ':' and '-', or an integer of at least 0")
    return driver


def integral(value: object) -> object:
    """1249.0 is an integer as 1249 is: JSON has one kind of number (JSON Schema 2020-12, core, 4.2.2)."""
    return int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value


# What pydantic's own types take, in its words: the models have these too.


def whole(value: object, above: int, at_most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("Input should be a valid integer")
    if value <= above:
        raise ValueError(f"Input should be greater than {above}")
    if value > at_most:
        raise ValueError(f"Input should be less than or equal to {at_most}")
    return value


def boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Input should be a valid boolean")
    return value


def string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("Input should be a valid string")
    return value


def one_of(value: object, *expected: str) -> Any:
    if value not in expected:
        raise ValueError(f"Input should be {_either([repr(each) for each in expected])}")
    return value


def _either(words: Sequence[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
