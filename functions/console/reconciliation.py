"""Reconciliation: which times were compared with the gateways' books, and what differs in each."""

import re
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from functions.console.desk import Desk
from functions.console.forms import read_address
from functions.console.payments_form import MOST_IN_CSV
from functions.console.rendering import render
from shared.platform.database import Row
from shared.reading.queries import Page, read_cursor
from shared.reading.reconciliation import read_reconciliation, read_reconciliations
from shared.reading.totals import MOST_COUNTED
from shared.rules.identifiers import GREATEST_ID
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem, invalid

if TYPE_CHECKING:
    from shared.reading.words import Words

PAGE = "/console/reconciliation"


def listing(desk: Desk, call: Call) -> Answer:
    """The reconciliations, the latest times first. Raises Problem invalid_request."""
    cursor, words = read_address(call, "cursor")["cursor"], desk.words
    try:
        page = Page(**read_cursor(cursor)) if cursor else Page()
    except ValueError as wrong:
        raise invalid(("cursor", str(wrong))) from None
    found = read_reconciliations(desk.deps.database, page)
    return render(
        "reconciliations.html",
        call,
        words=words,
        found=found,
        is_first_page=not cursor,
        next=found.cursor and f"{PAGE}?{urlencode({'cursor': found.cursor})}",
        time_of=lambda row: time_of(row, words),
    )


def differences(desk: Desk, call: Call) -> Answer:
    """What differs in one of them, page by page. Raises Problem not_found and invalid_request."""
    reconciliation_id = read_id(call.parameters["reconciliation_id"])
    behind = read_address(call, "behind")["behind"]
    found = read_reconciliation(desk.deps.database, reconciliation_id, behind)
    gateway, words = desk.deps.gateways.named(found.row["gateway"]), desk.words
    here = f"{PAGE}/{reconciliation_id}"
    return render(
        "reconciliation.html",
        call,
        words=words,
        found=found,
        heading=time_of(found.row, words),
        most=MOST_COUNTED,
        csv=f"{here}/csv" if (found.row["movements"] or 0) <= MOST_IN_CSV and found.row["finished_at"] else None,
        is_first_page=not behind,
        here=here,
        next=found.behind and f"{here}?{urlencode({'behind': found.behind})}",
        dashboard=lambda charge_id: gateway.dashboard(charge_id) if gateway and charge_id else None,
    )


def time_of(row: Row, words: "Words") -> str:
    """The time that was compared: a day or days where it is whole ones, else from when to when."""
    begins, ends = (moment.astimezone(words.zone) for moment in (row["from_at"], row["to_at"]))
    if not _is_midnight(begins) or not _is_midnight(ends):
        return f"{words.moment(begins)} – {words.moment(ends)}"
    last = ends - timedelta(microseconds=1)
    return words.day(begins) if begins.date() == last.date() else f"{words.day(begins)} – {words.day(last)}"


def _is_midnight(moment: datetime) -> bool:
    return moment.time() == time.min


def read_id(text: str) -> int:
    """The id of a reconciliation in a path. Raises Problem not_found."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or not 0 < int(text) <= GREATEST_ID:
        raise Problem("not_found", "There is no such reconciliation: an id is a positive integer.")
    return int(text)
