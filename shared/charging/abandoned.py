"""Charges and refunds that nobody is working on any more: asked about again, by many at once while the gateway answers."""

import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from enum import Enum, auto
from queue import Empty, SimpleQueue

from shared.charging.attempt import attempt
from shared.charging.dependencies import Dependencies
from shared.charging.lease import Unreadable, take_next
from shared.gateways.protocol import Outcome, Unknown
from shared.platform.batches import Done
from shared.platform.log import correlation_id, log

# Ten thousand in two minutes, of which sweeps that are called once a minute work three quarters, are a hundred and more a
# second, at a tenth of a second each. They wait for the gateway most of the time, so a few connections serve them all.
WORKERS = 32
# So many find out whether the gateway answers, and for the others whether it does so again: after as many askings without an
# answer there is a pause of so many seconds. A sweep waits for the end of an outage, and does not work through it.
PROBES = 4
PROBE_PAUSE = 3.0
# Twice those ten thousand; what is more is for the sweeps of the minutes to come.
MOST_ASKED = 20_000


class _Found(Enum):
    NOTHING_DUE = auto()
    UNREADABLE = auto()
    ANSWERED = auto()
    UNANSWERED = auto()


def settle_abandoned(deps: Dependencies, until: float, late: float) -> Done:
    """Asks the gateway about what is due, until nothing is; says how many askings there were.

    Nothing begins after `until`, and what has not ended by `late` (both on the monotonic clock) is not waited for: it goes on
    under its lease. Raises DatabaseUnavailable.
    """
    workers = ThreadPoolExecutor(WORKERS, "settling")
    try:
        return _Askings(deps, workers, until).go_on(late)
    finally:
        workers.shutdown(wait=False, cancel_futures=True)


class _Askings:
    """Hands out the work of one sweep and counts what comes of it, on one thread; `_ask_next` alone runs on the workers'."""

    def __init__(self, deps: Dependencies, workers: ThreadPoolExecutor, until: float) -> None:
        self._deps = deps
        self._workers = workers
        self._until = until
        self._ended: SimpleQueue[Future[_Found]] = SimpleQueue()
        self._under_way = 0
        self._asked = 0
        self._nothing_due = False
        self._at_once = PROBES
        self._unanswered = 0  # in a row
        self._not_before = 0.0
        self._failure: BaseException | None = None

    def go_on(self, late: float) -> Done:
        while self._may_begin():
            paused = time.monotonic() < self._not_before
            while not paused and self._under_way + self._unanswered < self._at_once and self._may_begin():
                self._begin()
            self._await_one(min(self._not_before, self._until) if paused else self._until)
        while self._under_way and self._await_one(late):
            pass
        if self._failure:
            raise self._failure
        return Done(self._asked, more=not self._nothing_due)

    def _may_begin(self) -> bool:
        room = self._asked + self._under_way < MOST_ASKED
        return room and not (self._nothing_due or self._failure) and time.monotonic() < self._until

    def _begin(self) -> None:
        self._under_way += 1
        self._workers.submit(copy_context().run, self._ask_next).add_done_callback(self._ended.put)

    def _await_one(self, moment: float) -> bool:
        """Waits for the end of an asking, until that moment at most; says whether one ended."""
        try:
            ended = self._ended.get(timeout=max(0.0, moment - time.monotonic()))
        except Empty:
            return False
        self._under_way -= 1
        if failure := ended.exception():
            self._failure = self._failure or failure
            return True
        match ended.result():
            case _Found.NOTHING_DUE:
                self._nothing_due = True
            case _Found.ANSWERED:
                self._asked += 1
                self._unanswered, self._at_once = 0, WORKERS
            case _Found.UNANSWERED:
                self._asked += 1
                self._unanswered += 1
                if self._unanswered >= self._at_once:
                    self._unanswered, self._at_once = 0, PROBES
                    self._not_before = time.monotonic() + PROBE_PAUSE
        return True

    def _ask_next(self) -> _Found:
        deps = self._deps
        correlation_id.set(None)
        try:
            lease = take_next(deps)
        except Unreadable:
            log.exception("an abandoned request is left for later")
            return _Found.UNREADABLE
        if lease is None:
            return _Found.NOTHING_DUE
        correlation_id.set(lease.correlation_id)
        outcomes: list[Outcome] = []
        attempt(deps, lease, outcomes.append)
        answered = any(not isinstance(outcome, Unknown) or outcome.answered for outcome in outcomes)
        return _Found.ANSWERED if answered else _Found.UNANSWERED
