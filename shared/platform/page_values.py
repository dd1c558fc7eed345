"""What the text of a setting of pages and receipts may be, and what it is then: each reads one, or raises ValueError with what
it must be."""

import json
import re
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

USUAL_LOCALE, USUAL_TIME_ZONE = "en_IN", "UTC"
# What a page has room for.
MOST_TAX_LINES, LONGEST_TAX_NAME = 6, 40
MOST_SELLER_LINES, LONGEST_SELLER_LINE = 6, 80


class TaxLine(NamedTuple):
    """A tax that is included in every fare. `rate` in per cent of what is left without taxes."""

    name: str
    rate: Decimal


def locale(value: str) -> str:
    """Its form, and whether Babel has it; Babel itself is imported only where a page is made."""
    wrong = ValueError("a locale that Babel has here, such as en_IN or hi_IN (the image has those of its LOCALES)")
    name = value.replace("-", "_")
    if not re.fullmatch(r"[a-z]{2,3}(_[A-Z][a-z]{3})?(_([A-Z]{2}|[0-9]{3}))?", name):
        raise wrong
    babel = find_spec("babel") if name != USUAL_LOCALE else None
    if babel and babel.origin and not (Path(babel.origin).parent / "locale-data" / f"{name}.dat").exists():
        raise wrong
    return name


def time_zone(value: str) -> str:
    if value != USUAL_TIME_ZONE:
        from zoneinfo import ZoneInfo  # 6 ms, which no start with the usual one waits for

        try:
            ZoneInfo(value)
        except (ValueError, OSError, KeyError):
            raise ValueError("the IANA name of a time zone, such as Asia/Kolkata") from None
    return value


def seller(value: str) -> tuple[str, ...]:
    r"""Lines, of which the first is a name; `\n` parts them as well as the end of a line does."""
    lines = [line.strip() for line in value.replace("\\n", "\n").splitlines()]
    lines = [line for line in lines if line]
    if len(lines) > MOST_SELLER_LINES or not all(
        line.isprintable() and len(line) <= LONGEST_SELLER_LINE for line in lines
    ):
        raise ValueError(f"at most {MOST_SELLER_LINES} lines of at most {LONGEST_SELLER_LINE} characters, or empty")
    return tuple(lines)


def tax_lines(value: str) -> tuple[TaxLine, ...]:
    """A JSON array such as [{"name": "CGST", "rate": "2.5"}]."""
    wrong = ValueError(
        f'a JSON array of at most {MOST_TAX_LINES} taxes such as [{{"name": "CGST", "rate": "2.5"}}], each with another name'
        " and a rate in per cent, above 0 and at most 100; or empty"
    )
    try:
        given = json.loads(value or "[]", parse_float=str, parse_int=str)
        taxes = tuple(_tax_line(tax) for tax in given)
    except (ValueError, TypeError, RecursionError):
        raise wrong from None
    if not isinstance(given, list) or len(taxes) > MOST_TAX_LINES or len({tax.name for tax in taxes}) < len(taxes):
        raise wrong
    return taxes


def _tax_line(tax: object) -> TaxLine:
    match tax:
        case {"name": str(name), "rate": str(rate), **rest} if not rest:
            fits = name.isprintable() and 0 < len(name.strip()) <= LONGEST_TAX_NAME
            if fits and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,4})?", rate) and 0 < Decimal(rate) <= 100:
                return TaxLine(name.strip(), Decimal(rate))
    raise ValueError(tax)
