"""Payments as a CSV file (RFC 4180) of what is filtered, streamed."""

import csv as csv_format
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import chain

from functions.console.desk import Desk
from functions.console.payments_form import MOST_IN_CSV, Form
from shared.platform.csv_cells import cell
from shared.platform.database import Row
from shared.reading.found import count, every_page
from shared.reading.search import Search
from shared.rules.states import METHODS, STATUSES
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem, invalid

# Payments a statement: 100 statements a file, and some megabytes in memory however many there are.
AT_ONCE = 1_000

COLUMNS = (
    "payment_id",
    "reference",
    "created_at",
    "updated_at",
    "trip_id",
    "method",
    "status",
    "failure_code",
    "amount",
    "refunded_amount",
    "refund_pending_amount",
    "currency",
    "gateway",
    "gateway_id",
)


def csv(desk: Desk, call: Call) -> Answer:
    """All payments that the form asks for, or the form again where those are too many for a file: none is ever cut short. They
    are those that there are now, each as it is when its turn comes."""
    form = Form.of(call)
    try:
        asked = form.read(desk.settings)
        counted, until = count(desk.deps.database, asked, MOST_IN_CSV + 1)
        if asked.lists and counted > MOST_IN_CSV:
            raise invalid(
                ("from", f"leaves more than {MOST_IN_CSV:,} payments, and a file holds no more: take fewer days")
            )
    except Problem as problem:
        return form.refused(desk, call, problem)
    pages = every_page(desk.deps.database, asked._replace(until=until), AT_ONCE)
    first = next(pages)  # a database that does not answer is said on a page, and not in half a file
    named = {"Content-Disposition": f'attachment; filename="{_file_name(form, asked)}"'}
    return Answer(200, _lines(chain([first], pages)), "text/csv; charset=utf-8", named)


def _lines(pages: Iterable[list[Row]]) -> Iterator[bytes]:
    yield _written([COLUMNS])
    for rows in pages:
        if rows:
            yield _written([_cells(row) for row in rows])


def _written(lines: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO(newline="")
    csv_format.writer(text).writerows(lines)
    return text.getvalue().encode()


def _cells(row: Row) -> list[object]:
    values = row | {"refund_pending_amount": row["reserved_amount"]}
    return [cell(values[column]) for column in COLUMNS]


def _file_name(form: Form, asked: Search) -> str:
    """Says what was filtered, in letters that every system takes, and when."""
    trip = f"trip-{asked.sought.trip_id}" if asked.sought.trip_id and not asked.sought.payment_id else ""
    some = [*_fewer(asked.statuses, STATUSES), *_fewer(asked.methods, METHODS), asked.gateway or ""]
    days = [f"{name}-{form.text(name).strip()}" for name in ("from", "to") if form.text(name).strip()]
    parts = ["payments", trip, *(each.lower() for each in some), *days, f"as-of-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"]
    return "-".join(filter(None, parts)) + ".csv"


def _fewer(some: tuple[str, ...], of_all: tuple[str, ...]) -> tuple[str, ...]:
    return some if some != of_all else ()
