"""The query of a listing: its parameters, and the cursor from page to page."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

from shared.rules.identifiers import GREATEST_ID
from shared.rules.states import METHODS, STATUSES
from shared.web.problems import invalid

# Of a page: the contract's. A hundred payments with the metadata that they may have are 1.6 MB.
LIMIT = 20
GREATEST_LIMIT = 100

_TIME = r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)"  # compiled with the first that comes


class Page(NamedTuple):
    """A page of a list, newest first: at most `limit` rows older than (before, before_id)."""

    limit: int = LIMIT
    before: str = "infinity"
    before_id: int = GREATEST_ID

    def cursor_behind(self, row: dict[str, Any], id_name: str) -> str:
        """The opaque cursor of the page that begins behind this row. Rows that are added later are newer, so it stays right."""
        text = f"{row['created_at'].astimezone(UTC).isoformat()} {row[id_name]}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


class PaymentQuery(NamedTuple):
    """Which payments a listing shows. `since` is included, `until` is not; both as PostgreSQL reads a timestamptz."""

    page: Page
    trip_id: int | None = None
    statuses: tuple[str, ...] = STATUSES
    methods: tuple[str, ...] = METHODS
    since: str = "-infinity"
    until: str = "infinity"


def read_payment_query(parameters: list[tuple[str, str]]) -> PaymentQuery:
    """The query of `GET /payments`. Raises Problem invalid_request naming every parameter that is unknown, wrong or given
    twice."""
    given, faults = given_once(parameters, {"trip_id", "status", "method", "from", "to", "limit", "cursor"})
    values: dict[str, Any] = {}
    for name, text in given.items():
        try:
            values |= _READ[name](text)
        except ValueError as wrong:
            faults.append((name, str(wrong)))
    if faults:
        raise invalid(*faults)
    paging = {name: values.pop(name) for name in ("limit", "before", "before_id") if name in values}
    return PaymentQuery(Page(**paging), **values)


def read_page(parameters: list[tuple[str, str]]) -> Page:
    """The query of a listing without filters. Raises Problem invalid_request."""
    _, faults = given_once(parameters, {"limit", "cursor"})
    if faults:
        raise invalid(*faults)
    return read_payment_query(parameters).page


def refuse_parameters(parameters: list[tuple[str, str]]) -> None:
    """Raises Problem invalid_request where an address that takes no parameters was given one."""
    _, faults = given_once(parameters, set())
    if faults:
        raise invalid(*faults)


def given_once(parameters: list[tuple[str, str]], known: set[str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The parameters that are known, each with what it is given, and the faults of all others: a name, and what is wrong."""
    given: dict[str, str] = {}
    faults = []
    for name, text in parameters:
        if name not in known:
            faults.append((name, "is not a parameter of this address"))
        elif name in given:
            faults.append((name, "is given twice"))
        else:
            given[name] = text
    return given, faults


def _trip_id(text: str) -> dict[str, Any]:
    if not re.fullmatch(r"[0-9]{1,19}", text) or not 0 < int(text) <= GREATEST_ID:
        raise ValueError("must be an integer above 0")
    return {"trip_id": int(text)}


def _status(text: str) -> dict[str, Any]:
    if not text.isascii() or text.upper() not in STATUSES:
        raise ValueError(f"must be one of {', '.join(STATUSES)}")
    return {"statuses": (text.upper(),)}


def _method(text: str) -> dict[str, Any]:
    if not text.isascii() or text.upper() not in METHODS:
        raise ValueError(f"must be one of {', '.join(METHODS)}")
    return {"methods": (text.upper(),)}


def _time(text: str) -> str:
    wrong = ValueError("must be an RFC 3339 time, such as 2026-11-22T12:00:00Z")
    # In a query, an unescaped + is a space.
    text = re.sub(r" (\d\d:\d\d)$", r"+\1", text)
    if not re.fullmatch(_TIME, text):
        raise wrong
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise wrong from None


def read_limit(text: str) -> dict[str, Any]:
    """How many rows a page may have: `limit` of a Page. Raises ValueError."""
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= GREATEST_LIMIT:
        raise ValueError(f"must be an integer from 1 to {GREATEST_LIMIT}")
    return {"limit": int(text)}


def read_cursor(text: str) -> dict[str, Any]:
    """Where the page begins that a cursor leads to: `before` and `before_id` of a Page. Raises ValueError."""
    wrong = ValueError("is not a cursor that this address gave")
    try:
        before, before_id = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True).decode().split(" ")
        moment = datetime.fromisoformat(before)
        before = moment.astimezone(UTC).isoformat()  # ISO 8601 knows more spellings than PostgreSQL
    except (ValueError, OverflowError, binascii.Error):
        raise wrong from None
    if moment.tzinfo is None or not re.fullmatch(r"[0-9]{1,19}", before_id) or int(before_id) > GREATEST_ID:
        raise wrong
    return {"before": before, "before_id": int(before_id)}


_READ = {
    "trip_id": _trip_id,
    "status": _status,
    "method": _method,
    "from": lambda text: {"since": _time(text)},
    "to": lambda text: {"until": _time(text)},
    "limit": read_limit,
    "cursor": read_cursor,
}
