"""Many abandoned charges: settled soon after the gateway's return, left alone while it is away, and none in another's way."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import pytest

from shared.charging import abandoned
from shared.gateways.protocol import GatewayRequest, Outcome, Succeeded, Unknown
from shared.platform.database import Row
from tests.sql.rows import abandoned_charges
from tests.support.cluster import Place
from tests.support.till import Till, WatchedDatabase

PENDING = "SELECT count(*) FROM payments WHERE status = 'PENDING'"
PUT_OFF = "SELECT count(*) FROM idempotency_keys WHERE ask_after > now()"
SILENCE = Unknown("no answer", answered=False)


def left_behind(place: Place, number: int) -> None:
    abandoned_charges(place.sql, number, "scripted")


def pending(place: Place) -> int:
    return int(place.sql.value(PENDING))


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets the bounds of a sweep: `hurried(LONGEST=1, PROBE_PAUSE=0.1)`."""

    def hurry(**bounds: float) -> None:
        for name, value in bounds.items():
            module = "charging.abandoned" if hasattr(abandoned, name) else "sweeping.sweep"
            monkeypatch.setattr(f"shared.{module}.{name}", value)

    return hurry


class Crowd:
    """A gateway that answers when so many ask at once; the first few are answered without."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.asking = 0
        self.seen = 0
        self._lock = threading.Lock()
        self._together = threading.Event()

    def __call__(self, request: GatewayRequest) -> Outcome:
        with self._lock:
            self.seen += 1
            self.asking += 1
            if self.asking >= self.wanted:
                self._together.set()
            first = self.seen <= abandoned.PROBES
        if not first:
            assert self._together.wait(20), f"never {self.wanted} at once"
        with self._lock:
            self.asking -= 1
        return Succeeded()


def test_many_ask_at_once_over_a_few_connections(till: Till, place: Place) -> None:
    left_behind(place, 100)
    till.gateway.always = Crowd(abandoned.WORKERS)
    assert till.sweep()["settled"] == 100
    assert pending(place) == 0
    connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND application_name = 'payment-service'"
    # How many are opened is the machine's pace; more than the pool may have are never needed.
    assert place.sql.value(connections, (place.name,)) <= till.settings.db_pool_size


def test_while_the_gateway_is_away_few_are_asked_and_the_others_stay_due(
    till: Till, place: Place, hurried: Callable[..., None]
) -> None:
    hurried(LONGEST=1.0, PROBE_PAUSE=60)
    left_behind(place, 100)
    till.gateway.always = till.gateway.finding = SILENCE
    figures = till.sweep()
    assert (figures["settled"], figures["more"]) == (abandoned.PROBES, 1)
    assert place.sql.value(PUT_OFF) == abandoned.PROBES
    longest = place.sql.value("SELECT extract(epoch FROM max(ask_after) - now())::float8 FROM idempotency_keys")
    assert longest <= 30, "although the claims are a quarter of an hour old"


def test_a_sweep_goes_on_as_soon_as_the_gateway_is_back(till: Till, place: Place, hurried: Callable[..., None]) -> None:
    hurried(PROBE_PAUSE=0.1)
    left_behind(place, 60)
    back = threading.Event()
    asked = threading.Semaphore(0)

    def answer(request: GatewayRequest) -> Outcome:
        asked.release()
        return Succeeded() if back.is_set() else SILENCE

    till.gateway.always, till.gateway.finding = answer, SILENCE
    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(till.sweep)
        for _ in range(3 * abandoned.PROBES):
            assert asked.acquire(timeout=10)
        assert pending(place) == 60
        back.set()
        figures = sweeping.result(20)
    put_off = place.sql.value(PUT_OFF)
    assert pending(place) == put_off
    assert 0 < put_off < 30
    assert figures["settled"] == 60


class Ended(SimpleQueue[Any]):
    """What a sweep hears of askings that have ended; `fifty` is set when it has heard of so many."""

    fifty = threading.Event()
    heard = 0

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        ended = super().get(block, timeout)
        self.heard += 1
        if self.heard == 50:
            self.fifty.set()
        return ended


def test_a_gateway_that_falls_silent_under_way_is_left_alone(
    till: Till, place: Place, hurried: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storing an answer takes longer than silence does: here silence is heard after every answer."""
    hurried(LONGEST=2.0, PROBE_PAUSE=60)
    monkeypatch.setattr(abandoned, "SimpleQueue", Ended)
    left_behind(place, 300)
    till.gateway.finding = SILENCE
    answers = threading.Semaphore(50)

    def ask(_: GatewayRequest) -> Outcome:
        if answers.acquire(blocking=False):
            return Succeeded()
        assert Ended.fifty.wait(20)
        return SILENCE

    till.gateway.always = ask
    assert till.sweep()["more"] == 1
    assert pending(place) == 250
    assert place.sql.value(PUT_OFF) <= abandoned.WORKERS + abandoned.PROBES


def test_what_the_gateway_answers_without_being_final_does_not_look_like_silence(
    till: Till, place: Place, hurried: Callable[..., None]
) -> None:
    hurried(PROBE_PAUSE=60)
    left_behind(place, 20)
    till.gateway.always = till.gateway.finding = Unknown("processing")
    assert till.sweep() | {"settled": 20, "more": 0} == till.sweep() | {"settled": 20, "more": 0}
    assert place.sql.value("SELECT min(asked) FROM idempotency_keys") == 2
    shortest = place.sql.value("SELECT extract(epoch FROM min(ask_after) - now())::float8 FROM idempotency_keys")
    assert shortest > 590, "pauses grow with the age of the claim"


def test_a_sweep_answers_in_time_though_an_asking_hangs_and_the_asking_is_carried_to_its_end(
    till: Till, place: Place, hurried: Callable[..., None]
) -> None:
    hurried(LONGEST=0.3, STRAGGLERS=0.2, LATEST=1.0)
    left_behind(place, 2)
    held = till.gateway.hold()
    began = time.monotonic()
    till.sweep()
    assert time.monotonic() - began < 2
    assert pending(place) == 1
    held.released.set()
    deadline = time.monotonic() + 10
    while pending(place):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert till.gateway.moved.total() == 2


# What a row can do to whoever reads it: the database cannot compute what the view shows of it.
UNREADABLE = """UPDATE payments SET metadata = '{"simulate": "\\u0000"}' WHERE payment_id % 2 = 1"""


def test_requests_that_cannot_be_read_keep_no_other_from_being_settled(till: Till, place: Place) -> None:
    left_behind(place, 40)
    place.sql.run(UNREADABLE)
    assert till.sweep()["settled"] == 20
    assert place.sql.value("SELECT count(*) FROM payments WHERE status = 'SUCCESS'") == 20
    place.sql.run("UPDATE payments SET metadata = '{}'")
    place.sql.run("UPDATE idempotency_keys SET ask_after = ask_after - interval '4 s', locked_at = locked_at - interval '4 s'"
                  " WHERE answer_status IS NULL")  # fmt: skip
    assert till.sweep()["settled"] == 20
    assert pending(place) == 0


class Undecodable(WatchedDatabase):
    """Holds rows of another encoding than UTF-8."""

    def attempt(self, name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
        rows = run()
        if name == "open_request" and rows[0]["payment_id"] <= 10:
            b"\xe9".decode()
        return rows


def test_requests_that_cannot_be_decoded_keep_no_other_from_being_settled(till: Till, place: Place) -> None:
    left_behind(place, 20)
    till.database = Undecodable(place.settings())
    assert till.sweep()["settled"] == 10
    assert pending(place) == 10


def test_a_gateway_that_raises_for_some_keeps_no_other_from_being_settled(
    till: Till, place: Place, hurried: Callable[..., None]
) -> None:
    hurried(PROBE_PAUSE=0.05)
    left_behind(place, 40)

    def raise_for_some(request: GatewayRequest) -> Outcome:
        if request.payment_id <= 10:
            raise RuntimeError("a bug")
        return Succeeded()

    till.gateway.always = raise_for_some
    till.sweep()
    assert pending(place) == 10


def test_a_lease_that_its_last_holder_settles_after_all_is_passed_over(till: Till, place: Place) -> None:
    left_behind(place, 2)
    till.database = SettledMeanwhile(place.settings())
    assert till.sweep()["settled"] == 1


class SettledMeanwhile(WatchedDatabase):
    """The first request that is leased is settled before it is read."""

    def attempt(self, name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
        rows = run()
        return [] if name == "open_request" and rows[0]["payment_id"] == 1 else rows
