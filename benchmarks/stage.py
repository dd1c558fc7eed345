"""Where a figure is taken: the image, the server and its databases, the neighbours; and the two sides that are compared."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks import load, reference
from benchmarks.besides import Neighbours
from benchmarks.databases import Databases
from benchmarks.image import Image
from benchmarks.load import Answers
from benchmarks.measured import Goal, Row, ratios
from benchmarks.serving import InTheImage
from tests.support.cluster import Place

# What the image's functions run with, but for a rate that no load reaches: each charge is counted, and none refused.
SETTINGS = {"GATEWAY": "simulated", "RATE_LIMIT": "1000000/second", "LOG_LEVEL": "INFO"}
WARMING = 2.0


@dataclass(frozen=True)
class Taken:
    """One side of a comparison in one round: charges a second, and processor milliseconds a charge."""

    rate: float
    function: float
    postgres: float


@dataclass(frozen=True)
class Stage:
    """`folder` is gone after the run. `seconds` is how long each side runs in each of so many `rounds`; `snapshot_minutes` how
    long a snapshot is held."""

    folder: Path
    image: Image
    databases: Databases
    neighbours: Neighbours
    seconds: float = 5.0
    rounds: int = 3
    snapshot_minutes: float = 5.0

    @contextmanager
    def functions(self, names: Sequence[str], database: Mapping[str, str], sink: str = "") -> Iterator[InTheImage]:
        """Functions on a database (its DB_* settings), with a Trip Service and a sink that cost next to nothing."""
        around = {"TRIP_SERVICE_URL": self.neighbours.trips, "K_SINK": sink or self.neighbours.sink}
        with InTheImage(self.image, names, {**SETTINGS, **around, **database}) as functions:
            yield functions

    @contextmanager
    def charging(
        self, place: Place, instances: int = 1, database: Mapping[str, str] | None = None, sink: str = ""
    ) -> Iterator["Charging"]:
        """Instances of create_payment on a database, warmed up. `database`: how they reach it, where not
        straight; `sink`: another than the one that costs nothing."""
        names = ["create_payment", *[f"create_payment.{number}" for number in range(2, instances + 1)]]
        with self.functions(names, database or place.environment, sink) as functions:
            charging = Charging(self, functions, place)
            load.charge(charging.urls, 8 * instances, WARMING)
            yield charging


class Charging:
    """Both sides of a comparison: functions that charge, and pgbench with their statements, on one database."""

    def __init__(self, stage: Stage, functions: InTheImage, place: Place) -> None:
        self.stage = stage
        self.functions = functions
        self.place = place
        self.urls = [f"{functions.url(name)}/payments" for name in functions.names]

    def ours(
        self, clients: int, seconds: float | None = None, again: Answers | None = None, urls: Sequence[str] = ()
    ) -> tuple[Taken, Answers]:
        """Charges over so many connections; `again` repeats those of an earlier run, `urls` leads another way."""
        function, postgres = self.functions.seconds(), self.stage.databases.seconds()
        answers = load.charge(urls or self.urls, clients, seconds or self.stage.seconds, again)
        function, postgres = self.functions.seconds() - function, self.stage.databases.seconds() - postgres
        return _each(answers.rate, answers.requests, function, postgres), answers

    def pgbench(self, clients: int, seconds: float | None = None) -> Taken:
        """The same charges by pgbench."""
        databases = self.stage.databases
        before = databases.seconds()
        ran = reference.run(databases.server, self.place.environment, clients, seconds=seconds or self.stage.seconds)
        return _each(ran.rate, ran.charges, 0.0, databases.seconds() - before)


def _each(rate: float, charges: int, function: float, postgres: float) -> Taken:
    return Taken(rate, 1000 * function / charges, 1000 * postgres / charges)


def compared(
    what: str, ours: Sequence[Taken], beside: Sequence[Taken], named: str, goal: Goal | None, more: str = ""
) -> Row:
    """The row of two sides that were taken by turns: throughput by throughput, and what a charge costs the processor by what it
    costs beside, where both sides are functions. `more` is what else there is to say of ours."""
    told = in_words(ours) + more
    if beside[0].function:
        told += f"; a charge costs {median(map(cost, ours)) / median(map(cost, beside)):.2f} ×"
    ratio = ratios([one.rate for one in ours], [one.rate for one in beside])
    return Row(what, ratio, "×", told, f"{named} {in_words(beside)}", goal)


def cost(taken: Taken) -> float:
    """Processor milliseconds of a charge, function and PostgreSQL together."""
    return taken.function + taken.postgres


def in_words(taken: Sequence[Taken]) -> str:
    """The medians: charges a second, and processor milliseconds of each."""
    rate, function, postgres = (
        median(getattr(one, name) for one in taken) for name in ("rate", "function", "postgres")
    )
    ours = f"{function:.2f} ms function, " if function else ""
    return f"{rate:.0f}/s ({ours}{postgres:.2f} ms PostgreSQL)"
