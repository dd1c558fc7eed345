"""Page 10,000 of a listing in a large database, a hundred on each, or its last where there are fewer; beside the first."""

from urllib.parse import urlencode

from benchmarks import requests, sizes
from benchmarks.measured import Measured, Row, Spread, at_most, ratios
from benchmarks.stage import Stage
from shared.reading.queries import GREATEST_LIMIT, Page
from tests.support.cluster import Place

DEPTH = 10_000
ASKED = 30  # times in each round, of each page
# A query's parameters, and the condition that they are.
FILTERS: tuple[tuple[dict[str, str], str], ...] = (
    ({}, "true"),
    ({"status": "SUCCESS"}, "status = 'SUCCESS'"),
    ({"status": "FAILED"}, "status = 'FAILED'"),
    ({"status": "REFUNDED"}, "status = 'REFUNDED'"),
    ({"method": "CARD"}, "method = 'CARD'"),
    ({"status": "SUCCESS", "method": "UPI"}, "status = 'SUCCESS' AND method = 'UPI'"),
    ({"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"}, "true"),
    ({"trip_id": "7"}, "trip_id = 7"),
)
COUNT = "SELECT count(*) FROM payments WHERE {}"
# By id: payments of rising ids are of rising age.
ROW = "SELECT created_at, payment_id FROM payments WHERE {} ORDER BY payment_id DESC OFFSET {} LIMIT 1"


def measure(stage: Stage) -> Measured:
    """Every filter by turns: the first page, the deep one."""
    rows = []
    with (
        stage.databases.place(stage.databases.kept("large", sizes.large)) as place,
        stage.functions(["get_payment"], place.environment) as functions,
    ):
        connection = requests.connection(functions.ports["get_payment"])
        for parameters, condition in FILTERS:
            depth, cursor = _deep(place, condition)
            page = parameters | {"limit": str(GREATEST_LIMIT)}
            sides = {"first": (connection, _listing(page)), "deep": (connection, _listing(page | {"cursor": cursor}))}
            taken = [requests.by_turns(sides, ASKED) for _ in range(stage.rounds)]
            what = f"listing at depth, {'&'.join(f'{name}={value}' for name, value in parameters.items()) or 'all'}"
            rows.append(_row(what, depth, [each["deep"] for each in taken], [each["first"] for each in taken]))
    return Measured(rows)


def _row(what: str, depth: int, deep: list[float], first: list[float]) -> Row:
    ours, beside = f"page {depth:,}: {Spread.of(deep)} ms", f"first page: {Spread.of(first)} ms"
    return Row(what, ratios(deep, first), "×", ours, beside, at_most(2))


def _deep(place: Place, condition: str) -> tuple[int, str]:
    """The number of the page, and the cursor that leads to it."""
    depth = min(DEPTH, place.sql.value(COUNT.format(condition)) // GREATEST_LIMIT)
    [row] = place.sql.run(ROW.format(condition, (depth - 1) * GREATEST_LIMIT - 1))
    return depth, Page().cursor_behind(row, "payment_id")


def _listing(query: dict[str, str]) -> requests.Request:
    return requests.Request("GET", f"/payments?{urlencode(query)}", {})
