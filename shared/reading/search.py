"""What a person looks for among the payments: the fields of a form, as its address has them."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.reading.queries import Page, read_cursor
from shared.rules.identifiers import GREATEST_ID
from shared.rules.money import GREATEST
from shared.rules.states import METHODS, STATUSES
from shared.web.problems import invalid

# What stands for the payments of no gateway, which were imported.
NO_GATEWAY = "none"

_FIELDS = ("q", "status", "method", "gateway", "amount_from", "amount_to", "from", "to", "cursor")
# Of these a form sends as many as are ticked.
_MANY = ("status", "method")


class Sought(NamedTuple):
    """What one search field names. A bare number is a payment's id and a trip's; anything else is one thing."""

    payment_id: int | None = None
    trip_id: int | None = None
    reference: str | None = None
    gateway_id: str | None = None

    @property
    def is_named(self) -> bool:
        """Whether it names payments, and not only a trip."""
        return any((self.payment_id, self.reference, self.gateway_id))


class Search(NamedTuple):
    """Which payments somebody looks for. `since` is included, `until` is not; both as PostgreSQL reads a timestamptz. `least`
    and `most` are included, in whichever currency the payment is. `gateway` None: any."""

    sought: Sought = Sought()
    statuses: tuple[str, ...] = STATUSES
    methods: tuple[str, ...] = METHODS
    gateway: str | None = None
    least: Decimal | None = None
    most: Decimal | None = None
    since: str = "-infinity"
    until: str = "infinity"
    page: Page = Page()

    @property
    def is_first_page(self) -> bool:
        return self.page == Page()

    @property
    def by_what_no_index_has(self) -> bool:
        """Whether rows have to be looked at one by one."""
        return (self.gateway, self.least, self.most) != (None, None, None)

    @property
    def lists(self) -> bool:
        """Whether it asks for a list, of all payments or of a trip's, and not for what has a name alone."""
        return self.sought.trip_id is not None or not self.sought.is_named


def read_search(parameters: Iterable[tuple[str, str]], zone: ZoneInfo, gateways: Iterable[str]) -> Search:
    """The search in an address; an empty field is none. Days are whole days of `zone`, both included; `gateways` are those that
    may be asked for. Raises Problem invalid_request naming every field at fault."""
    given, faults = _given(parameters)
    values: dict[str, Any] = {}
    for name, texts in given.items():
        try:
            values |= _read(name, texts, zone, {*gateways, NO_GATEWAY})
        except ValueError as wrong:
            faults.append((name, str(wrong)))
    if values.get("least") and values.get("most") and values["least"] > values["most"]:
        faults.append(("amount_to", "must not be less than the amount it begins at"))
    if values.get("since", "") >= values.get("until", "~"):
        faults.append(("to", "must not be before the day it begins with"))
    if faults:
        raise invalid(*faults)
    place = {name: values.pop(name) for name in ("before", "before_id") if name in values}
    return Search(page=Page(**place), **values)


def _given(parameters: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    given: dict[str, list[str]] = {}
    faults = []
    for name, text in parameters:
        if name not in _FIELDS:
            faults.append((name, "is not a field of this form"))
        elif name in given and name not in _MANY:
            faults.append((name, "is given twice"))
        elif text.strip():
            given.setdefault(name, []).append(text.strip())
    return given, faults


def _read(name: str, texts: list[str], zone: ZoneInfo, gateways: set[str]) -> Mapping[str, Any]:
    text = texts[0]
    match name:
        case "q":
            return {"sought": _sought(text)}
        case "status":
            return {"statuses": _some(texts, STATUSES)}
        case "method":
            return {"methods": _some(texts, METHODS)}
        case "gateway":
            return {"gateway": _some([text], sorted(gateways))[0]}
        case "amount_from":
            return {"least": _amount(text)}
        case "amount_to":
            return {"most": _amount(text)}
        case "from":
            return {"since": _begins(_day(text), zone)}
        case "to":
            return {"until": _begins(_day(text), zone, after=1)}
        case _:
            return read_cursor(text)


def _sought(text: str) -> Sought:
    """By its form. References are read aloud, so in any case; a gateway's id is as the gateway writes it."""
    if re.fullmatch(r"[0-9]+", text):
        number = _number(text)
        return Sought(payment_id=number, trip_id=number)
    if of_trip := re.fullmatch(r"trip[ :#-]*([0-9]+)", text, re.IGNORECASE | re.ASCII):
        return Sought(trip_id=_number(of_trip[1]))
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", text):
        raise ValueError("is no id, reference or trip: none has such characters in it, or is so long")
    if text.upper().startswith(("PAY-", "REF-")):
        return Sought(reference=text.upper())
    return Sought(gateway_id=text)


def _number(text: str) -> int:
    # Not read where it is long: that takes the square of its length.
    if len(text) > 19 or not 0 < int(text) <= GREATEST_ID:
        raise ValueError(f"must be a number from 1 to {GREATEST_ID}")
    return int(text)


def _some(texts: list[str], known: Iterable[str]) -> tuple[str, ...]:
    """Those of `known` that are named, each once."""
    named = {text.upper() for text in texts if text.isascii()}
    some = tuple(each for each in known if each.upper() in named)
    if len(some) < len(named) or not named:
        raise ValueError(f"must be one of {', '.join(known)}")
    return some


def _amount(text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,2})?", text):
        raise ValueError(f"must be an amount such as 150 or 150.50, at most {GREATEST}")
    return Decimal(text)


def _day(text: str) -> date:
    wrong = ValueError("must be a day, such as 2026-11-22")
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise wrong
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise wrong from None


def _begins(day: date, zone: ZoneInfo, after: int = 0) -> str:
    """When the day begins in `zone`, or the one so many days after it."""
    try:
        return datetime.combine(day + timedelta(days=after), time.min, zone).astimezone(UTC).isoformat()
    except OverflowError:
        raise ValueError("must be a day from the year 1 to 9999") from None
