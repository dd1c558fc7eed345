"""Events that were left in the outbox: sent by a sweep, many at once while the sink takes them."""

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Event as Signal

from shared.events.delivery import EventSink
from shared.events.event import Event
from shared.events.failed import Failed
from shared.events.outbox import lease_events, mark_delivered, note_failed
from shared.platform.batches import Done
from shared.platform.database import Database
from shared.platform.log import correlation_id
from shared.platform.settings import Settings

# 640 a second to a sink that takes 50 ms. Events that failed before get half of the places, however many they are, unless
# nothing else was due: what hangs again keeps nothing else waiting.
SENDERS = 32
FAILED_BEFORE = SENDERS // 2
MOST_FAILED = SENDERS - 4
# For each that fails, the others of its kind (tried for the first time, or failed before) wait for so many seconds: a sink that
# is down refuses thousands in a second, and each is a line in the log and a row that is written again.
REST = 0.02
# Where nothing is left but what failed before, and nothing else to do, a sweep ends when for so many seconds all failed again.
FAILING = 10.0
# More than a sink takes within one sweep at SENDERS side by side; the next sweep goes on.
MOST_EVENTS = 50_000
# Seconds after which a sweep that found nothing looks again, as long as it has something else to do.
LOOK_AGAIN = 3.0


def deliver_left(database: Database, settings: Settings, until: float, late: float, settled: Signal) -> Done:
    """Delivers events that are older than EVENT_SWEEP_AGE seconds and were not delivered, oldest first and in order for each
    payment, and goes on with what becomes due until `settled` is set; says how many the sink took. One that fails keeps no
    other from its delivery. Begins nothing after `until`, and waits for none after `late` (both monotonic): what is under way
    then is due again when its lease is over. Raises DatabaseUnavailable."""
    sink = EventSink(settings)
    if not sink.url:
        return Done(0)
    workers = ThreadPoolExecutor(SENDERS, "sending")
    try:
        return _Deliveries(database, sink, settings.event_sweep_age, workers, until).go_on(late, settled)
    finally:
        workers.shutdown(wait=False, cancel_futures=True)


class _Deliveries:
    """Hands out the events of one sweep and notes what comes of each, on one thread; `_deliver` alone runs on the others."""

    def __init__(
        self, database: Database, sink: EventSink, age: float, workers: ThreadPoolExecutor, until: float
    ) -> None:
        self._database = database
        self._sink = sink
        self._age = age
        self._workers = workers
        self._until = until
        self._under_way: dict[Future[Failed | None], Event] = {}
        self._taken = 0
        self._taken_at = time.monotonic()
        self._failed_before = FAILED_BEFORE  # so many of them at once
        self._not_before = {True: 0.0, False: 0.0}  # those that failed before, and the others

    def go_on(self, late: float, settled: Signal) -> Done:
        while time.monotonic() < self._until and self._taken < MOST_EVENTS and not self._only_fails(settled):
            rest = self._rest()  # before: what rests until a moment later was not begun
            begun = self._begin()
            if self._under_way:
                self._await(min(self._until, rest or self._until))
            elif rest:
                time.sleep(max(0.0, min(self._until, rest) - time.monotonic()))
            elif not begun and settled.wait(min(LOOK_AGAIN, max(0.0, self._until - time.monotonic()))):
                return Done(self._taken)
        while self._under_way and time.monotonic() < late:
            self._await(late)
        return Done(self._taken, more=True)

    def _only_fails(self, settled: Signal) -> bool:
        only_failed_before = self._failed_before == MOST_FAILED
        lately = time.monotonic() - FAILING
        return settled.is_set() and only_failed_before and self._taken_at < lately < self._not_before[True]

    def _rest(self) -> float | None:
        """When the next rest ends; None where nobody rests."""
        return min((end for end in self._not_before.values() if end > time.monotonic()), default=None)

    def _begin(self) -> int:
        """Leases as many events as can be sent at once; says how many."""
        now = time.monotonic()
        free = SENDERS - len(self._under_way)
        failing = sum(event.failed_before for event in self._under_way.values())
        failed = min(free, self._failed_before - failing) if now >= self._not_before[True] else 0
        untried = free if now >= self._not_before[False] else 0
        if failed <= 0 and not untried:
            return 0
        events = lease_events(self._database, self._age, free, max(0, failed), untried)
        for event in events:
            self._under_way[self._workers.submit(copy_context().run, self._deliver, event)] = event
        places = self._failed_before
        if untried:
            others_are_due = not all(event.failed_before for event in events)
            self._failed_before = FAILED_BEFORE if others_are_due else MOST_FAILED
        return len(events) + (self._begin() if events and self._failed_before > places else 0)

    def _await(self, moment: float) -> None:
        """Waits until a delivery ends, or until that moment, and notes what came of those that have ended."""
        ended, _ = wait(self._under_way, max(0.0, moment - time.monotonic()), FIRST_COMPLETED)
        taken, failures = [], []
        for delivery in ended:
            event = self._under_way.pop(delivery)
            failed = delivery.result()
            if failed is None:
                taken.append(event.event_id)
            else:
                failures.append(failed)
                rest = max(time.monotonic(), self._not_before[event.failed_before])
                self._not_before[event.failed_before] = rest + REST
        if failures:
            note_failed(self._database, failures)
        if taken:
            mark_delivered(self._database, taken)
            self._taken += len(taken)
            self._taken_at = time.monotonic()

    def _deliver(self, event: Event) -> Failed | None:
        correlation_id.set(event.correlation_id)
        return self._sink.deliver(event)
