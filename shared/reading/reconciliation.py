"""What reconciliation found: the times that were compared with a gateway's books, and what differs in each, page by page."""

from collections.abc import Iterator
from typing import NamedTuple

from shared.platform.database import Database, Row
from shared.reading.queries import Page
from shared.reading.totals import MOST_COUNTED
from shared.web.problems import Problem

# As many as a person reads at once, of times and of differences.
SHOWN = 50
# Movements that one statement reads for a file, and what the file has of each.
AT_ONCE = 1_000
COLUMNS = (
    "gateway",
    "movement",
    "kind",
    "at",
    "verdict",
    "why",
    "object_id",
    "charge_id",
    "reference",
    "payment_id",
    "refund_id",
    "currency",
    "their_amount",
    "our_amount",
    "fee",
    "their_status",
    "our_status",
)


class Reconciliations(NamedTuple):
    """A page of reconciliations, the latest times first; `cursor` leads to the next one, None at the end."""

    rows: list[Row]
    cursor: str | None


class Reconciliation(NamedTuple):
    """One of them, and a page of its differences. `by_verdict` counts them all, up to MOST_COUNTED; `behind` is the name of the
    movement that the next page begins behind, None at the end."""

    row: Row
    by_verdict: dict[str, int]
    differences: list[Row]
    behind: str | None


def read_reconciliations(database: Database, page: Page) -> Reconciliations:
    """Raises DatabaseUnavailable."""
    rows = database.run_again("reconciliations", before=page.before, before_id=page.before_id, limit=SHOWN + 1)
    if len(rows) <= SHOWN:
        return Reconciliations(rows, None)
    last = rows[SHOWN - 1]
    return Reconciliations(rows[:SHOWN], page.cursor_behind(last | {"created_at": last["to_at"]}, "reconciliation_id"))


def read_reconciliation(database: Database, reconciliation_id: int, behind: str = "") -> Reconciliation:
    """A reconciliation, with the page of its differences that begins behind this movement, at first "". Raises Problem
    not_found, and DatabaseUnavailable."""
    found = database.run_again("reconciliation", reconciliation_id=reconciliation_id, most_counted=MOST_COUNTED)
    if not found:
        raise Problem("not_found", f"There is no reconciliation {reconciliation_id}.")
    rows = database.run_again("differences_of", reconciliation_id=reconciliation_id, after=behind, limit=SHOWN + 1)
    return Reconciliation(
        row=found[0],
        by_verdict={row["verdict"]: row["count"] for row in found if row["verdict"] is not None},
        differences=rows[:SHOWN],
        behind=rows[SHOWN - 1]["movement"] if len(rows) > SHOWN else None,
    )


def every_movement(database: Database, reconciliation_id: int) -> Iterator[list[Row]]:
    """All movements of a reconciliation, so many at a time, by their names; first an empty page where there are none. No
    connection is held between two pages. Raises DatabaseUnavailable."""
    behind: str | None = ""
    while behind is not None:
        rows = database.run_again("movements_of", reconciliation_id=reconciliation_id, after=behind, limit=AT_ONCE)
        yield rows
        behind = rows[-1]["movement"] if len(rows) == AT_ONCE else None
