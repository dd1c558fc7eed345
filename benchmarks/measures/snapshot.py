"""Charges while an old snapshot is held, as by a backup, beside a database without one."""

from contextlib import closing
from statistics import linear_regression
from time import monotonic, perf_counter

from benchmarks import requests
from benchmarks.figure import Measured, Row, Spread, at_least
from benchmarks.stage import Stage, Taken, in_words
from sql.owner import connect

CLIENTS = 8
# Seconds of each turn; the database beside is only a measure of the machine.
HELD, BESIDE = 25, 5
LAST = 3  # turns that the figure is taken from
HOUR = 3600.0


def measure(stage: Stage) -> Measured:
    """Turns of both until the snapshot has been held for as long as asked. The trend is that of the processor's milliseconds,
    function and PostgreSQL together, by the line through all turns."""
    ours: list[Taken] = []
    beside: list[Taken] = []
    minutes: list[float] = []
    with (
        stage.databases.copy() as place,
        stage.databases.copy() as other,
        stage.charging(place) as charging,
        stage.charging(other) as without,
        stage.functions(["metrics"], place.environment) as metrics,
        closing(connect(place.owner)) as reader,
        reader.cursor() as cursor,
    ):
        cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM payments")
        began = monotonic()
        while monotonic() - began < 60 * stage.snapshot_minutes:
            beside.append(without.ours(CLIENTS, BESIDE)[0])
            ours.append(charging.ours(CLIENTS, HELD)[0])
            minutes.append((monotonic() - began) / 60)
        scrape = _scrape(metrics.ports["metrics"])
    ratio = [one.rate / other.rate for one, other in zip(ours[-LAST:], beside[-LAST:], strict=True)]
    costs = [_cost(one) / _cost(other) for one, other in zip(ours, beside, strict=True)]
    told = in_words(ours[-LAST:]), f"no snapshot {in_words(beside[-LAST:])}"
    held = f"charge under a snapshot held for {stage.snapshot_minutes:g} minutes"
    rows = [Row(held, Spread.of(ratio), "×", f"{told[0]}; GET /metrics {scrape:.1f} ms", told[1], at_least(0.9))]
    if len(ours) > 1:
        rows.append(_after_an_hour(minutes, costs))
    points = [{"minutes": at, "cost": cost} for at, cost in zip(minutes, costs, strict=True)]
    return Measured(rows, {"snapshot": points})


def _after_an_hour(minutes: list[float], costs: list[float]) -> Row:
    trend = linear_regression(minutes, costs)
    cost = trend.intercept + trend.slope * HOUR / 60
    told = f"processor of a charge {costs[0]:.2f} × at first, {costs[-1]:.2f} × at last, {cost:.2f} × by then"
    return Row(
        "charge under a held snapshot, an hour by the trend", Spread.of([1 / cost]), "×", told, goal=at_least(0.9)
    )


def _cost(taken: Taken) -> float:
    return taken.function + taken.postgres


def _scrape(port: int) -> float:
    connection = requests.connection(port)
    requests.ask(connection, requests.good("metrics", 0))
    began = perf_counter()
    requests.ask(connection, requests.good("metrics", 0))
    connection.close()
    return 1000 * (perf_counter() - began)
