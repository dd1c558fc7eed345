"""Asking a gateway until it answers: now and then it is busy, or says for how long it wants to be left alone (429)."""

import time
from collections.abc import Callable
from typing import TypeVar

from shared.gateways.protocol import Unknown
from shared.platform.log import log
from shared.reconciling.run import NotDone, Run

# Seconds between tries that the gateway gave no answer to, twice as long each time, a minute and a half in all; longer where it
# asks for that.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
MOST_TRIES = 9
# The longest sleep between two looks at the lease.
SHORT = 5.0

Answer = TypeVar("Answer")


def patiently(run: Run, until: float, ask: Callable[[], Answer | Unknown]) -> Answer | Unknown:
    """What the gateway answers, asked again while it is not known. An Unknown is only given that says that a place in a list is
    gone. Raises NotDone where it gave no answer for long, or none by `until` (monotonic clock)."""
    pause, why, asked_to_wait = FIRST_PAUSE, "", 0.0
    for tries in range(MOST_TRIES):
        if tries:
            _wait(run, until, max(pause, asked_to_wait), why)
            pause = min(2 * pause, LONGEST_PAUSE)
        if time.monotonic() >= until:
            raise NotDone("its time is up")
        answer = ask()
        if not isinstance(answer, Unknown) or answer.search_cursor is not None:
            return answer
        why, asked_to_wait = answer.why, answer.retry_after
        log.info("a gateway's books are asked for again", extra={"gateway": run.gateway.name, "why": why})
    raise NotDone(f"{run.gateway.name} does not answer: {why}")


def _wait(run: Run, until: float, seconds: float, why: str) -> None:
    ends = time.monotonic() + seconds
    if ends >= until:
        raise NotDone(f"{run.gateway.name} does not answer: {why}")
    while (left := ends - time.monotonic()) > 0:
        time.sleep(min(left, SHORT))
        if run.stopped.is_set():
            raise NotDone("it was stopped")
        run.hold()
