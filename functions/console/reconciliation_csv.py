"""The movements of a reconciliation as a CSV file (RFC 4180), streamed: the file of `make reconcile`, of one gateway."""

import csv as csv_format
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain

from functions.console.desk import Desk
from functions.console.payments_form import MOST_IN_CSV
from functions.console.reconciliation import read_id
from shared.platform.csv_cells import cell
from shared.platform.database import Row
from shared.reading.reconciliation import COLUMNS, every_movement, read_reconciliation
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem


def csv(desk: Desk, call: Call) -> Answer:
    """Every movement, one row each. Raises Problem not_found where there is no such reconciliation, or it came to no end yet or
    found more than a file holds: the page leads nobody here then."""
    reconciliation_id, database = read_id(call.parameters["reconciliation_id"]), desk.deps.database
    row = read_reconciliation(database, reconciliation_id).row
    if row["movements"] is None or row["movements"] > MOST_IN_CSV:
        raise Problem(
            "not_found", f"There is no file of more than {MOST_IN_CSV:,} movements: make reconcile writes it."
        )
    pages = every_movement(database, reconciliation_id)
    first = next(pages)  # a database that does not answer is said on a page, and not in half a file
    name = f"reconciliation-{reconciliation_id}-as-of-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.csv"
    named = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Answer(200, _lines(row["gateway"], chain([first], pages)), "text/csv; charset=utf-8", named)


def _lines(gateway: str, pages: Iterable[list[Row]]) -> Iterator[bytes]:
    yield _written([COLUMNS])
    for rows in pages:
        named = [row | {"gateway": gateway} for row in rows]
        yield _written([[cell(row[column]) for column in COLUMNS] for row in named])


def _written(lines: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv_format.writer(text).writerows(lines)
    return text.getvalue().encode()
