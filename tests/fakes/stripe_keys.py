"""What the tests' own gateway remembers of idempotency keys (https://docs.stripe.com/api/idempotent_requests)."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.fakes.stripe_requests import Fields, Refusal, Thing


@dataclass
class Key:
    """An idempotency key: the request it came with, and the stored answer once there is one."""

    request: tuple[str, Fields]
    since: float
    answer: tuple[int, Thing] | None = None
    seen: int = 1
    mismatches: int = 0


@dataclass
class Keys:
    """`retention`: for how many seconds a key is known again, by the clock `now`."""

    now: Callable[[], float]
    retention: float = 86400.0
    known: dict[str, Key] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, key: str, path: str, fields: Fields) -> tuple[int, Thing] | None:
        """The stored answer of a key, or None where the request is to be carried out now."""
        request = (path, sorted(fields))
        with self.lock:
            known = self.known.get(key)
            if known is None or known.since + self.retention < self.now():
                self.known[key] = Key(request, self.now())
                return None
            known.seen += 1
            if known.request != request:
                known.mismatches += 1
                raise Refusal(400, "idempotency_error")
            if known.answer is None:
                raise Refusal(409, "invalid_request_error", "idempotency_key_in_use")
            return known.answer

    def store(self, key: str, status: int, body: Thing) -> None:
        with self.lock:
            self.known[key].answer = (status, body)

    def forget(self, key: str) -> None:
        with self.lock:
            self.known.pop(key, None)

    def accounts(self) -> Thing:
        with self.lock:
            return {
                key: {"seen": known.seen, "mismatches": known.mismatches, "status": (known.answer or (0,))[0]}
                for key, known in self.known.items()
            }
