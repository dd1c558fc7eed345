"""What a sweep does: settle what was abandoned, follow what gateways rang for, deliver what was left, delete what is over."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Event as Signal

from shared.charging.abandoned import settle_abandoned
from shared.charging.dependencies import Dependencies
from shared.charging.expiry import delete_keys
from shared.events.expiry import delete_events
from shared.events.redelivery import deliver_left
from shared.late.due import answer_due
from shared.late.missed import hear_missed
from shared.platform import log
from shared.platform.batches import Done
from shared.platform.database import Database, DatabaseUnavailable
from shared.reading.totals import MOST_COUNTED

# A sweep begins nothing after so many seconds, waits so many more for what is under way, and answers after so many at
# the latest: a clock calls it every minute, and waits for less than that (knative/base/sweep-timer.yaml; timeoutSeconds in
# every-function.yaml).
LONGEST = 45.0
STRAGGLERS = 4.0
LATEST = 50.0
# Seconds. Every time-out and pause between is over by then; what is still open needs somebody to look.
STUCK_AFTER = 300


def sweep(deps: Dependencies) -> dict[str, int]:
    """Settles, listens, delivers and deletes, side by side, each bounded in time and rows; then keeps up what the figures and
    the next sweep begin at. Any number may run at once.

    Returns how much of each it did, and for how many of them more is left to do (`more`): the next sweep goes on. A job that
    fails keeps no other from its end; then the first failure is raised: DatabaseUnavailable, or whatever it was.
    """
    began = time.monotonic()
    until = began + LONGEST
    settled, heard = Signal(), Signal()
    work: dict[str, Callable[[], Done]] = {
        "settled": lambda: settle_abandoned(deps, until, until + STRAGGLERS),
        "missed": lambda: hear_missed(deps, until),
        "rings": lambda: answer_due(deps, until, until + STRAGGLERS, heard),
        "delivered": lambda: deliver_left(deps.database, deps.settings, until, until + STRAGGLERS, settled),
        "keys_deleted": lambda: delete_keys(deps.database, until),
        "events_deleted": lambda: delete_events(deps.database, deps.settings, until),
    }
    workers = ThreadPoolExecutor(len(work), "sweep")
    jobs = {name: _begin(workers, name, job) for name, job in work.items()}
    jobs["settled"].add_done_callback(lambda _: settled.set())
    jobs["missed"].add_done_callback(lambda _: heard.set())
    workers.shutdown(wait=False)
    wait(jobs.values(), began + LATEST - time.monotonic())
    failures: list[BaseException] = []
    figures = {name: _ended(name, job, failures) for name, job in jobs.items()}
    counts = {name: done.count for name, done in figures.items()}
    counts["more"] = sum(done.more for done in figures.values())
    try:
        deps.database.run_again("keep_up")
        _log_swept(deps.database, counts)
    except Exception as failure:
        failures.append(failure)
    if failures:
        raise failures[0]
    return counts


def _begin(workers: ThreadPoolExecutor, name: str, job: Callable[[], Done]) -> "Future[Done]":
    """Starts a job on a thread of its own; where it fails, that is in the log, also of one that nobody waits for any more."""

    def work() -> Done:
        try:
            return job()
        except DatabaseUnavailable as failure:
            log.log.error("a sweep's job failed", extra={"job": name, "why": str(failure)})
            raise
        except Exception:
            log.log.exception("a sweep's job failed", extra={"job": name})
            raise

    return workers.submit(copy_context().run, work)


def _ended(name: str, job: "Future[Done]", failures: list[BaseException]) -> Done:
    """What a job did; one that is late is left to end by itself."""
    if not job.done():
        log.log.warning("a sweep's job is late", extra={"job": name})
    elif failure := job.exception():
        failures.append(failure)
    else:
        return job.result()
    return Done(0, more=True)


def _log_swept(database: Database, counts: dict[str, int]) -> None:
    watched = database.run_again("watch_totals", most_counted=MOST_COUNTED)[0]
    pending, oldest = watched["pending_count"], watched["pending_oldest"]
    stuck = {
        "pending": pending if pending < MOST_COUNTED else f"at least {MOST_COUNTED}",
        "pending_oldest_seconds": round(oldest),
    }
    log.log.log(logging.WARNING if oldest > STUCK_AFTER else logging.INFO, "swept", extra=counts | stuck)
