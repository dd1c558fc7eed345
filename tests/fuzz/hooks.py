"""What the requests of schemathesis have in common, and no schema can say: cursors that were given, days, keys, the cell."""

import itertools
from typing import Any

import schemathesis
from hypothesis import strategies
from schemathesis import Case, GenerationMode, HookContext

from shared.web.cell_prefix import CELL_HEADER
from shared.web.idempotency_key import FIELD, HEADER
from tools.openapi import examples

_numbers = itertools.count(1)
# The cell that is asked: a request for another is valid, too, and refused by it.
OURS = "0"

schemathesis.openapi.format("cursor", strategies.just(examples.CURSOR))
schemathesis.openapi.format("drivers-cursor", strategies.just(examples.DRIVERS_CURSOR))
# The first is never after the last.
schemathesis.openapi.format("day", strategies.just(examples.DAY))


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    if case.method == "QUERY":
        # Without content it is no request, and refused as such before anybody looks whether it is allowed here.
        case.body, case.media_type = {}, "application/json"
    elif case.meta and case.meta.generation.mode is GenerationMode.POSITIVE:
        spell_integers(case)
        if CELL_HEADER in case.headers:
            case.headers[CELL_HEADER] = OURS
        if case.method == "POST":
            give_key(case)


def spell_integers(case: Case) -> None:
    """In a query, which is text, an integer is its digits; only JSON may spell it 101.0."""
    for name, value in (case.query or {}).items():
        if isinstance(value, float) and value.is_integer():
            case.query[name] = int(value)


def give_key(case: Case) -> None:
    """A valid request has a key: in its header, its body, or the same in both; and not that of every example."""
    body = case.body if isinstance(case.body, dict) else {}
    if (case.headers.get(HEADER) or body.get(FIELD)) in (None, examples.KEY):
        case.headers[HEADER] = f"fuzz-{next(_numbers):06d}"
    if body.get(FIELD) is not None and HEADER in case.headers:
        body[FIELD] = case.headers[HEADER]
