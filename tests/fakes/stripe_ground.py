"""What all objects of the tests' own gateway stand on: a lock, a clock, what happens by itself later, and events."""

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from tests.fakes.stripe_balance import Balance
from tests.fakes.stripe_events import Events
from tests.fakes.stripe_requests import Refusal, Thing


@dataclass
class Ground:
    """Every method of the books is one step under one lock; times are seconds since the epoch by this gateway's own clock.

    `processing_seconds`: how long anything takes that is done by itself: a charge or refund that is pending, a decline or
    cancellation that turns out paid, a refund that comes back. `customer_seconds`: after how long a customer acts who does;
    `customer_late_seconds`: the same, of one who is late. `afterwards_seconds`: how long after a charge somebody refunds it
    in the dashboard, or disputes it, and how long each step of a dispute takes.
    """

    processing_seconds: float = 1.0
    customer_seconds: float = 1.0
    customer_late_seconds: float = 60.0
    afterwards_seconds: float = 1.0
    skipped: float = 0.0
    too_late: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)
    intents: dict[str, Thing] = field(default_factory=dict)
    charges: dict[str, Thing] = field(default_factory=dict)
    refunds: dict[str, Thing] = field(default_factory=dict)
    disputes: dict[str, Thing] = field(default_factory=dict)
    payouts: dict[str, Thing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.events = Events(self.now)
        self.balance = Balance(self.now)
        self._later: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count(1)

    def now(self) -> float:
        return time.time() + self.skipped

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Has this done by itself, unless it cannot be done any more by then."""
        with self.lock:
            heapq.heappush(self._later, (self.now() + seconds, next(self._numbers), act))

    def catch_up(self) -> int:
        """Does all that was to happen by now; says how much is still to come."""
        with self.lock:
            while self._later and self._later[0][0] <= self.now():
                _, _, act = heapq.heappop(self._later)
                try:
                    act()
                except Refusal:
                    self.too_late += 1
            return len(self._later)

    def move(self, thing: Thing, status: str, *events: str, **changed: object) -> None:
        """Changes an object, and writes the events of it."""
        thing |= {"status": status, **changed}
        for event in events:
            self.events.write(event, thing)

    def new(self, prefix: str, kind: str, amount: int, currency: str, metadata: dict[str, str]) -> Thing:
        number = len(self.intents) + len(self.refunds) + len(self.disputes) + len(self.payouts) + 1
        return {
            "id": f"{prefix}_{number:012d}",
            "object": kind,
            "amount": amount,
            "currency": currency,
            "created": int(self.now()),
            "livemode": False,
            "metadata": metadata,
        }

    def found(self, things: dict[str, Thing], thing_id: str) -> Thing:
        with self.lock:
            self.catch_up()
            if thing_id not in things:
                raise Refusal(404, "invalid_request_error", "resource_missing")
            return things[thing_id]


def metadata(given: dict[str, str]) -> dict[str, str]:
    return {name[9:-1]: value for name, value in given.items() if name.startswith("metadata[")}
