"""Leases: the right to ask the gateway, for a while; and the worker that was frozen past its own."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from shared.charging.askings import Askings
from shared.charging.dependencies import Dependencies
from shared.charging.lease import Lease, release, take_next, take_over
from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown
from shared.platform.database import Row
from shared.platform.settings import Settings
from tests.sql.rows import a_key, a_payment
from tests.support.cluster import Place
from tests.support.settings import SETTINGS
from tests.support.till import Died, Till, WatchedDatabase, shown


@pytest.fixture
def deps(till: Till) -> Dependencies:
    return till.deps


@pytest.fixture
def open_key(place: Place) -> bytes:
    """A key whose payment is pending, asked once, free, and due."""
    payment_id = a_payment(place.sql, status="PENDING", payment_token="tok_1", gateway_id="pi_1")
    return a_key(place.sql, payment_id)


def key(place: Place) -> dict[str, object]:
    return place.sql.run("SELECT * FROM idempotency_keys")[0]


def test_a_lease_is_written_by_the_databases_clock(deps: Dependencies, place: Place, open_key: bytes) -> None:
    before = place.sql.value("SELECT clock_timestamp()")
    lease = take_over(deps, open_key)
    assert lease
    assert before < lease.locked_at < place.sql.value("SELECT clock_timestamp()")
    row = key(place)
    assert (row["locked_at"], row["asked"], lease.request.asked) == (lease.locked_at, 2, 2)
    assert isinstance(row["ask_after"], datetime)
    assert row["ask_after"] - lease.locked_at == pytest.approx(timedelta(seconds=3), abs=timedelta(seconds=0.2))


def test_a_lease_tells_what_the_gateway_is_asked_with(deps: Dependencies, open_key: bytes) -> None:
    lease = take_over(deps, open_key)
    assert lease
    assert (lease.request.payment_token, lease.request.gateway_id, lease.request.amount) == ("tok_1", "pi_1", 100)
    assert (lease.payment_id, lease.refund_id, lease.gateway) == (1, None, "scripted")
    assert 0 <= lease.request.age < 5


@pytest.mark.parametrize("take", [lambda p, k: take_over(p, k), lambda p, k: take_next(p)], ids=["repeat", "sweep"])
def test_a_lease_is_taken_by_one_at_a_time(
    deps: Dependencies, place: Place, open_key: bytes, take: Callable[[Dependencies, bytes], Lease | None]
) -> None:
    barrier = threading.Barrier(5)

    def work(_: int) -> Lease | None:
        barrier.wait(10)
        return take(deps, open_key)

    with ThreadPoolExecutor(5) as pool:
        taken = [lease for lease in pool.map(work, range(5)) if lease]
    assert len(taken) == 1
    assert key(place)["asked"] == 2


@pytest.mark.parametrize(("age", "taken"), [(2.5, False), (3.1, True)])
@pytest.mark.parametrize("by", ["repeat", "sweep"])
def test_a_lease_is_taken_over_at_its_age_and_not_before(
    deps: Dependencies, place: Place, open_key: bytes, age: float, taken: bool, by: str
) -> None:
    place.sql.run("UPDATE idempotency_keys SET locked_at = now() - make_interval(secs => %s)", (age,))
    lease = take_over(deps, open_key) if by == "repeat" else take_next(deps)
    assert bool(lease) == taken


def test_a_lease_is_released_only_by_its_holder(deps: Dependencies, place: Place, open_key: bytes) -> None:
    lost = take_over(deps, open_key)
    assert lost
    place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '4 s'")
    held = take_over(deps, open_key)
    assert held
    release(deps, lost, Unknown("busy", "pi_of_the_loser"), Askings())
    assert key(place)["locked_at"] == held.locked_at
    assert place.sql.value("SELECT gateway_id FROM payments") == "pi_1"
    release(deps, held, Unknown("busy", "pi_2"), Askings())
    assert key(place)["locked_at"] is None
    assert place.sql.value("SELECT gateway_id FROM payments") == "pi_2"


def test_giving_a_lease_back_without_a_name_keeps_the_one_that_is_known(
    deps: Dependencies, place: Place, open_key: bytes
) -> None:
    lease = take_over(deps, open_key)
    assert lease
    release(deps, lease, Unknown("busy"), Askings())
    assert place.sql.value("SELECT gateway_id FROM payments") == "pi_1"


def test_the_place_of_a_search_is_kept_until_another_is_named(
    deps: Dependencies, place: Place, open_key: bytes
) -> None:
    for said, kept in (("a", "a"), (None, "a"), ("b", "b"), ("", "")):
        lease = take_over(deps, open_key)
        assert lease
        release(deps, lease, Unknown("busy", search_cursor=said), Askings())
        again = take_over(deps, open_key)
        assert again
        assert again.request.search_cursor == kept
        release(deps, again, Unknown("busy"), Askings())


def test_a_lease_given_back_twice_is_given_back_once(deps: Dependencies, place: Place, open_key: bytes) -> None:
    first = take_over(deps, open_key)
    assert first
    release(deps, first, Unknown("busy"), Askings())
    second = take_over(deps, open_key)
    assert second
    release(deps, first, Unknown("busy"), Askings())
    assert key(place)["locked_at"] == second.locked_at


def test_a_call_is_allowed_for_the_lock_time_out_less_the_gateways(
    deps: Dependencies, open_key: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = take_over(deps, open_key)
    assert lease
    safe = SETTINGS.idempotency_lock_timeout - SETTINGS.gateway_timeout
    for later, allowed in ((0.0, True), (safe - 0.01, True), (safe + 0.01, False), (safe + 100, False)):
        monkeypatch.setattr("shared.charging.lease.time.monotonic", lambda later=later: lease.taken_at + later)
        assert lease.allows_a_call() is allowed


def test_with_the_default_lease_a_read_is_allowed_after_an_asking_that_took_all_its_time(
    till: Till,
    open_key: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    defaults = Settings.read({})
    till.change(idempotency_lock_timeout=defaults.idempotency_lock_timeout, gateway_timeout=defaults.gateway_timeout)
    lease = take_over(till.deps, open_key)
    assert lease
    read_begins = defaults.gateway_timeout + 1  # and what the claim and the way took
    read_ends = read_begins + defaults.gateway_timeout
    monkeypatch.setattr("shared.charging.lease.time.monotonic", lambda: lease.taken_at + read_begins)
    assert lease.allows_a_call()
    monkeypatch.setattr("shared.charging.lease.time.monotonic", lambda: lease.taken_at + read_ends)
    assert not lease.is_over(), "somebody else may ask while this one reads"


def test_a_lease_is_over_when_its_time_is(deps: Dependencies, open_key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = take_over(deps, open_key)
    assert lease
    for later, over in ((0.0, False), (2.99, False), (3.01, True)):
        monkeypatch.setattr("shared.charging.lease.time.monotonic", lambda later=later: lease.taken_at + later)
        assert lease.is_over() is over


class Clock:
    """The monotonic clock of shared.charging.lease, which a test may move on."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._real = time.monotonic

    def __call__(self) -> float:
        return self._real() + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()

    class Time:
        monotonic = staticmethod(clock)

    for module in ("lease", "charge", "refund"):
        monkeypatch.setattr(f"shared.charging.{module}.time", Time)
    return clock


class Frozen(WatchedDatabase):
    """A worker that is frozen for a while after a statement, on its way to the gateway."""

    def __init__(self, settings: Settings, after: str, freeze: Callable[[], None]) -> None:
        super().__init__(settings)
        self.after, self.freeze = after, freeze

    def attempt(self, name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
        rows = run()
        if name == self.after and rows:
            self.freeze()
        return rows


@pytest.mark.parametrize("statement", ["claim_payment", "lease_key", "lease_next"])
def test_a_worker_frozen_past_its_lease_asks_nobody_and_gives_up(
    till: Till, place: Place, clock: Clock, statement: str
) -> None:
    if statement != "claim_payment":
        till.gateway.next(Unknown("time-out"))
        till.pay(key="k")
        place.sql.run("UPDATE idempotency_keys SET ask_after = now() - interval '1 s'")
        till.gateway.calls.clear()
    woken: list[int] = []

    def freeze() -> None:
        """Meanwhile somebody else takes the lease over and settles."""
        clock.ahead += 60
        place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '60 s'")
        woken.append(other.pay(key="k").status)

    other = Till(till.settings, WatchedDatabase(place.settings()), till.gateway)
    till.database = Frozen(place.settings(), statement, freeze)
    answer = None if statement == "lease_next" else till.pay(key="k")
    if statement == "lease_next":
        till.sweep()
    assert woken == [201]
    assert till.gateway.verbs() == ["charge"]  # the other's
    assert answer is None or answer.status in (201, 202)
    assert till.pay(key="k").status == 201
    assert place.sql.value("SELECT count(*) FROM outbox") == 1
    till.database.close()
    other.database.close()


def test_a_worker_frozen_between_asking_and_reading_does_not_read(till: Till, place: Place, clock: Clock) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")

    def freezes(request: GatewayRequest) -> Outcome:
        clock.ahead += 60
        return Unknown("time-out")

    till.gateway.next(freezes)
    assert till.pay(key="k").status == 202
    assert till.gateway.verbs() == ["charge", "charge"]


def test_a_worker_frozen_while_the_gateway_answers_settles_or_finds_it_settled(
    till: Till, place: Place, clock: Clock
) -> None:
    """Asked twice with one reference, the gateway said one thing: whoever settles first, both give the same answer."""

    def freezes(request: GatewayRequest) -> Outcome:
        till.gateway._move(request, till.gateway.charged)
        clock.ahead += 60
        place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '60 s'")
        answers.append(till.pay(key="k"))
        return Succeeded(f"scr_{request.reference}")

    answers = []
    till.gateway.next(freezes)
    answers.append(till.pay(key="k"))
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].body == answers[1].body
    assert list(till.gateway.moved.values()) == [1]
    assert place.sql.value("SELECT count(*) FROM outbox") == 1


def test_a_decline_that_comes_after_the_lease_settles_nothing_and_is_noted_against_a_success(
    till: Till, place: Place, clock: Clock
) -> None:
    """Whoever took over may have been told that the money moved, or not have been told anything yet."""

    def freezes(request: GatewayRequest) -> Outcome:
        clock.ahead += 60
        place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '60 s'")
        meanwhile()
        return Declined("late")

    def charged() -> None:
        assert till.pay(key="k").status == 201

    meanwhile: Callable[[], object] = lambda: None  # noqa: E731
    till.gateway.next(freezes)
    assert till.pay(key="k").status == 202
    assert place.sql.value("SELECT status FROM payments") == "PENDING"
    meanwhile = charged
    till.gateway.next(freezes)
    assert till.pay(key="k").status == 201
    assert place.sql.run("SELECT outcome, gateway_said FROM audit_log") == [
        {"outcome": "failed", "gateway_said": "declined (late)"}
    ]


def test_a_worker_that_died_holds_its_lease_until_it_is_old(till: Till, place: Place) -> None:
    """In real time, with the short time-outs of the tests."""
    till.database.dies_after = "claim_payment"
    with pytest.raises(Died):
        till.pay(key="k")
    till.database.dies_after = ""
    place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '2.7 s', ask_after = now() + '0.3 s'")
    assert till.sweep()["settled"] == 0
    deadline = time.monotonic() + 5
    while till.sweep()["settled"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert shown(till.pay(key="k"))["status"] == "SUCCESS"
