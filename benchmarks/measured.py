"""What a measurement gives: rows of the table, each with its reference, its spread and its goal, and points for the charts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Spread:
    """The median of repeated measurements, and the lowest and highest of them."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        if self.lowest == self.highest:
            return short(self.median)
        return f"{short(self.median)} ({short(self.lowest)} to {short(self.highest)})"


@dataclass(frozen=True)
class Goal:
    """A bound that the median is to keep: at least or at most `bound`."""

    bound: float
    at_least: bool

    def reached(self, value: float) -> bool:
        shown = round(value, 2)  # what the table says is what counts
        return shown >= self.bound if self.at_least else shown <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {short(self.bound)}"


def at_least(bound: float) -> Goal:
    return Goal(bound, at_least=True)


def at_most(bound: float) -> Goal:
    return Goal(bound, at_least=False)


@dataclass(frozen=True)
class Row:
    """One line of the table. `ours` and `beside` are what was measured, in words; `value` is the figure, in `unit`: "×" for
    ours by beside. `goal` is absent where the machine decides."""

    what: str
    value: Spread
    unit: str
    ours: str
    beside: str = "–"
    goal: Goal | None = None

    @property
    def reached(self) -> bool | None:
        return None if self.goal is None else self.goal.reached(self.value.median)


@dataclass(frozen=True)
class Measured:
    """What one figure gave. `points` is what the charts draw, by name."""

    rows: list[Row]
    points: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        rows = [asdict(row) | {"reached": row.reached} for row in self.rows]
        return {"rows": rows, "points": self.points}

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> "Measured":
        return cls([_row(dict(row)) for row in stored["rows"]], stored["points"])


def _row(stored: dict[str, Any]) -> Row:
    stored.pop("reached")
    goal = stored.pop("goal")
    return Row(**stored | {"value": Spread(**stored["value"]), "goal": goal and Goal(**goal)})


def ratios(ours: Sequence[float], beside: Sequence[float]) -> Spread:
    """Ours by beside, round by round: what disturbs a round disturbs both sides of it."""
    return Spread.of([one / other for one, other in zip(ours, beside, strict=True)])


def short(value: float) -> str:
    """Three digits, and whole numbers from a hundred on."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


class NotMeasured(Exception):
    """A figure cannot be taken here; the message says why, in one line."""
