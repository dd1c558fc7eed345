"""A day's requests, mixed, and what came of them: every answer is compared with what it must be, and kept for the books.

The mixture is an assumption: every second request moves money, most of it by card; what was paid is looked at as often; one
request in ten is a repetition, one in fourteen a refund; a monitor scrapes.
"""

import random
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

REMEMBERED = 2000
MOST_COMPLAINTS = 5


@dataclass(frozen=True)
class Paid:
    """A payment that was answered 201: what it was asked with, and what it said."""

    key: str
    body: dict[str, Any]
    text: bytes
    payment_id: int
    cents: int


@dataclass
class Told:
    """What the clients were told. Amounts are cents; `took` has the seconds of each kind, from when it should have begun."""

    payments: dict[int, int] = field(default_factory=dict)
    refunds: dict[int, int] = field(default_factory=dict)
    declined: int = 0
    errors: int = 0
    complaints: list[str] = field(default_factory=list)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def complain(self, text: str) -> None:
        self.errors += 1
        if len(self.complaints) < MOST_COMPLAINTS:
            self.complaints.append(text[:300])


class Day:
    """Clients of the front door at `url`. Call it with the moment at which a request should have begun."""

    def __init__(self, session: aiohttp.ClientSession, url: str, seed: int) -> None:
        self.told = Told()
        self._session = session
        self._url = url
        self._choice = random.Random(seed)
        self._trip = 0
        self._to_look_at: deque[Paid] = deque(maxlen=REMEMBERED)
        self._to_refund: deque[Paid] = deque(maxlen=REMEMBERED)
        self._kinds: dict[str, tuple[int, Callable[[], Awaitable[object]]]] = {
            "card": (30, lambda: self._pay("CARD")),
            "upi or wallet": (8, lambda: self._pay(self._choice.choice(["UPI", "WALLET"]))),
            "cash": (5, lambda: self._pay("CASH")),
            "fare": (5, lambda: self._pay("CARD", fare=True)),
            "decline": (3, self._be_declined),
            "replay": (10, self._replay),
            "partial refund": (4, lambda: self._refund(whole=False)),
            "whole refund": (3, lambda: self._refund(whole=True)),
            "one payment": (14, lambda: self._read("/payments/{id}")),
            "list": (6, self._list),
            "receipt": (5, lambda: self._read("/payments/{id}/receipt")),
            "refunds": (2, lambda: self._read("/payments/{id}/refunds")),
            "metrics": (3, lambda: self._read("/metrics/prometheus")),
            "health": (2, lambda: self._read("/health")),
        }

    async def __call__(self, intended: float) -> None:
        weights = [weight for weight, _ in self._kinds.values()]
        [kind] = self._choice.choices(list(self._kinds), weights)
        try:
            await self._kinds[kind][1]()
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError) as failure:
            self.told.complain(f"{kind}: {failure!r}")
        self.told.took[kind].append(time.monotonic() - intended)

    async def _pay(self, method: str, *, fare: bool = False) -> None:
        self._trip += 1
        body: dict[str, Any] = {"trip_id": self._trip, "method": method}
        if not fare:
            body["amount"] = self._choice.randint(100, 100_000) / 100
        key = uuid.uuid4().hex
        status, text, said = await self._post("/payments", key, body)
        if status != 201 or said["status"] != "SUCCESS" or (not fare and said["amount"] != body["amount"]):
            return self.told.complain(f"payment: {status} {text!r}")
        paid = Paid(key, body, text, said["payment_id"], round(100 * said["amount"]))
        if paid.payment_id in self.told.payments:
            return self.told.complain(f"two payments are {paid.payment_id}")
        self.told.payments[paid.payment_id] = paid.cents
        self._to_look_at.append(paid)
        self._to_refund.append(paid)
        return None

    async def _be_declined(self) -> None:
        self._trip += 1
        body = {"trip_id": self._trip, "method": "CARD", "amount": 10.00, "metadata": {"simulate": "decline"}}
        status, text, _ = await self._post("/payments", uuid.uuid4().hex, body)
        if status != 402:
            return self.told.complain(f"decline: {status} {text!r}")
        self.told.declined += 1
        return None

    async def _replay(self) -> None:
        if not self._to_look_at:
            return await self._pay("CARD")
        paid = self._choice.choice(self._to_look_at)
        status, text, _ = await self._post("/payments", paid.key, paid.body)
        if status != 201 or text != paid.text:
            self.told.complain(f"replay: {status} {text!r}, at first {paid.text!r}")
        return None

    async def _refund(self, *, whole: bool) -> None:
        if not self._to_refund:
            return await self._pay("CARD")
        paid = self._to_refund.popleft()
        cents = paid.cents if whole else max(1, paid.cents // 3)
        body = {} if whole else {"amount": cents / 100}
        status, text, said = await self._post(f"/payments/{paid.payment_id}/refunds", uuid.uuid4().hex, body)
        if status != 201 or round(100 * said["refund_amount"]) != cents:
            return self.told.complain(f"refund of {paid.payment_id}: {status} {text!r}")
        self.told.refunds[said["refund_id"]] = cents
        return None

    async def _list(self) -> None:
        """The newest of some filter, and the page after it."""
        query = self._choice.choice(["limit=20", "status=SUCCESS", "method=CASH&limit=50", "status=FAILED&limit=5"])
        said = await self._read(f"/payments?{query}")
        if cursor := said.get("next_cursor"):
            await self._read(f"/payments?{query}&cursor={cursor}")

    async def _read(self, path: str) -> dict[str, Any]:
        if "{id}" in path:
            if not self._to_look_at:
                return {}
            path = path.format(id=self._choice.choice(self._to_look_at).payment_id)
        async with self._session.get(self._url + path) as answer:
            text = await answer.read()
            if answer.status != 200:
                self.told.complain(f"{path}: {answer.status} {text!r}")
                return {}
            said: dict[str, Any] = await answer.json() if answer.content_type == "application/json" else {}
            return said

    async def _post(self, path: str, key: str, body: dict[str, Any]) -> tuple[int, bytes, dict[str, Any]]:
        async with self._session.post(self._url + path, json=body, headers={"Idempotency-Key": key}) as answer:
            text = await answer.read()
            return answer.status, text, await answer.json(content_type=None)
