"""What a scrape takes with a large database, and with many events undelivered, beside a small one without any."""

from contextlib import ExitStack

from benchmarks import requests, sizes
from benchmarks.measured import Measured, Row, Spread, at_most, ratios
from benchmarks.stage import Stage
from shared.platform.database.statements import statement

SCRAPES = 50  # in each round, of each
GOAL = at_most(1.2)


def measure(stage: Stage) -> Measured:
    """GET /metrics of three functions, each on a database of its own, by turns."""
    names = {
        "small": None,
        "with 10,000,000 payments": stage.databases.kept("large", sizes.large),
        "with 1,000,000 undelivered events": stage.databases.kept("undelivered", sizes.undelivered),
    }
    took: dict[str, list[float]] = {name: [] for name in names}
    with ExitStack() as ending:
        connections = {}
        for name, database in names.items():
            here = stage.databases.place(database) if database else stage.databases.copy()
            place = ending.enter_context(here)
            place.sql.run(statement("keep_up"))  # as a sweep does, whatever charges came last
            functions = ending.enter_context(stage.functions(["metrics"], place.environment))
            connections[name] = requests.connection(functions.ports["metrics"])
            requests.ask(connections[name], requests.good("metrics", 0))
        sides = {name: (connection, requests.good("metrics", 0)) for name, connection in connections.items()}
        for _ in range(stage.rounds):
            for name, milliseconds in requests.by_turns(sides, SCRAPES).items():
                took[name].append(milliseconds)
    small = took.pop("small")
    beside = f"350 payments, no event: {Spread.of(small)} ms"
    return Measured(
        [
            Row(f"metrics {name}", ratios(large, small), "×", f"{Spread.of(large)} ms", beside, GOAL)
            for name, large in took.items()
        ]
    )
