"""What this process counts of its own work, for whoever scrapes it (shared/platform/exposition.py).

To count is a lock and an addition, and needs no library: no start and no payment waits for one.
"""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from threading import Lock
from typing import NamedTuple

# Seconds: from what a warm answer takes to what a client waits for at most.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# The values of a figure's labels. There are few of each: nothing that a caller makes up.
Labels = tuple[str, ...]


class Counts:
    """How often something happened, by labels."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self._counted: dict[Labels, int] = {}
        self._lock = Lock()

    def count(self, *labels: str) -> None:
        """Once more, of these labels."""
        with self._lock:
            self._counted[labels] = self._counted.get(labels, 0) + 1

    def read(self) -> Mapping[Labels, int]:
        with self._lock:
            return dict(self._counted)


class Took(NamedTuple):
    """`at_most` counts for each of BOUNDS, and at its end without a bound, what took no longer; `seconds` is all of it."""

    at_most: list[int]
    seconds: float


class Durations:
    """How long something took, by labels."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self._counted: dict[Labels, tuple[list[int], list[float]]] = {}
        self._lock = Lock()

    def note(self, seconds: float, *labels: str) -> None:
        """Once more, of these labels, and it took so long."""
        place = bisect_left(BOUNDS, seconds)
        with self._lock:
            if labels not in self._counted:
                self._counted[labels] = [0] * (len(BOUNDS) + 1), [0.0]
            counts, total = self._counted[labels]
            counts[place] += 1
            total[0] += seconds

    def read(self) -> Mapping[Labels, Took]:
        with self._lock:
            return {
                labels: Took(list(accumulate(counts)), sum(total)) for labels, (counts, total) in self._counted.items()
            }


class PoolUse(NamedTuple):
    """Connections to the database: how many there may be, how many requests hold, how many wait for one."""

    size: int
    in_use: int
    idle: int


REQUESTS = Counts("payment_function_requests_total", "Requests answered.", "method", "route", "status")
REQUEST = Durations(
    "payment_function_request_seconds",
    "From when a request was handed to the function to its answer; not what it waited for before, nor the way back.",
    "method",
    "route",
)
COLD_START = Durations(
    "payment_function_cold_start_seconds",
    "From the start of this instance's process to its first successful answer, without what it idled between.",
)
GATEWAY = Durations(
    "payment_gateway_seconds", "Each time a gateway was asked, and what it said.", "gateway", "how", "outcome"
)
TRIP_SERVICE = Durations(
    "payment_trip_service_seconds", "Each time the Trip Service was asked, and what came of it.", "outcome"
)
EVENT_DELIVERY = Durations(
    "payment_event_delivery_seconds", "Each time an event was sent to the sink, and what came of it.", "outcome"
)
NOTIFICATION = Durations(
    "payment_notification_seconds", "Each time the Notification Service was told, and what came of it.", "outcome"
)
POOL_WAIT = Durations(
    "payment_pool_wait_seconds",
    "Each time a connection to the database was waited for, since none was idle, and whether there was one in time.",
    "outcome",
)

COUNTS = (REQUESTS,)
DURATIONS = (REQUEST, COLD_START, GATEWAY, TRIP_SERVICE, EVENT_DELIVERY, NOTIFICATION, POOL_WAIT)
