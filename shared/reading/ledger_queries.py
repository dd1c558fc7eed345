"""What the ledger is asked for: days, and a page of drivers."""

import base64
import binascii
import re
from datetime import date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from shared.reading.periods import DAY, FIRST_YEAR, LAST_YEAR
from shared.reading.queries import LIMIT, given_once, read_limit
from shared.web.problems import invalid

# Days of one answer: a year's. Each has a row for every currency.
MOST_DAYS = 366


class Days(NamedTuple):
    """Of `first` and `last`, both included; in one `currency` where one is named."""

    first: date
    last: date
    currency: str | None = None

    @property
    def all(self) -> list[date]:
        return [self.first + n * DAY for n in range((self.last - self.first).days + 1)]


class DriversPage(NamedTuple):
    """At most `limit` rows behind (after, after_currency), by driver and currency."""

    limit: int = LIMIT
    after: str = ""
    after_currency: str = ""

    def cursor_behind(self, row: dict[str, Any]) -> str:
        """The opaque cursor of the page that begins behind this row."""
        text = f"{row['driver_id']} {row['currency']}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_days(parameters: list[tuple[str, str]], time_zone: str, now: datetime) -> Days:
    """The days that a query asks for: `from` and `to`, by default today in this time zone, and `currency`. Where `to` alone is
    given, that day. Raises Problem invalid_request naming every parameter that is unknown, wrong or given twice."""
    given, faults = given_once(parameters, {"from", "to", "currency"})
    days: dict[str, date] = {}
    for name in ("from", "to"):
        if name in given:
            try:
                days[name] = _day(given[name])
            except ValueError:
                faults.append((name, f"must be a day such as 2026-11-22, from the year {FIRST_YEAR} on"))
    currency = given.get("currency")
    if currency is not None and not re.fullmatch("[A-Z]{3}", currency):
        faults.append(("currency", "must be three capital letters, such as INR"))
    last = days.get("to") or now.astimezone(ZoneInfo(time_zone)).date()
    first = days.get("from", last)
    if not faults and first > last:
        faults.append(("from", "must not be after the last day, which is today unless `to` says otherwise"))
    elif not faults and (last - first).days >= MOST_DAYS:
        faults.append(("from", f"must be less than {MOST_DAYS} days before the last day"))
    if faults:
        raise invalid(*faults)
    return Days(first, last, currency)


def read_drivers_page(parameters: list[tuple[str, str]]) -> DriversPage:
    """The query of the list of drivers. Raises Problem invalid_request."""
    given, faults = given_once(parameters, {"limit", "cursor"})
    values: dict[str, Any] = {}
    for name, read in (("limit", read_limit), ("cursor", _cursor)):
        if name in given:
            try:
                values |= read(given[name])
            except ValueError as wrong:
                faults.append((name, str(wrong)))
    if faults:
        raise invalid(*faults)
    return DriversPage(**values)


def _day(text: str) -> date:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        raise ValueError(text)
    day = date.fromisoformat(text)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(text)
    return day


def _cursor(text: str) -> dict[str, Any]:
    wrong = ValueError("is not a cursor that this address gave")
    try:
        place = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise wrong from None
    if not re.fullmatch(r"[!-~]{1,64} [A-Z]{3}", place):
        raise wrong
    after, after_currency = place.split(" ")
    return {"after": after, "after_currency": after_currency}
