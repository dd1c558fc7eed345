"""What a sweep does: settle what was abandoned, deliver what was left, delete what is over."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Event as Signal
from typing import Any

from shared import log
from shared.abandoned import Done, settle_abandoned
from shared.database import Database, DatabaseUnavailable
from shared.events import Event, deliver, mark_delivered, read_events
from shared.known import Ledger
from shared.settings import SETTINGS
from shared.totals import MOST_COUNTED

# A sweep begins nothing after so many seconds, waits so many more for askings that are under way, and answers after so many at
# the latest: a clock calls it every minute, and waits for less than that (knative/base/sweep-timer.yaml; timeoutSeconds in
# every-function.yaml).
LONGEST = 45.0
STRAGGLERS = 4.0
LATEST = 50.0
MOST_EVENTS = 50_000
MOST_DELETED = 50_000
MOST_PASSED_OVER = 100
BATCH = 100
DELETED_TOGETHER = 1000
LOOK_AGAIN = 3.0
EVENT_PAUSE = 5.0
LONGEST_EVENT_PAUSE = 60.0
STUCK_AFTER = 300


def sweep(ledger: Ledger) -> dict[str, int]:
    """Settles, delivers and deletes, side by side, each bounded in time and rows; any number may run at once.

    Returns how much of each it did, and for how many of them more is left to do (`more`): the next sweep goes on. A job that
    fails keeps no other from its end; then the first failure is raised: DatabaseUnavailable, or whatever it was.
    """
    began = time.monotonic()
    until = began + LONGEST
    settled = Signal()
    crew = ThreadPoolExecutor(4, "sweep")
    jobs = {
        "settled": _begin(crew, lambda: settle_abandoned(ledger, until, until + STRAGGLERS)),
        "delivered": _begin(crew, lambda: deliver_left(ledger, until, settled)),
        "keys_deleted": _begin(crew, lambda: delete_keys(ledger.database, until)),
        "events_deleted": _begin(crew, lambda: delete_events(ledger.database, until)),
    }
    jobs["settled"].add_done_callback(lambda _: settled.set())
    crew.shutdown(wait=False)
    wait(jobs.values(), began + LATEST - time.monotonic())
    failures: list[BaseException] = []
    figures = {name: _ended(name, job, failures) for name, job in jobs.items()}
    counts = {name: done.count for name, done in figures.items()}
    counts["more"] = sum(done.more for done in figures.values())
    try:
        _log_swept(ledger.database, counts)
    except Exception as failure:
        failures.append(failure)
    if failures:
        raise failures[0]
    return counts


def _begin(crew: ThreadPoolExecutor, job: Callable[[], Done]) -> "Future[Done]":
    return crew.submit(copy_context().run, job)


def _ended(name: str, job: "Future[Done]", failures: list[BaseException]) -> Done:
    """What a job did; one that failed is logged, and one that is late is left to end by itself."""
    if not job.done():
        log.log.warning("a sweep's job is late", extra={"job": name})
        return Done(0, more=True)
    failure = job.exception()
    if failure is None:
        return job.result()
    failures.append(failure)
    if isinstance(failure, DatabaseUnavailable):
        log.log.error("a sweep's job failed", extra={"job": name, "why": str(failure)})
    else:
        log.log.error("a sweep's job failed", extra={"job": name}, exc_info=failure)
    return Done(0, more=True)


def _log_swept(database: Database, counts: dict[str, int]) -> None:
    watched = database.run_again("watch_totals", most_counted=MOST_COUNTED)[0]
    pending, oldest = watched["pending_count"], watched["pending_oldest"]
    stuck = {
        "pending": pending if pending < MOST_COUNTED else f"at least {MOST_COUNTED}",
        "pending_oldest_seconds": round(oldest),
    }
    log.log.log(logging.WARNING if oldest > STUCK_AFTER else logging.INFO, "swept", extra=counts | stuck)


def deliver_left(ledger: Ledger, until: float, settled: Signal) -> Done:
    """Delivers events that are older than EVENT_SWEEP_AGE seconds and were not delivered, oldest first, in batches, and goes
    on with what becomes due until `settled` is set; says how many the sink took. A sink that takes none is left alone until
    they are due again. Begins nothing after `until` (monotonic). Raises DatabaseUnavailable."""
    if not SETTINGS.k_sink:
        return Done(0)
    delivered = 0
    while time.monotonic() < until and delivered < MOST_EVENTS:
        due = _lease_events(ledger.database)
        taken = _deliver_batch(read_events(ledger.database, due) if due else [], until)
        if taken:
            mark_delivered(ledger.database, taken)
            delivered += len(taken)
        elif due:
            break
        if len(due) < BATCH and settled.wait(min(LOOK_AGAIN, max(0.0, until - time.monotonic()))):
            return Done(delivered)
    return Done(delivered, more=True)


def _lease_events(database: Database) -> list[str]:
    rows = database.run_again(
        "lease_events",
        age=SETTINGS.event_sweep_age,
        limit=BATCH,
        pause=EVENT_PAUSE,
        longest_pause=LONGEST_EVENT_PAUSE,
    )
    return [row["event_id"] for row in rows]


def _deliver_batch(events: list[Event], until: float) -> list[str]:
    taken = []
    for event in sorted(events, key=lambda event: event.created_at):
        if time.monotonic() > until:
            break
        if deliver(event):
            taken.append(event.event_id)
    return taken


def delete_keys(database: Database, until: float) -> Done:
    """Deletes expired keys, and says how many; begins nothing after `until` (monotonic). Raises DatabaseUnavailable."""
    return _delete(database, "delete_expired_keys", until)


def delete_events(database: Database, until: float) -> Done:
    """Deletes events that were delivered longer ago than EVENT_RETENTION seconds; without a K_SINK also those that nobody is
    to get and that are as old. Says how many; begins nothing after `until` (monotonic). Raises DatabaseUnavailable."""
    names = ["delete_old_events"] if SETTINGS.k_sink else ["delete_old_events", "delete_unsent_events"]
    done = [_delete(database, name, until, retention=SETTINGS.event_retention) for name in names]
    return Done(sum(each.count for each in done), any(each.more for each in done))


def _delete(database: Database, name: str, until: float, **parameters: Any) -> Done:
    """Batch by batch. A batch that fails is tried in halves, until the row that makes it fail is alone and passed over."""
    deleted = passed_over = 0
    size = DELETED_TOGETHER
    while time.monotonic() < until and deleted < MOST_DELETED:
        try:
            gone = len(database.run_again(name, limit=size, passed_over=passed_over, **parameters))
        except DatabaseUnavailable:
            raise
        except Exception:
            if size == 1:
                log.log.exception("not deleted", extra={"statement": name})
                passed_over += 1
                if passed_over == MOST_PASSED_OVER:
                    raise
            size = max(1, size // 2)
            continue
        deleted += gone
        if gone < size:
            return Done(deleted)
        size = min(2 * size, DELETED_TOGETHER)
    return Done(deleted, more=True)
