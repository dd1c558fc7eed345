"""All cells side by side: each tells its own figures, and the page has them in one view."""

from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal

from functions.console.desk import Desk
from functions.console.forms import read_address
from functions.console.rendering import render
from shared.reading.attention import MOST_COUNTED as MOST_ATTENTION
from shared.reading.figures import Happened
from shared.reading.periods import period_of
from shared.reading.standing import read_standing
from shared.reading.totals import MOST_COUNTED
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.cell_prefix import prefix_of
from shared.web.problems import Problem

SIDE_BY_SIDE, STANDING = "/console/cells", "/console/standing"


def side_by_side(desk: Desk, call: Call) -> Answer:
    """The first page of several cells, which any of them shows: it has their names alone, and a browser asks each cell for the
    rest. What it loads is of the cell that shows it: another may be of another version. Raises Problem not_found."""
    settings = desk.settings
    if len(settings.cells) < 2:
        raise Problem("not_found", "There is one cell.")
    cells = [(cell, prefix_of(cell.name)) for cell in settings.cells]
    return render(
        "cells.html", call, base=prefix_of(settings.cell_name), cells=cells, standing=STANDING, here=SIDE_BY_SIDE
    )


def standing(desk: Desk, call: Call) -> Answer:
    """The part of that page which is this cell's."""
    read_address(call)
    words, now, currency = desk.words, datetime.now(UTC), desk.settings.currency
    stands = read_standing(desk.deps.database, period_of("day", now, words.zone), currency)
    return render(
        "standing.html",
        call,
        words=words,
        now=now,
        currency=currency,
        stands=stands,
        name=desk.settings.cell_name,
        declined=_declined(stands.happened),
        most_pending=MOST_COUNTED,
        most_attention=MOST_ATTENTION,
    )


def not_told(desk: Desk, problem: Problem, call: Call) -> Answer:
    """In place of that part: why there is none, and where to sign in."""
    can_sign_in = problem.code == "unauthorized" and desk.entrance.sign_in(call) is not None
    return render(
        "standing_not_told.html",
        call,
        status=problem.status,
        problem=problem,
        can_sign_in=can_sign_in,
        back=SIDE_BY_SIDE,
    )


def _declined(happened: Happened) -> Decimal | None:
    """Per cent of what was charged or declined, never less than it is: 0 is none. None where nothing was."""
    decided = happened.charged + happened.declined
    return (Decimal(100 * happened.declined) / decided).quantize(Decimal("0.1"), ROUND_UP) if decided > 0 else None
