"""The outbox: events as the database keeps them, from the commit of what they report until the sink has them."""

from collections.abc import Callable
from typing import TypeVar

from shared.events.event import Event, event_in
from shared.events.failed import Failed
from shared.platform.database import Database, DatabaseUnavailable
from shared.platform.log import log

T = TypeVar("T")

# Seconds after a try that failed until the next: twice as many each time, a minute at most, so that what an outage left is
# delivered soon after its end.
PAUSE = 5.0
LONGEST_PAUSE = 60.0
# A sink that refuses an event for good is asked again all the same, over more than a minute: a wrong answer of a sink that is
# being deployed passes.
MOST_REFUSALS = 5
# Seconds for which events are a sweep's, or an instance's that has them queued: longer than a delivery may take with what
# is written after it, and as short as it may be, for what dies with its holder is due only then.
SWEEP_LEASE = 10.0
QUEUE_LEASE = 5.0


def lease_events(database: Database, age: float, limit: int, failed: int, untried: int) -> list[Event]:
    """Leases at most `limit` events that are due and older than `age` seconds, oldest first, no more than `failed` of them
    such as failed before, and no more than `untried` others; but for those that cannot be read. Raises
    DatabaseUnavailable."""
    rows = database.run_again(
        "lease_events",
        age=age,
        limit=limit,
        failed=failed,
        untried=untried,
        lease=SWEEP_LEASE,
    )
    return read_events(database, [row["event_id"] for row in rows]) if rows else []


def read_events(database: Database, event_ids: list[str]) -> list[Event]:
    """These events, oldest first, but for those that cannot be read. Raises DatabaseUnavailable."""
    return _together_or_each(
        lambda ids: [event_in(row) for row in database.run_again("events", event_ids=ids)], event_ids
    )


def mark_delivered(database: Database, event_ids: list[str]) -> None:
    """Notes that the sink took these events, but for those where that cannot be noted. Raises DatabaseUnavailable."""
    _together_or_each(lambda ids: database.run_again("mark_delivered", event_ids=ids), event_ids)


def note_failed(database: Database, failures: list[Failed], *, tried: bool = True) -> set[str]:
    """Notes that the sink did not take these events; gives the ids of those that this sets aside: refused for good, five
    times. `tried` is false for whoever only heard of it, while another notes the try. Raises DatabaseUnavailable."""
    failed_of = {failed.event_id: failed for failed in failures}

    def note(event_ids: list[str]) -> list[str | None]:
        rows = database.run_again(
            "note_failed",
            event_ids=event_ids,
            refused=[int(failed_of[event_id].for_good) for event_id in event_ids],
            whys=[failed_of[event_id].why for event_id in event_ids],
            tried=int(tried),
            most_refusals=MOST_REFUSALS,
            pause=PAUSE,
            longest_pause=LONGEST_PAUSE,
        )
        return [row["set_aside"] for row in rows]

    set_aside = {event_id for event_id in _together_or_each(note, list(failed_of)) if event_id is not None}
    for event_id in set_aside:
        log.error("event set aside", extra={"event_id": event_id, "why": failed_of[event_id].why})
    return set_aside


def hold(database: Database, event_ids: list[str]) -> None:
    """Keeps events from being sent by a sweep for the next 5 seconds. Raises DatabaseUnavailable."""
    _together_or_each(lambda ids: database.run_again("hold_events", event_ids=ids, lease=QUEUE_LEASE), event_ids)


def that_wait(database: Database, event_ids: list[str]) -> set[str]:
    """Those of these events that have to wait for an earlier one of their payment. Raises DatabaseUnavailable."""
    return {row["event_id"] for row in database.run_again("events_that_wait", event_ids=event_ids)}


def _together_or_each(act: Callable[[list[str]], list[T]], event_ids: list[str]) -> list[T]:
    """What an act on events gives. Where one of them makes it fail, each is tried alone, and that one is passed over."""
    try:
        return act(event_ids)
    except DatabaseUnavailable:
        raise
    except Exception:
        if len(event_ids) == 1:
            log.exception("event passed over", extra={"event_id": event_ids[0]})
            return []
    return [given for event_id in event_ids for given in _together_or_each(act, [event_id])]
