"""The periods that figures are shown for: an hour, day, week or month of TIME_ZONE, and the columns of each."""

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from shared.web.problems import invalid

KINDS = ("hour", "day", "week", "month")
QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
# Clocks have differed by whole quarters of an hour since, which is what figures are kept by.
FIRST_YEAR, LAST_YEAR = 2000, 9000

_MOMENT = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d([Zz]|[+-]\d\d:\d\d)"


class Period(NamedTuple):
    """`starts` are where its columns begin, and where the last of them ends, in UTC; `zone` is whose clocks and days they are.
    An hour has quarters of an hour for columns, a day hours (23 or 25 where clocks are changed), a week or month days."""

    kind: str
    zone: ZoneInfo
    starts: tuple[datetime, ...]

    @property
    def begins(self) -> datetime:
        return self.starts[0]

    @property
    def ends(self) -> datetime:
        return self.starts[-1]

    @property
    def previous(self) -> "Period":
        return period_of(self.kind, self.begins - QUARTER, self.zone)

    @property
    def next(self) -> "Period":
        return period_of(self.kind, self.ends, self.zone)

    def holds(self, moment: datetime) -> bool:
        return self.begins <= moment < self.ends


def period_of(kind: str, moment: datetime, zone: ZoneInfo) -> Period:
    """The period of this kind that a moment lies in."""
    local = moment.astimezone(zone)
    day = local.date()
    if kind == "hour":
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        begins = local.astimezone(UTC) - into
        return Period(kind, zone, _steps(begins, begins + HOUR, QUARTER))
    if kind == "day":
        return Period(kind, zone, _steps(midnight(day, zone), midnight(day + DAY, zone), HOUR))
    first = day - day.weekday() * DAY if kind == "week" else day.replace(day=1)
    after = first + 7 * DAY if kind == "week" else (first + 31 * DAY).replace(day=1)
    return Period(kind, zone, tuple(midnight(first + n * DAY, zone) for n in range((after - first).days + 1)))


def read_period(parameters: list[tuple[str, str]], zone: ZoneInfo, now: datetime) -> Period:
    """The period that a query asks for: `period`, by default the day, and `at`, a day or moment in it, by default now. Raises
    Problem invalid_request naming every parameter that is unknown, wrong or given twice."""
    names = [name for name, _ in parameters]
    faults = [
        (name, "is not a parameter of this address") for name in dict.fromkeys(names) if name not in ("period", "at")
    ]
    faults += [(name, "is given twice") for name in ("period", "at") if names.count(name) > 1]
    given = dict(parameters)
    kind, moment = given.get("period", "day"), now
    if kind not in KINDS:
        faults.append(("period", f"must be one of {', '.join(KINDS)}"))
    if "at" in given:
        try:
            moment = _at(given["at"], zone)
        except ValueError:
            told = f"must be a day such as 2026-11-22, or a time such as 2026-11-22T12:00:00Z, from the year {FIRST_YEAR} on"
            faults.append(("at", told))
    if faults:
        raise invalid(*faults)
    return period_of(kind, moment, zone)


def _at(text: str, zone: ZoneInfo) -> datetime:
    # In a query, an unescaped + is a space.
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", text)
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        moment = datetime.combine(date.fromisoformat(text), time(), zone)
    elif re.fullmatch(_MOMENT, text, re.ASCII):
        moment = datetime.fromisoformat(text.upper())
    else:
        raise ValueError(text)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(text)
    return moment


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins: where clocks skip midnight, as they do; where they show it twice, at the first."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _steps(begins: datetime, ends: datetime, step: timedelta) -> tuple[datetime, ...]:
    number = -((begins - ends) // step)
    return (*(begins + n * step for n in range(number)), ends)
