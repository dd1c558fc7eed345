"""How long functions took to start, over all their instances."""

from collections import defaultdict
from typing import NamedTuple

from shared.platform.database import Database, Row
from shared.web.cold_start import BOUNDS


class ColdStarts(NamedTuple):
    """The starts of one function: how many took at most each of so many seconds, and the seconds of all of them."""

    function: str
    at_most: list[tuple[float, int]]
    seconds: float


def read_cold_starts(database: Database) -> list[ColdStarts]:
    """Those of every function that has started. Raises DatabaseUnavailable."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in database.run_again("cold_starts"):
        rows[row["function"]].append(row)
    return [ColdStarts(each, _at_most(rows[each]), sum(row["seconds"] for row in rows[each])) for each in rows]


def _at_most(rows: list[Row]) -> list[tuple[float, int]]:
    return [(bound, sum(row["count"] for row in rows if row["up_to"] <= bound)) for bound in BOUNDS]
