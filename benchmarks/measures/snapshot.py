"""Charges while an old snapshot is held, as by a backup, beside a database without one."""

from contextlib import closing
from statistics import linear_regression, median
from time import monotonic, perf_counter

from benchmarks import requests
from benchmarks.measured import Measured, Row, Spread, at_least
from benchmarks.stage import Stage, Taken, compared
from sql.owner import connect

CLIENTS = 8
# Seconds of each turn; the database beside is only a measure of the machine.
HELD, BESIDE = 25, 5
LAST = 3  # turns that the figure is taken from
HOUR = 3600.0


def measure(stage: Stage) -> Measured:
    """Turns of both until the snapshot has been held for as long as asked. The trend is that of PostgreSQL's milliseconds, by
    the slope of the line through all turns."""
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
    costs = [one.postgres / other.postgres for one, other in zip(ours, beside, strict=True)]
    held = f"charge under a snapshot held for {stage.snapshot_minutes:g} minutes"
    more = f" and {scrape:.1f} ms for GET /metrics"
    rows = [compared(held, ours[-LAST:], beside[-LAST:], "no snapshot", at_least(0.9), more)]
    if len(ours) > 1:
        rows.append(_after_an_hour(minutes, costs, beside))
    points = [{"minutes": at, "cost": each} for at, each in zip(minutes, costs, strict=True)]
    return Measured(rows, {"snapshot": points})


def _after_an_hour(minutes: list[float], costs: list[float], beside: list[Taken]) -> Row:
    """What a charge costs altogether without a snapshot, by what it will: only PostgreSQL's part grows."""
    # What falls is noise: a held snapshot makes nothing cheaper.
    growth = max(0.0, linear_regression(minutes, costs).slope)
    then = median(costs) + growth * (HOUR / 60 - median(minutes))
    function, postgres = (median(getattr(one, name) for one in beside) for name in ("function", "postgres"))
    value = (function + postgres) / (function + then * postgres)
    told = f"PostgreSQL's part costs {costs[0]:.2f} × at first, {costs[-1]:.2f} × at last, {then:.2f} × by then"
    return Row("charge under a held snapshot, an hour by the trend", Spread.of([value]), "×", told, goal=at_least(0.9))


def _scrape(port: int) -> float:
    connection = requests.connection(port)
    requests.ask(connection, requests.good("metrics", 0))
    began = perf_counter()
    requests.ask(connection, requests.good("metrics", 0))
    connection.close()
    return 1000 * (perf_counter() - began)
