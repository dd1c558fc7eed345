"""Reading: payments, their refunds and events."""

from shared.platform import json_text
from shared.platform.database import Database, Row
from shared.reading.queries import Page, PaymentQuery
from shared.web.problems import Problem


def payment(database: Database, payment_id: int, *, to_act_on: bool = False) -> str:
    """One payment, as JSON text; `to_act_on`: with what its customer is to do, which is for whoever charges alone. Raises
    Problem payment_not_found."""
    row = database.one("payment", payment_id=payment_id)
    if row is None:
        raise not_found(payment_id)
    return str(row["to_act_on"] if to_act_on and row["to_act_on"] else row["shown"])


def payments(database: Database, query: PaymentQuery) -> str:
    """A page of payments, newest first, as the JSON text of the list envelope."""
    filters = {
        "statuses": list(query.statuses),
        "methods": list(query.methods),
        "from": query.since,
        "to": query.until,
        "before": query.page.before,
        "before_id": query.page.before_id,
        "limit": query.page.limit + 1,
    }
    if query.trip_id is None:
        rows = database.run_again("payments", **filters)
    else:
        rows = database.run_again("payments_of_trip", trip_id=query.trip_id, **filters)
    return _envelope(rows, query.page, "payment_id")


def refunds(database: Database, payment_id: int, page: Page) -> str:
    """A page of a payment's refunds, newest first, as the JSON text of the list envelope. Raises Problem payment_not_found."""
    rows = database.run_again(
        "refunds", payment_id=payment_id, before=page.before, before_id=page.before_id, limit=page.limit + 1
    )
    if not rows:
        raise not_found(payment_id)
    return _envelope([row for row in rows if row["refund_id"] is not None], page, "refund_id")


def events(database: Database, payment_id: int, page: Page) -> str:
    """A page of what happened to a payment's money, newest first, as the JSON text of the list envelope. Raises Problem
    payment_not_found."""
    rows = database.run_again(
        "payment_events", payment_id=payment_id, before=page.before, before_id=page.before_id, limit=page.limit + 1
    )
    if not rows:
        raise not_found(payment_id)
    return _envelope([row for row in rows if row["place"] is not None], page, "place")


def _envelope(rows: list[Row], page: Page, id_name: str) -> str:
    """The statement asks for one row more than the page holds: only where it comes is there a next page."""
    shown = rows[: page.limit]
    cursor = page.cursor_behind(shown[-1], id_name) if len(rows) > page.limit else None
    return json_text.write({"data": [json_text.Written(row["shown"]) for row in shown], "next_cursor": cursor})


def not_found(payment_id: int) -> Problem:
    """The refusal where there is no such payment."""
    return Problem("payment_not_found", f"There is no payment {payment_id}.")
