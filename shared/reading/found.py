"""What a search finds: page by page, in constant time however many payments there are."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from shared.platform.database import Database, Row
from shared.reading.queries import Page, read_cursor
from shared.reading.search import Search

# Payments that a page shows: what a screen or two hold.
SHOWN = 50
# Payments that a page looks at, at most, where amount or gateway take some away: each is a row to fetch, some four pages of the
# database. Measured over a million, 5,000 take 0.1 s (where thirty processes share two cores): what a person does not notice.
LOOKED = 5_000


class Found(NamedTuple):
    """A page of payments, newest first; `cursor` leads to the next one, None at the end. Where it ended because `looked`
    payments had been looked at, `looked_to` is how far back they go, else None."""

    rows: list[Row]
    cursor: str | None = None
    looked: int = 0
    looked_to: datetime | None = None


def search(database: Database, asked: Search, limit: int = SHOWN) -> Found:
    """A page of what is searched for: at most `limit` payments that the filters leave, of a trip where one is sought; and on
    the first page, before them and whatever the filters say, those that have the sought name. Raises DatabaseUnavailable."""
    named = _named(database, asked) if asked.sought.is_named and asked.is_first_page else []
    if not asked.lists:
        return Found(named)
    found = _listed(database, asked, limit)
    others = [row for row in found.rows if row["payment_id"] != asked.sought.payment_id]
    return found._replace(rows=named + others)


def count(database: Database, asked: Search, most: int) -> tuple[int, str]:
    """How many payments status, method, dates and trip leave, counted up to `most`; and until when they were made, as
    PostgreSQL reads it. Raises DatabaseUnavailable."""
    [counted] = database.run_again("count_searched", **_filters(asked), most=most)
    return counted["count"], counted["until"].isoformat()


def every_page(database: Database, asked: Search, limit: int) -> Iterator[list[Row]]:
    """All that `search` finds, so many at a time, each payment once at most. Each page is a statement of its own, and no
    connection is held between two. Raises DatabaseUnavailable."""
    cursor: str | None = ""
    while cursor is not None:
        found = search(database, asked._replace(page=Page(**read_cursor(cursor)) if cursor else Page()), limit)
        yield found.rows
        cursor = found.cursor


def _named(database: Database, asked: Search) -> list[Row]:
    sought = asked.sought
    return database.run_again(
        "search_named",
        payment_id=sought.payment_id,
        reference=sought.reference,
        gateway_id=sought.gateway_id,
        limit=SHOWN,
    )


def _listed(database: Database, asked: Search, limit: int) -> Found:
    looked = max(LOOKED, limit + 1) if asked.by_what_no_index_has else limit + 1
    rows = database.run_again(
        "search_payments",
        **_filters(asked),
        gateway=asked.gateway,
        least=asked.least,
        most=asked.most,
        before=asked.page.before,
        before_id=asked.page.before_id,
        looked=looked,
        limit=limit + 1,
    )
    found = [row for row in rows if row["payment_id"] is not None]
    if len(found) > limit:
        return Found(found[:limit], Page().cursor_behind(found[limit - 1], "payment_id"))
    if rows and rows[0]["looked"] == looked:
        ended = {"created_at": rows[0]["looked_to"], "payment_id": rows[0]["looked_to_id"]}
        return Found(found, Page().cursor_behind(ended, "payment_id"), looked, rows[0]["looked_to"])
    return Found(found)


def _filters(asked: Search) -> Row:
    return {
        "trip_id": asked.sought.trip_id,
        "statuses": list(asked.statuses),
        "methods": list(asked.methods),
        "from": asked.since,
        "to": asked.until,
    }
