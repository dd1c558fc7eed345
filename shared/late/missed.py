"""Missed events: what a gateway rang with, and nobody heard, is found in its own list of events."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Self

from shared.charging.dependencies import Dependencies
from shared.gateways.facts import Event
from shared.gateways.protocol import Gateway, Unknown
from shared.late.ring import ring
from shared.platform import json_text
from shared.platform.batches import Done
from shared.platform.database import DatabaseUnavailable, Row
from shared.platform.log import log

# Seconds from one reading of a list to the next, over all sweeps: a little less than from one sweep to the next, which would
# find it read a moment ago every other time. It is as long as one reading has the list for itself, and longer than a reading
# may take.
PAUSE = 50.0
LONGEST = 30.0
# What is read again: for so long an event may be on its way into the list, or bear the time of a clock that goes before ours.
OVERLAP = timedelta(minutes=5)
# The most that is read at once, a hundred events each: the next sweep goes on from there.
MOST_PAGES = 100
# A list reaches no further back.
REACHES_BACK = timedelta(days=30)


class _Cursor(NamedTuple):
    """A reading of one list, from the newest event back to those of `since`. `begun` is when it began: at its end everything
    before that was heard, and until then it is only known of what is before `read_until`. `after` is the place at which it
    goes on; `lease` is whose it is."""

    gateway: str
    read_until: datetime
    begun: datetime
    after: str | None
    since: datetime
    lease: datetime

    @classmethod
    def of(cls, gateway: str, row: Row) -> Self:
        """The reading in a row of lease_cursor: a new one, or one that did not come to its end."""
        begun, _, after = (row["place"] or f"{row['now'].isoformat()} ").partition(" ")
        earliest, since = row["now"] - REACHES_BACK, row["read_until"] - OVERLAP
        if since < earliest:
            log.error(
                "a gateway's list of events does not reach back far enough",
                extra={"gateway": gateway, "since": str(since)},
            )
        return cls(
            gateway=gateway,
            read_until=row["read_until"],
            begun=datetime.fromisoformat(begun),
            after=after or None,
            since=max(since, earliest),
            lease=row["read_after"],
        )


def hear_missed(deps: Dependencies, until: float) -> Done:
    """Reads what each gateway rang with, or wanted to, since its list was read before: keeps each event, and rings for what
    it is about, once however often it is read. Begins nothing after `until` (monotonic clock). Says how many were new, and
    whether a list goes on. Raises DatabaseUnavailable."""
    done = [_hear(deps, gateway, min(until, time.monotonic() + LONGEST)) for gateway in deps.gateways.that_ring()]
    return Done(sum(each.count for each in done), any(each.more for each in done))


def _hear(deps: Dependencies, gateway: Gateway, until: float) -> Done:
    rows = deps.database.run("lease_cursor", gateway=gateway.name, pause=PAUSE) if time.monotonic() < until else []
    if not rows:
        return Done(0)
    cursor, heard, pages = _Cursor.of(gateway.name, rows[0]), 0, 0
    while pages < MOST_PAGES and time.monotonic() < until:
        page = gateway.list_events(cursor.since, cursor.after, deps.settings.gateway_timeout)
        if isinstance(page, Unknown):
            log.warning("a gateway's list of events was not read", extra={"gateway": gateway.name, "why": page.why})
            if page.search_cursor is not None:  # the place is gone: from the newest on, as if it had not begun
                _note(deps, cursor, cursor.read_until, None)
            break
        heard += _keep(deps, cursor, page.events)
        if page.after is None:
            _note(deps, cursor, cursor.begun, None)
            return Done(heard)
        cursor, pages = cursor._replace(after=page.after), pages + 1
        if not _note(deps, cursor, cursor.read_until, f"{cursor.begun.isoformat()} {cursor.after}"):
            return Done(heard)
    return Done(heard, more=True)


def _keep(deps: Dependencies, cursor: _Cursor, listed: Sequence[Event]) -> int:
    """Keeps the events of a page, oldest first, and says how many were new. One that cannot be kept rings all the same, or
    the place is not passed: that it rang is what counts."""
    ids = [event.event_id for event in listed]
    rows = deps.database.run_again("known_events", gateway=cursor.gateway, event_ids=ids) if ids else []
    known, heard = {row["event_id"] for row in rows}, 0
    for event in reversed(listed):
        if event.event_id in known:
            continue
        columns = event._asdict() | {"said": json_text.write(dict(event.said))}
        try:
            deps.database.run_again("keep_said", gateway=cursor.gateway, source="list", **columns)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("an event in the gateway's list was not kept", extra={"event_id": event.event_id})
            if event.kind is not None:
                ring(deps.database, cursor.gateway, event.kind, event.object_id)
        heard += 1
    return heard


def _note(deps: Dependencies, cursor: _Cursor, read_until: datetime, place: str | None) -> bool:
    """Notes how far the reading came, once everything before was kept; says whether the list is still this sweep's to
    read."""
    where = {"gateway": cursor.gateway, "read_after": cursor.lease, "read_until": read_until, "place": place}
    return bool(deps.database.run_again("move_cursor", **where))
