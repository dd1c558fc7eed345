"""The service as its clients see it: requests over HTTP, repeated where the answer asks for it."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

from local.ports import HOST
from tests.fakes.gateway import StripeLike
from tests.support.cluster import Place
from tests.support.functions import Functions

AT_LAST = 20.0


@dataclass(frozen=True)
class Answer:
    """A whole answer, and how long it took in seconds."""

    status: int
    headers: dict[str, str]
    body: bytes
    took: float

    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value

    @property
    def asks_for_patience(self) -> bool:
        return "retry-after" in self.headers


class Service:
    """Functions that run over a database. Time-outs are short: a lease lasts 1.5 s, the gateway has 0.7 s."""

    LOCK = 1.5
    SHORT = {  # noqa: RUF012 - never changed
        "GATEWAY_TIMEOUT": "0.7",
        "TRIP_SERVICE_TIMEOUT": "0.5",
        "IDEMPOTENCY_LOCK_TIMEOUT": str(LOCK),
        "DB_CONNECT_TIMEOUT": "1",
        "DB_STATEMENT_TIMEOUT": "1",
        "EVENT_SWEEP_AGE": "0.2",
        "RATE_LIMIT": "",
    }

    def __init__(self, functions: Functions, place: Place) -> None:
        self.functions = functions
        self.place = place
        self._threads = ThreadPoolExecutor(16)

    def ask(self, function: str, path: str, body: Any, key: str = "", patience: float = 15) -> Answer:
        """POSTs. Raises OSError or HTTPException where no answer comes."""
        connection = HTTPConnection(HOST, self.functions.ports[function], timeout=patience)
        began = time.monotonic()
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        try:
            connection.request("POST", path, json.dumps(body).encode(), headers)
            response = connection.getresponse()
            read = response.read()
            named = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, named, read, time.monotonic() - began)
        finally:
            connection.close()

    def pay(self, key: str = "", token: str = "pm_card_visa", trip_id: int = 7, **more: Any) -> Answer:
        """POST /payments of 150.00 by card, unless `more` says otherwise."""
        wanted = {"trip_id": trip_id, "method": "CARD", "amount": 150.00, "payment_token": token} | more
        return self.ask(
            "create_payment", "/payments", {k: v for k, v in wanted.items() if v is not None}, key or new_key()
        )

    def later(self, work: Callable[..., Answer], *arguments: Any, **named: Any) -> "Future[Answer]":
        """Asks in a thread of its own."""
        return self._threads.submit(work, *arguments, **named)

    def until_final(self, ask: Callable[[], Answer], seconds: float = AT_LAST) -> Answer:
        """Repeats while no answer comes or it asks for patience."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                answer = ask()
                if not answer.asks_for_patience:
                    return answer
                last = f"{answer.status} {answer.body!r}"
            except (OSError, HTTPException) as failure:
                last = repr(failure)
            assert time.monotonic() < deadline, f"no final answer within {seconds} s; the last: {last}"
            time.sleep(0.05)

    def takes_requests(self, function: str) -> bool:
        """Whether it answers a probe that comes on a connection of its own, within half a second."""
        connection = HTTPConnection(HOST, self.functions.ports[function], timeout=0.5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def sweep(self) -> Answer:
        headers = {"ce-specversion": "1.0", "ce-type": "dev.knative.sources.ping", "ce-source": "/t", "ce-id": "1"}
        return self.ask("sweep", "/", headers)

    def one_charge(self, key_payment: Answer, bank: StripeLike) -> None:
        """The payment that was answered was charged once, has one receipt and one event, and is settled."""
        payment = key_payment.json()
        sql = self.place.sql
        assert (key_payment.status, payment["status"]) == (201, "SUCCESS")
        charge = bank.ledger()["charges"][payment["reference"]]
        assert (charge["count"], charge["succeeded"], charge["amount"]) == (1, 1, round(payment["amount"] * 100))
        assert sql.value("SELECT count(*) FROM payments") == 1
        assert sql.value("SELECT count(*) FROM payment_receipts") == 1
        assert sql.value("SELECT count(*) FROM outbox") == 1
        assert sql.value("SELECT count(*) FROM idempotency_keys WHERE answer_status = 201 AND locked_at IS NULL") == 1

    def lease_is_old(self) -> None:
        """Waits until every lease that is held is older than leases may get."""
        eventually(lambda: not self.place.sql.value(YOUNG_LEASES, {"age": self.LOCK}))


YOUNG_LEASES = (
    "SELECT count(*) FROM idempotency_keys WHERE locked_at > clock_timestamp() - make_interval(secs => %(age)s)"
)


# A statement of the service's that waits for a lock.
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND application_name = 'payment-service'"
)


class Load:
    """Clients that pay without end, each repeating until its answer is final. `answers` are the final ones by key."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._over = threading.Event()
        self.answers: dict[str, Answer] = {}
        self.seen: set[int] = set()
        self._lock = threading.Lock()

    def work(self, number: int) -> None:
        method = "CASH" if number % 3 == 0 else "CARD"
        while not self._over.is_set():
            key = new_key()

            def ask(key: str = key) -> Answer:
                token = {"token": "pm_card_visa"} if method == "CARD" else {"payment_token": None}
                answer = self._service.pay(key, method=method, trip_id=number + 1, **token)
                self.seen.add(answer.status)
                return answer

            final = self._service.until_final(ask)
            with self._lock:
                self.answers[key] = final

    def stop(self) -> None:
        self._over.set()

    def settled(self) -> int:
        with self._lock:
            return len(self.answers)


@contextmanager
def load(service: Service, clients: int = 6) -> Iterator[Load]:
    """Load while the block runs; afterwards every client has had its final answer."""
    under_way = Load(service)
    with ThreadPoolExecutor(clients) as threads:
        working = [threads.submit(under_way.work, number) for number in range(clients)]
        try:
            yield under_way
        finally:
            under_way.stop()
        for each in working:
            each.result()


def more_are_paid(under_way: Load, number: int = 5) -> None:
    """Waits until so many more payments have had their final answer."""
    before = under_way.settled()
    eventually(lambda: under_way.settled() >= before + number)


def all_is_right(answers: Load, service: Service, bank: StripeLike) -> None:
    """Every payment was answered 201, once for each key, and charged once."""
    assert {answer.status for answer in answers.answers.values()} == {201}
    sql = service.place.sql
    charged = {row["reference"] for row in sql.run("SELECT reference FROM payments WHERE status = 'SUCCESS'")}
    assert charged == {answer.json()["reference"] for answer in answers.answers.values()}
    assert sql.value("SELECT count(*) FROM payments WHERE status <> 'SUCCESS'") == 0
    assert sql.value("SELECT count(*) FROM payment_receipts") == len(charged)
    ledger = bank.ledger()["charges"]
    by_card = {a.json()["reference"] for a in answers.answers.values() if a.json()["method"] == "CARD"}
    assert set(ledger) == by_card
    assert all((charge["count"], charge["succeeded"]) == (1, 1) for charge in ledger.values())


def eventually(holds: Callable[[], object], seconds: float = AT_LAST) -> None:
    """Waits until something holds; AssertionError where it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"it did not come to pass within {seconds} s"
        time.sleep(0.02)


def new_key() -> str:
    return str(uuid.uuid4())
