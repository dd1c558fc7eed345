"""What a sweep does: settle what was abandoned, deliver what was left, delete what is over."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shared import log
from shared.events import Event, deliver
from shared.known import Ledger
from shared.lease import take_next
from shared.settings import SETTINGS
from shared.settle import carry_out, event_in

# Each job of a sweep ends after so many seconds, or so many rows; the next sweep goes on.
LONGEST = 20.0
MOST_SETTLED = 500
MOST_EVENTS = 5000
MOST_DELETED = 50_000
WORKERS = 3
BATCH = 100
DELETED_TOGETHER = 1000
EVENT_PAUSE = 5.0
LONGEST_EVENT_PAUSE = 60.0
STUCK_AFTER = 300


def sweep(ledger: Ledger) -> dict[str, int]:
    """Settles, delivers and reaps, each bounded in time and rows, and returns how much; any number may run at once.

    Raises DatabaseUnavailable.
    """
    figures = {"settled": settle_abandoned(ledger), "delivered": deliver_left(ledger)} | reap(ledger)
    watched = ledger.database.run_again("watch_totals")[0]
    stuck = {"pending": watched["pending_count"], "pending_oldest_seconds": round(watched["pending_oldest"])}
    level = logging.WARNING if watched["pending_oldest"] > STUCK_AFTER else logging.INFO
    log.log.log(level, "swept", extra=figures | stuck)
    return figures


def settle_abandoned(ledger: Ledger) -> int:
    """Asks the gateway about charges and refunds that nobody is working on, several at once; returns how many were asked."""
    deadline = time.monotonic() + LONGEST
    function = log.function_name.get()

    def work() -> int:
        asked = 0
        while time.monotonic() < deadline and asked < MOST_SETTLED // WORKERS:
            lease = take_next(ledger.database)
            if lease is None:
                break
            log.correlation_id.set(lease.correlation_id)
            log.function_name.set(function)
            carry_out(ledger.database, ledger.gateway, ledger.publisher, lease)
            asked += 1
        return asked

    with ThreadPoolExecutor(WORKERS) as workers:
        return sum(future.result() for future in [workers.submit(work) for _ in range(WORKERS)])


def deliver_left(ledger: Ledger) -> int:
    """Delivers events that are older than EVENT_SWEEP_AGE seconds and were not delivered, oldest first, in batches; returns
    how many the sink took. A sink that refuses is left alone until they are due again."""
    if not SETTINGS.k_sink:
        return 0
    deadline = time.monotonic() + LONGEST
    delivered = 0
    while time.monotonic() < deadline and delivered < MOST_EVENTS:
        rows = ledger.database.run(
            "lease_events",
            age=SETTINGS.event_sweep_age,
            limit=BATCH,
            pause=EVENT_PAUSE,
            longest_pause=LONGEST_EVENT_PAUSE,
        )
        taken = _deliver_batch([event_in(row) for row in rows], deadline)
        if taken:
            ledger.database.run_again("mark_delivered", event_ids=taken)
            delivered += len(taken)
        if len(taken) < BATCH:
            break
    return delivered


def _deliver_batch(events: list[Event], deadline: float) -> list[str]:
    taken = []
    for event in sorted(events, key=lambda event: event.created_at):
        if time.monotonic() > deadline:
            break
        if deliver(event):
            taken.append(event.event_id)
    return taken


def reap(ledger: Ledger) -> dict[str, int]:
    """Deletes expired keys, and events that were delivered longer ago than EVENT_RETENTION seconds."""
    return {
        "keys_deleted": _delete(lambda: len(ledger.database.run_again("delete_expired_keys", limit=DELETED_TOGETHER))),
        "events_deleted": _delete(
            lambda: len(
                ledger.database.run_again(
                    "delete_old_events", retention=SETTINGS.event_retention, limit=DELETED_TOGETHER
                )
            )
        ),
    }


def _delete(batch: Callable[[], int]) -> int:
    deadline = time.monotonic() + LONGEST
    deleted = 0
    while time.monotonic() < deadline and deleted < MOST_DELETED:
        gone = batch()
        deleted += gone
        if gone < DELETED_TOGETHER:
            break
    return deleted
