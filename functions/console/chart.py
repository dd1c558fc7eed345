"""Payments over time as bars: what was charged and declined stands on a line, what was given back hangs from it."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.reading.figures import Happened

# Units of the drawing, which fills the width that it is given.
WIDTH, HEIGHT = 800.0, 280.0
LEFT, TOP, BOTTOM = 72.0, 14.0, 34.0  # room for the counts beside the lines, and for the words below the bars
WIDEST, SHARE = 72.0, 0.72  # of a bar: at most, and of its column
GAP = 2.0  # between what stands on one another, which would else only colours tell apart
LEAST = 2.5  # so high is the least that is more than nothing


class Bar(NamedTuple):
    kind: str
    x: float
    y: float
    width: float
    height: float


class Column(NamedTuple):
    """`middle` is where its label belongs. `minor`: a label that a narrow page leaves out."""

    label: str
    minor: bool
    middle: float
    told: str
    bars: list[Bar]


class Line(NamedTuple):
    y: float
    label: str


class Chart(NamedTuple):
    """`lines` are those to read the height of bars by, the base last."""

    columns: list[Column]
    lines: list[Line]
    left: float = LEFT
    width: float = WIDTH
    height: float = HEIGHT


def chart(columns: Sequence[Happened], labels: Sequence[str], told: Sequence[str], every: int) -> Chart:
    """The bars of these columns. Each `every`th has its label below it; `told` says each in words."""
    top = _round_number(max(max(each.charged, 0) + max(each.declined, 0) for each in columns))
    below = max(max(each.refunds, 0) for each in columns)
    unit = (HEIGHT - TOP - BOTTOM) / (top + below)
    base = TOP + top * unit
    step = (WIDTH - LEFT) / len(columns)
    drawn = [
        Column(
            labels[n] if n % every == 0 else "",
            n % (2 * every) != 0 and len(columns) > 7,
            LEFT + (n + 0.5) * step,
            told[n],
            _bars(each, LEFT + (n + 0.5) * step, min(WIDEST, SHARE * step), base, unit),
        )
        for n, each in enumerate(columns)
    ]
    counts = [top, *([top // 2] if top > 1 else []), 0]
    return Chart(drawn, [Line(base - count * unit, _short(count)) for count in counts])


def _bars(happened: Happened, middle: float, width: float, base: float, unit: float) -> list[Bar]:
    left, bars, y = middle - width / 2, [], base
    for kind, count in (("charged", happened.charged), ("declined", happened.declined)):
        if count > 0:
            height = max(count * unit - GAP, LEAST)
            bars.append(Bar(kind, left, y - height, width, height))
            y -= height + GAP
    if happened.refunds > 0:
        bars.append(Bar("refunded", left, base + GAP, width, max(happened.refunds * unit - GAP, LEAST)))
    return bars


def _round_number(count: int) -> int:
    """The least round number that is not below this and whose half is whole, but for 1."""
    if count <= 1:
        return 1
    power = 1
    while count > 10 * power:
        power *= 10
    tenths = (12, 16, 20, 30, 40, 50, 60, 80, 100) if power > 1 else (20, 40, 60, 80, 100)
    return next(each * power // 10 for each in tenths if each * power >= 10 * count)


def _short(count: int) -> str:
    """In at most five characters, of round numbers below a billion."""
    if count >= 1_000_000:
        return f"{count / 1_000_000:g}M"
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)
