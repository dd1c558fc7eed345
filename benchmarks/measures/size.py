"""Charges in a large database, beside a small one; and what one costs PostgreSQL at sizes between."""

from contextlib import ExitStack
from statistics import median

from benchmarks import sizes
from benchmarks.databases import HISTORY
from benchmarks.measured import Measured, at_least
from benchmarks.stage import Charging, Stage, Taken, compared

CLIENTS = 8
SMALL = 350
BETWEEN = (100_000, 1_000_000)


def measure(stage: Stage) -> Measured:
    """Functions on databases of each size, all of them up and one of them charging, by turns."""
    databases = {SMALL: HISTORY}
    databases |= {size: stage.databases.kept(f"payments_{size}", sizes.payments(size)) for size in BETWEEN}
    databases[sizes.LARGE] = stage.databases.kept("large", sizes.large)
    taken: dict[int, list[Taken]] = {size: [] for size in databases}
    with ExitStack() as ending:
        charging: dict[int, Charging] = {}
        for size, name in databases.items():
            here = stage.databases.copy(name) if size == SMALL else stage.databases.place(name)
            charging[size] = ending.enter_context(stage.charging(ending.enter_context(here)))
        for _ in range(stage.rounds):
            for size, functions in charging.items():
                taken[size].append(functions.ours(CLIENTS)[0])
    what = "charge at size, 10,000,000 payments and keys"
    row = compared(what, taken[sizes.LARGE], taken[SMALL], "350 payments", at_least(0.95))
    return Measured([row], {"cost": [_cost(size, ones) for size, ones in taken.items()]})


def _cost(size: int, taken: list[Taken]) -> dict[str, float]:
    function, postgres = median(one.function for one in taken), median(one.postgres for one in taken)
    return {"payments": size, "function": function, "postgres": postgres}
