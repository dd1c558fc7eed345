"""Requests that come at fixed times whoever answers, as those of many users do: one that is slow spares no other its turn."""

import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any, Self

from tests.e2e.client import Answer, Client, new_key, new_trip

# Requests that may wait at one cell at a time. Each cell has as many of its own: one that hangs takes none of another's.
AT_ONCE = 64
READS = 0.5  # of all requests


@dataclass(frozen=True)
class Payment:
    """A payment that is asked for, under a key of its own."""

    cell: str
    key: str
    trip_id: int
    amount: float

    def ask(self, port: int) -> Answer:
        body = {"trip_id": self.trip_id, "method": "CARD", "amount": self.amount}
        headers = {"Idempotency-Key": self.key, "Payment-Cell": self.cell}
        return once(port, "POST", "/payments", body, headers)


@dataclass(frozen=True)
class Told:
    """How one request was answered. `due`: when it came, by the monotonic clock; `took`: until its whole answer, in seconds;
    `status` 0 where there was none, with `why`."""

    cell: str
    due: float
    took: float
    status: int
    patience: bool
    why: str


class Window:
    """What came in a stretch of time."""

    def __init__(self, told: list[Told]) -> None:
        self.told = told
        self._times = sorted(each.took for each in told)

    def percentile(self, share: float) -> float:
        """In seconds: as many per cent took no longer."""
        return self._times[min(len(self._times) - 1, int(len(self._times) * share / 100))]

    def statuses(self) -> set[int]:
        return {each.status for each in self.told}

    def __str__(self) -> str:
        counts = {status: sum(each.status == status for each in self.told) for status in sorted(self.statuses())}
        p50, p99 = (self.percentile(share) * 1000 for share in (50, 99))
        return f"{len(self.told)} requests, {counts}, p50 {p50:.0f} ms, p99 {p99:.0f} ms"


class OpenLoop:
    """While this lasts so many requests a second come to each of these cells: payments, and reads of what was paid before,
    which name no cell."""

    def __init__(self, port: int, cells: Mapping[str, float]) -> None:
        self._port = port
        self._rates = cells
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._told: list[Told] = []
        self._open: list[float] = []  # when those came that are not answered yet
        self._next: dict[str, float] = {}  # when the next comes to each cell
        self.paid: dict[str, list[int]] = {cell: [] for cell in cells}
        self.payments: dict[str, list[Payment]] = {cell: [] for cell in cells}
        self._sources = [threading.Thread(target=self._come, args=(cell,), daemon=True) for cell in cells]

    def __enter__(self) -> Self:
        self._next = dict.fromkeys(self._rates, time.monotonic())
        for source in self._sources:
            source.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Returns once everything is answered."""
        self._over.set()
        for source in self._sources:
            source.join()

    def lasts(self, seconds: float) -> dict[str, Window]:
        """What comes to each cell in so many seconds from now on, once all of it is answered."""
        began = time.monotonic()
        self._over.wait(seconds)
        return self.between(began, began + seconds)

    def between(self, began: float, ended: float) -> dict[str, Window]:
        """What came to each cell in this time, by the monotonic clock, once all of it is answered."""
        while not self._answered(ended):
            self._over.wait(0.02)
        with self._lock:
            told = [each for each in self._told if began <= each.due < ended]
        return {cell: Window([each for each in told if each.cell == cell]) for cell in self._rates}

    def _answered(self, until: float) -> bool:
        with self._lock:
            return min([*self._next.values(), *self._open]) >= until

    def _come(self, cell: str) -> None:
        choice, pause = random.Random(cell), 1 / self._rates[cell]  # noqa: S311 - which request is next is no secret
        due = self._next[cell]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            while not self._over.wait(max(0.0, due - time.monotonic())):
                with self._lock:
                    self._open.append(due)
                    self._next[cell] = due + pause
                pool.submit(self._ask, cell, due, choice.random())
                due += pause

    def _ask(self, cell: str, due: float, drawn: float) -> None:
        with self._lock:
            paid = self.paid[cell]
            read = paid[int(drawn / READS * len(paid))] if drawn < READS and paid else None
        try:
            answer = once(self._port, "GET", f"/payments/{read}") if read else self._pay(cell)
        except (OSError, HTTPException, AssertionError) as failure:
            self._note(Told(cell, due, time.monotonic() - due, 0, False, repr(failure)))
            return
        why = answer.text if answer.status >= 400 else ""
        took = time.monotonic() - due
        self._note(Told(cell, due, took, answer.status, "Retry-After" in answer.headers, why))

    def _pay(self, cell: str) -> Answer:
        payment = Payment(cell, new_key(), new_trip(), 150.0)
        with self._lock:
            self.payments[cell].append(payment)
        answer = payment.ask(self._port)
        if answer.status == 201:
            with self._lock:
                self.paid[cell].append(answer.json["payment_id"])
        return answer

    def _note(self, told: Told) -> None:
        with self._lock:
            self._open.remove(told.due)
            self._told.append(told)


def once(port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """One request on a connection of its own."""
    client = Client(port)
    try:
        return client.call(method, path, body, headers)
    finally:
        client.close()
