"""The time that is reconciled: days of TIME_ZONE, or between two moments."""

import re
from datetime import UTC, date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.reading.periods import DAY, FIRST_YEAR, LAST_YEAR, midnight

LONGEST = 366 * DAY

_MOMENT = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)"


class NoWindow(ValueError):
    """What was typed is no time that can be reconciled; the message says what it must be."""


class Window(NamedTuple):
    """From `begins` on and before `ends`, in UTC. `name` says it to people, and in the name of a file."""

    begins: datetime
    ends: datetime
    name: str


def day(of: date, zone: ZoneInfo) -> Window:
    """A day from midnight to midnight by a zone's clocks: 23 or 25 hours where they are changed."""
    return Window(midnight(of, zone), midnight(of + DAY, zone), of.isoformat())


def yesterday(now: datetime, zone: ZoneInfo) -> date:
    return now.astimezone(zone).date() - DAY


def read_window(begins: str, ends: str, zone: ZoneInfo, now: datetime) -> Window:
    """The time that FROM and TO name: each a day, which is included, or an RFC 3339 time, of which TO's is not. Without both it
    is yesterday; FROM alone means that day, or until now. Raises NoWindow."""
    if ends and not begins:
        raise NoWindow("TO needs a FROM")
    if not begins:
        return day(yesterday(now, zone), zone)
    since, first = _read("FROM", begins, zone)
    until, last = _read("TO", ends, zone) if ends else (now, None) if first is None else (since, first)
    if last is not None:
        until = midnight(last + DAY, zone)
    if since >= now:
        raise NoWindow("FROM is still to come: nothing has moved since")
    if not since < until:
        raise NoWindow("FROM must be before TO")
    if until - since > LONGEST:
        raise NoWindow(f"FROM and TO may be {LONGEST.days} days apart at most")
    names = [first.isoformat() if first else _name(since), last.isoformat() if last else _name(until)]
    return Window(since, until, "-to-".join(dict.fromkeys(names)))


def _read(name: str, text: str, zone: ZoneInfo) -> tuple[datetime, date | None]:
    """When it begins, and the day where it is one."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            written = date.fromisoformat(text)
            moment = midnight(written, zone)
        elif re.fullmatch(_MOMENT, text, re.ASCII):
            written, moment = None, datetime.fromisoformat(text.upper()).astimezone(UTC)
        else:
            raise ValueError(text)
        if FIRST_YEAR <= moment.year <= LAST_YEAR:
            return moment, written
    except (ValueError, OverflowError):
        pass
    raise NoWindow(f"{name} must be a day such as 2026-11-22, or a time such as 2026-11-22T12:00:00Z")


def _name(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"
