"""Many clients at once, and functions and the database killed in the middle of it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from typing import Any

import pytest

from tests.e2e.client import Answer, Client, new_key, new_trip
from tests.e2e.service import Service, await_that

CLIENTS = 32
PAYMENTS = 1000


class Crowd:
    """Clients that pay at once, each with a connection of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._own = threading.local()
        self.errors: list[str] = []

    def client(self) -> Client:
        if not hasattr(self._own, "client"):
            self._own.client = Client(self._service.port)
        found: Client = self._own.client
        return found

    def each(self, work: Callable[[int], Answer], times: int) -> list[Answer]:
        """The answers of so many requests, as many at once as there are clients."""
        with ThreadPoolExecutor(CLIENTS) as pool:
            return list(pool.map(work, range(times)))

    def until_final(self, ask: Callable[[Client], Answer]) -> Answer:
        """Repeats a request, as a client may, while no answer comes or the answer asks for patience."""
        pause = threading.Event()
        for _ in range(200):
            try:
                answer = ask(self.client())
            except (OSError, HTTPException) as lost:
                self.errors.append(type(lost).__name__)
                pause.wait(0.1)
                continue
            if "Retry-After" not in answer.headers:
                return answer
            self.errors.append(f"{answer.status}")
            pause.wait(float(answer.headers["Retry-After"]))
        raise AssertionError("no final answer after 200 repetitions")


@pytest.fixture
def crowd(service: Service) -> Crowd:
    return Crowd(service)


def numbers(rows: Any, trips: list[int]) -> tuple[int, int, int, int, int]:
    """Payments of these trips, their references, receipts, finished keys, and events about them."""
    ((payments, references, receipts, keys, events),) = rows(
        "SELECT count(*), count(DISTINCT reference),"
        " (SELECT count(*) FROM payment_receipts r WHERE r.payment_id = ANY (array_agg(p.payment_id))),"
        " (SELECT count(*) FROM idempotency_keys k WHERE k.payment_id = ANY (array_agg(p.payment_id))"
        "   AND answer_status = 201 AND locked_at IS NULL),"
        " (SELECT count(*) FROM outbox o WHERE o.subject = ANY (array_agg('payments/' || p.payment_id)))"
        " FROM payments p WHERE trip_id = ANY (%s) AND status = 'SUCCESS'",
        trips,
    )
    return payments, references, receipts, keys, events


def test_a_thousand_payments_by_32_clients_are_a_thousand_of_everything_and_no_error(crowd: Crowd, rows: Any) -> None:
    trips = [new_trip() for _ in range(PAYMENTS)]
    answers = crowd.each(lambda n: crowd.client().pay(trip_id=trips[n], amount=None), PAYMENTS)
    assert {answer.status for answer in answers} == {201}
    assert len({answer.json["payment_id"] for answer in answers}) == PAYMENTS
    assert numbers(rows, trips) == (PAYMENTS,) * 5
    undelivered = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
    await_that(lambda: rows(undelivered) == [(0,)], "every event is delivered")


@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_32_requests_with_one_key_are_one_payment(crowd: Crowd, rows: Any, method: str) -> None:
    key, trip_id = new_key(), new_trip()
    answers = crowd.each(
        lambda _: crowd.until_final(lambda client: client.pay(key, trip_id=trip_id, method=method)), CLIENTS
    )
    assert {(answer.status, answer.body) for answer in answers} == {(201, answers[0].body)}
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert numbers(rows, [trip_id]) == (1,) * 5
    assert set(crowd.errors) <= {"409"}


def test_32_keys_for_one_fare_are_one_payment(crowd: Crowd, rows: Any) -> None:
    trip_id = new_trip()
    keys = [new_key() for _ in range(CLIENTS)]
    answers = crowd.each(
        lambda n: crowd.until_final(lambda client: client.pay(keys[n], trip_id=trip_id, amount=None)), CLIENTS
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * (CLIENTS - 1)
    (paid,) = (answer.json["payment_id"] for answer in answers if answer.status == 201)
    assert {answer.problem(409, "trip_already_paid")["payment_id"] for answer in answers if answer.status == 409} == {
        paid
    }
    assert numbers(rows, [trip_id]) == (1,) * 5


@pytest.mark.parametrize("victim", ["create_payment", "database"])
def test_kill_9_in_the_middle_costs_no_payment_and_doubles_none(
    service: Service, crowd: Crowd, rows: Any, victim: str
) -> None:
    count = 300
    trips, keys = [new_trip() for _ in range(count)], [new_key() for _ in range(count)]
    begun = threading.Semaphore(0)

    def pay(n: int) -> Answer:
        begun.release()
        fields = {"trip_id": trips[n], "amount": None if n % 2 else 12.34, "method": "CASH" if n % 3 == 0 else "CARD"}
        return crowd.until_final(lambda client: client.pay(keys[n], **fields))

    def kill() -> None:
        for _ in range(3):
            for _ in range(count // 5):
                assert begun.acquire(timeout=60), "the crowd has stopped paying"
            if victim == "database":
                service.kill_database()
            else:
                await_that(lambda: service.kill_function(victim) > 0, "what was killed before is there again")

    with ThreadPoolExecutor(1) as killer:
        killed = killer.submit(kill)
        answers = crowd.each(pay, count)
        killed.result()
    assert {answer.status for answer in answers} == {201}
    with service.database() as run:
        await_that(lambda: numbers(run, trips) == (count,) * 5, "everything is settled")


def test_killing_what_only_reads_costs_its_clients_nothing_but_a_moment(service: Service, client: Client) -> None:
    payment = client.pay().json
    for function in ("get_payment", "health", "metrics"):
        assert service.kill_function(function)
    assert client.get(f"/payments/{payment['payment_id']}").json == payment
    assert client.get("/metrics").status == 200
    assert client.get("/health").json["status"] == "UP"


def test_a_killed_sweep_or_notify_comes_back_and_every_event_arrives(
    service: Service, client: Client, rows: Any
) -> None:
    assert service.kill_function("sweep")
    assert service.kill_function("notify")
    subject = f"payments/{client.pay().json['payment_id']}"
    delivered = "SELECT 1 FROM outbox WHERE subject = %s AND delivered_at IS NOT NULL"
    await_that(lambda: rows(delivered, subject) == [(1,)], "the event is delivered")


def test_a_database_that_stands_still_is_503_in_bounded_time_and_costs_nothing(
    service: Service, crowd: Crowd, rows: Any
) -> None:
    paths = ("/payments/1", "/payments?trip_id=1", "/payments/1/receipt", "/metrics")
    key, trip_id = new_key(), new_trip()
    with service.frozen("database"):
        began = time.monotonic()
        with ThreadPoolExecutor(len(paths) + 2) as pool:
            health = pool.submit(Client(service.port).get, "/health")
            reads = [pool.submit(Client(service.port).get, path) for path in paths]
            payment = pool.submit(Client(service.port).pay, key, trip_id=trip_id)
            assert (health.result().status, health.result().json["database_status"]) == (503, "DOWN")
            assert time.monotonic() - began < 3
            for asked in (*reads, payment):
                asked.result().problem(503, "database_unavailable")
        assert time.monotonic() - began < 8
    assert crowd.until_final(lambda client: client.pay(key, trip_id=trip_id)).status == 201
    assert numbers(rows, [trip_id]) == (1,) * 5
    assert crowd.client().get("/health").json["status"] == "UP"
