"""JSON as this service reads and writes it: strictly, and numbers as exact decimals."""

import codecs
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

# No honest request comes near either. Deeper nesting costs the interpreter its stack, and time grows with the square of a
# number's digits.
DEEPEST = 32
LONGEST_NUMBER = 100
# Powers of ten: those of the smallest and the largest double, which any writer of JSON may write.
SMALLEST, LARGEST = -324, 308
UNUSABLE = "is a number too large or too long"


class JsonError(ValueError):
    """The text is not JSON as this service reads it. `field` is where, empty for the whole."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Unusable(NamedTuple):
    """A number that is too long or too large to be worked with."""

    digits: str


class Written(str):
    """What is JSON text already: written into other JSON as it is, to the letter."""

    __slots__ = ()


def read(text: bytes, *, of_a_neighbour: bool = False) -> Any:
    """Reads a JSON text in UTF-8, with or without a byte order mark: integers as int, other numbers as Decimal, exactly as
    written.

    Raises JsonError for anything else: another encoding, NaN and Infinity, a field given twice, nesting deeper than 32,
    a number of more than 100 digits, NUL or half a surrogate pair in a string. `of_a_neighbour`: what cannot be stored or
    worked with may stand in it, where it may not matter; such numbers, NaN and Infinity are read as Unusable, and it may be
    nested as deep as the interpreter reads: Python 3.13 some thousand deep.
    """
    decoder = _of_a_neighbour if of_a_neighbour else _of_a_client
    try:
        value = decoder.decode(text.removeprefix(codecs.BOM_UTF8).decode("utf-8"))
    except UnicodeDecodeError:
        raise JsonError("", "is not UTF-8") from None
    except RecursionError:
        raise JsonError("", f"is nested deeper than {DEEPEST}") from None
    except JsonError:
        raise
    except ValueError as wrong:
        raise JsonError("", f"is not JSON: {wrong}") from None
    if not of_a_neighbour:
        for path, message in _faults(value, "", 1):
            raise JsonError(path, message)
    return value


def write(value: Any, *, canonical: bool = False, spaced: bool = False) -> str:
    """The compact JSON text of a value made of dict, list, str, int, Decimal, bool, None and Written.

    Canonical: fields in order, and numbers in their shortest form, so that equal values give equal texts. Spaced: with a blank
    after each comma and colon.
    """
    if isinstance(value, str):
        return value if isinstance(value, Written) else _encoder.encode(value)
    if isinstance(value, Decimal) or (canonical and isinstance(value, int) and not isinstance(value, bool)):
        return _shortest(Decimal(value)) if canonical else str(value)
    if not isinstance(value, dict | list):
        return _encoder.encode(value)
    comma, colon = (", ", ": ") if spaced else (",", ":")
    if isinstance(value, list):
        return "[" + comma.join(write(item, canonical=canonical, spaced=spaced) for item in value) + "]"
    items = sorted(value.items()) if canonical else value.items()
    fields = (f"{write(name)}{colon}{write(item, canonical=canonical, spaced=spaced)}" for name, item in items)
    return "{" + comma.join(fields) + "}"


def _shortest(number: Decimal) -> str:
    sign, digits, exponent = number.as_tuple()
    significant = "".join(map(str, digits)).lstrip("0")
    shortened = significant.rstrip("0")
    if not shortened:
        return "0"
    return f"{'-' if sign else ''}{shortened}e{int(exponent) + len(significant) - len(shortened)}"


def _decimal(digits: str) -> Decimal | Unusable:
    try:
        number = Decimal(digits)
    except InvalidOperation:
        return Unusable(digits)
    fits = len(digits) <= LONGEST_NUMBER and number.is_finite() and SMALLEST <= number.adjusted() <= LARGEST
    return number if fits else Unusable(digits)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise JsonError(twice.encode("utf-8", "replace").decode(), "is given twice")
    return value


def _faults(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if depth > DEEPEST:
        yield path, f"is nested deeper than {DEEPEST}"
    elif isinstance(value, Unusable):
        yield path, UNUSABLE
    elif isinstance(value, str):
        yield from _string_faults(value, path)
    elif isinstance(value, dict):
        for name, item in value.items():
            shown = name.encode("utf-8", "replace").decode()
            inner = f"{path}.{shown}" if path else shown
            yield from _string_faults(name, inner)
            yield from _faults(item, inner, depth + 1)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from _faults(item, f"{path}[{position}]", depth + 1)


def _string_faults(text: str, path: str) -> Iterator[tuple[str, str]]:
    if "\0" in text:
        yield path, "holds a NUL character"
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        yield path, "holds half a surrogate pair"


def _integer(digits: str) -> int | Unusable:
    return int(digits) if len(digits) <= LONGEST_NUMBER else Unusable(digits)


# Made once: to make one takes as long as to read a request.
_of_a_client = json.JSONDecoder(
    parse_int=_integer, parse_float=_decimal, parse_constant=_refuse, object_pairs_hook=_object
)
_of_a_neighbour = json.JSONDecoder(
    parse_int=_integer, parse_float=_decimal, parse_constant=Unusable, object_pairs_hook=_object
)
_encoder = json.JSONEncoder(ensure_ascii=False)
