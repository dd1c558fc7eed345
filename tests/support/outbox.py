"""The outbox as tests see it, and its sweep without the rest."""

import threading
import time
from collections.abc import Callable

from shared.events import redelivery
from tests.support.cluster import Place
from tests.support.till import Till

UNDELIVERED = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def delivered(place: Place) -> None:
    until(lambda: place.sql.value(UNDELIVERED) == 0)


def grow_old(place: Place, seconds: float = 60) -> None:
    """As if the events that wait had been written, and refused, so much earlier."""
    place.sql.run(
        """UPDATE outbox SET created_at = created_at - make_interval(secs => %(s)s),
                             next_attempt_at = next_attempt_at - make_interval(secs => %(s)s)
            WHERE delivered_at IS NULL""",
        {"s": seconds},
    )


def many(place: Place, number: int, of_each: int = 1) -> None:
    """Events e1, e2, ..., an hour old and a millisecond apart, so many of each payment."""
    place.sql.run(
        """INSERT INTO outbox (event_id, type, subject, correlation_id, data, created_at, next_attempt_at)
           SELECT 'e' || n, 'com.ridehailing.payment.succeeded.v1', 'payments/' || (n - 1) / %(of_each)s, 'c', '{}',
                  at, at
             FROM generate_series(1, %(number)s) AS n,
                  LATERAL (SELECT now() - interval '1 h' + n * interval '1 ms') AS t (at)""",
        {"number": number, "of_each": of_each},
    )


def deliver_left(till: Till, seconds: float = 20) -> int:
    """What a sweep delivers where nothing was abandoned, in at most so many seconds."""
    settled = threading.Event()
    settled.set()
    until = time.monotonic() + seconds
    return redelivery.deliver_left(till.database, till.settings, until, until + 5, settled).count
