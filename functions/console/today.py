"""Today: what happened in an hour, day, week or month, as figures, a chart and a table."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from functions.console.chart import chart
from functions.console.desk import Desk
from functions.console.rendering import is_fragment, render
from shared.reading.figures import MOST_EXAMINED, Figures, Happened, read_figures
from shared.reading.periods import KINDS, Period, period_of, read_period
from shared.reading.totals import MOST_COUNTED
from shared.web.answers import Answer
from shared.web.call import Call

if TYPE_CHECKING:
    from shared.reading.words import Words

NOW = {"hour": "This hour", "day": "Today", "week": "This week", "month": "This month"}
WHEN = {"hour": "in this hour", "day": "today", "week": "this week", "month": "this month"}
THEN = {"hour": "in that hour", "day": "on that day", "week": "in that week", "month": "in that month"}
# Of the labels below the bars, each so many-th is written.
EVERY = {"hour": 1, "day": 2, "week": 1, "month": 2}


class Row(NamedTuple):
    """A line of the table: a column of the chart, with the address of the period that it is, where it is one."""

    name: str
    address: str | None
    happened: Happened


def today(desk: Desk, call: Call) -> Answer:
    """The page of a period; or its figures alone, where the page asks for them again. Raises Problem invalid_request."""
    words = desk.words
    now = datetime.now(UTC)
    period = read_period(call.query, words.zone, now)
    figures = read_figures(desk.deps.database, period, desk.settings.currency)
    is_live, following = period.holds(now), period.next
    range_ = _range(period, words)
    rows = _rows(figures, words, now)
    return render(
        "today_figures.html" if is_fragment(call) else "today.html",
        call,
        heading=NOW[period.kind] if is_live else range_,
        range=range_,
        when=(WHEN if is_live else THEN)[period.kind],
        figures=figures,
        whole=figures.whole,
        rows=[row for row, start in zip(rows, period.starts, strict=False) if start <= now],
        chart=chart(
            figures.columns,
            [_label(each, period) for each in period.starts[:-1]],
            _told(rows, words),
            EVERY[period.kind],
        ),
        words=words,
        success_rate=_per_cent(figures.whole.success_rate, words),
        seconds=lambda seconds: _seconds(seconds, words),
        most_examined=MOST_EXAMINED,
        most_pending=MOST_COUNTED,
        is_live=is_live,
        address=_address(period, now),
        kinds=[(kind, _address(period_of(kind, now if is_live else period.begins, words.zone), now)) for kind in KINDS],
        previous=_address(period.previous, now),
        next=_address(following, now) if following.begins <= now else None,
        payments=_payments(period),
    )


def _address(period: Period, now: datetime) -> str:
    """The address of a period's page: without a time where it is the present one, which goes on with the clock."""
    if period.holds(now):
        return f"/console?period={period.kind}"
    moment = period.begins
    at = (
        moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        if period.kind == "hour"
        else moment.astimezone(period.zone).date().isoformat()
    )
    return f"/console?period={period.kind}&at={quote(at)}"


def _payments(period: Period) -> str:
    """The address of the payments of the days that a period lies in."""
    first, last = (
        each.astimezone(period.zone).date() for each in (period.begins, period.ends - timedelta(microseconds=1))
    )
    return f"/console/payments?from={first}&to={last}"


def _range(period: Period, words: "Words") -> str:
    first, last = period.begins, period.ends - timedelta(microseconds=1)
    match period.kind:
        case "hour":
            return f"{words.day(first)}, {_clock(first, period)} – {_clock(period.ends, period)}"
        case "day":
            return words.day(first)
        case _:
            return f"{words.day(first)} – {words.day(last)}"


def _clock(moment: datetime, period: Period) -> str:
    return moment.astimezone(period.zone).strftime("%H:%M")


def _label(start: datetime, period: Period) -> str:
    local = start.astimezone(period.zone)
    match period.kind:
        case "hour":
            return local.strftime("%H:%M")
        case "day":
            return local.strftime("%H")
        case "week":
            return f"{local:%a} {local.day}"
        case _:
            return str(local.day)


def _rows(figures: Figures, words: "Words", now: datetime) -> list[Row]:
    period, rows = figures.period, []
    finer = {"day": "hour", "week": "day", "month": "day"}.get(period.kind)
    for start, happened in zip(period.starts[:-1], figures.columns, strict=True):
        name = words.day(start) if finer == "day" else _clock(start, period)
        address = _address(period_of(finer, start, period.zone), now) if finer and start <= now else None
        rows.append(Row(name, address, happened))
    return rows


def _told(rows: Iterable[Row], words: "Words") -> list[str]:
    return [
        f"{row.name}: {words.number(row.happened.charged)} charged, {words.number(row.happened.declined)} declined,"
        f" {words.number(row.happened.refunds)} refunded"
        for row in rows
    ]


def _per_cent(share: float | None, words: "Words") -> str | None:
    """Never more than it is: 100 % is all."""
    if share is None:
        return None
    return f"{words.number((Decimal(share) * 100).quantize(Decimal('0.1'), ROUND_FLOOR))} %"


def _seconds(seconds: float, words: "Words") -> str:
    return f"{words.number(Decimal(f'{seconds:.1f}'))} s" if 1 <= seconds < 60 else words.duration(seconds)
