"""Rings that are due, for a sweep: several are answered at once, until none is due or the gateway answers no more."""

import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Event as Signal
from threading import Lock

from shared.charging.dependencies import Dependencies
from shared.late.answer import Answered, answer_next
from shared.platform.batches import Done
from shared.platform.log import correlation_id

# At a tenth of a second each, 80 a second: rings are few, since most of what a gateway rings with is known already.
WORKERS = 8
# After so many that the gateway gave no answer to, one after the other, the rest is left to the sweeps to come: an outage is
# not worked through.
MOST_UNANSWERED = 4


def answer_due(deps: Dependencies, until: float, late: float, heard: Signal) -> Done:
    """Answers what is due, and once more when `heard` is set, since that may have rung. Says how many were answered.

    Nothing begins after `until`, and what has not ended by `late` (both on the monotonic clock) is not waited for: it goes
    on, and is due again when its lease is over. One that fails keeps no other from being answered. Raises
    DatabaseUnavailable.
    """
    first = _Answering(deps, until).go_on(late)
    if first.more or not heard.wait(max(0.0, until - time.monotonic())):
        return first
    again = _Answering(deps, until).go_on(late)
    return Done(first.count + again.count, again.more)


class _Answering:
    """One pass. `_answer_next` is run by all workers at once, and the numbers are theirs together."""

    def __init__(self, deps: Dependencies, until: float) -> None:
        self._deps = deps
        self._until = until
        self._lock = Lock()
        self._answered = 0
        self._unanswered = 0  # in a row
        self._nothing_due = False

    def go_on(self, late: float) -> Done:
        """The first is answered alone: mostly there is none."""
        if self._goes_on():
            self._answer_next()
        workers = ThreadPoolExecutor(WORKERS, "answering")
        try:
            going = [workers.submit(copy_context().run, self._answer_on) for _ in range(WORKERS) if self._goes_on()]
            ended, under_way = wait(going, max(0.0, late - time.monotonic()))
            for each in ended:
                each.result()
            return Done(self._answered, more=bool(under_way) or not self._nothing_due)
        finally:
            workers.shutdown(wait=False, cancel_futures=True)

    def _goes_on(self) -> bool:
        return not self._nothing_due and self._unanswered < MOST_UNANSWERED and time.monotonic() < self._until

    def _answer_on(self) -> None:
        while self._goes_on():
            self._answer_next()

    def _answer_next(self) -> None:
        correlation_id.set(None)
        answered = answer_next(self._deps)
        with self._lock:
            if answered is None:
                self._nothing_due = True
                return
            self._answered += 1
            self._unanswered = self._unanswered + 1 if answered is Answered.UNANSWERED else 0
