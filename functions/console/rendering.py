"""How every page of the console is made: its frame, what it loads, and what its browser may do."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from functions.console import codes
from functions.console.sections import SECTIONS, beside
from shared.web.answers import PLAIN, Answer
from shared.web.assets import Assets
from shared.web.call import Call
from shared.web.pages import NO_HEADERS, page

if TYPE_CHECKING:
    from jinja2 import Environment

    from functions.console.desk import Desk

# Nothing from elsewhere, and no script or style within the page. (Pico's pictures are data: in its style sheet.)
POLICY = "script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'"
_OWN = Path(__file__).parent
_FILES = ("vendor/pico.min.css", "vendor/htmx.min.js", "console.css", "today.css", "cells.css", "cells.js")
ASSETS = Assets(_OWN / name for name in _FILES)


def render(
    template: str, call: Call, *, status: int = 200, headers: Mapping[str, str] = NO_HEADERS, **values: Any
) -> Answer:
    """A page of the console from its template, which `layout.html` frames. Whatever a value holds is shown as text; an address
    begins with /console, and the template puts `base` before it."""
    shown = {"call": call, "base": call.base, "files": ASSETS.names, **values}
    html = _environment().get_template(template).render(shown)
    return page(html, POLICY, headers, status=status, sends_forms=True)


def redirect(call: Call, place: str) -> Answer:
    """Leads to another page of ours, by GET whatever the request was (RFC 9110, 15.4.4)."""
    return Answer(303, "", PLAIN, {"Location": f"{call.base}{place}"})


def is_fragment(call: Call) -> bool:
    """Whether a script of a page asks for the part of it that changes, and not a person for the page."""
    return bool(call.headers.get("HX-Request") == "true")


def file(_: "Desk", call: Call) -> Answer:
    """What the pages load."""
    return ASSETS.answer(call.parameters["file"])


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_OWN / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.globals |= {
        "sections": SECTIONS,
        "beside": beside,
        "failure": codes.failure,
        "failures": codes.FAILURES,
        "gateway": codes.gateway,
        "statuses": codes.STATUSES,
        "refund_statuses": codes.REFUND_STATUSES,
        "tones": codes.TONES,
        "refund_tones": codes.REFUND_TONES,
        "methods": codes.METHODS,
        "sayings": codes.SAYINGS,
        "refund_sources": codes.REFUND_SOURCES,
        "fare_names": codes.FARE,
        "disputes": codes.DISPUTES,
        "heard": codes.HEARD,
        "account_names": codes.ACCOUNTS,
        "ledger_entries": codes.ENTRIES,
        "verdicts": codes.VERDICTS,
        "movement_kinds": codes.MOVEMENT_KINDS,
    }
    return environment
