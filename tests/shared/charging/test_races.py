"""Races with real threads, let loose at one moment: the database makes each end right."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial

import pytest

from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown
from shared.web.answers import Answer
from shared.web.problems import Problem
from tests.support.cluster import Place
from tests.support.gateway import Lost
from tests.support.races import at_once
from tests.support.till import Till, WatchedDatabase, a_caller, shown

Ended = Answer | Problem


@pytest.fixture
def busy(till: Till, place: Place) -> Iterator[Till]:
    """A till with enough connections for all of a race to be in the database at once."""
    till.database = WatchedDatabase(place.settings(db_pool_size=32))
    yield till
    till.database.close()


def outcomes(ended: list[Ended]) -> Counter[object]:
    return Counter(each.code if isinstance(each, Problem) else each.status for each in ended)


def a_moment(request: GatewayRequest) -> Outcome:
    """A gateway that takes a moment, so that the others arrive meanwhile."""
    time.sleep(0.05)
    return Succeeded(f"scr_{request.reference}")


@pytest.mark.parametrize("method", ["CARD", "CASH"])
@pytest.mark.parametrize("amount", ["150.00", None])
def test_many_requests_with_one_key_are_one_payment(busy: Till, place: Place, method: str, amount: str | None) -> None:
    busy.gateway.always = a_moment
    ended = at_once(*[lambda: busy.pay(key="k", method=method, amount=amount)] * 32)
    answers = [each for each in ended if isinstance(each, Answer)]
    assert set(outcomes(ended)) <= {201, "idempotency_in_progress"}
    assert len({answer.body for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert len(busy.gateway.calls) == (1 if method == "CARD" else 0)
    for table in ("payments", "idempotency_keys", "payment_receipts", "outbox"):
        assert place.sql.value(f"SELECT count(*) FROM {table}") == 1


@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_equal_keys_of_two_callers_at_once_are_two_payments(busy: Till, place: Place, method: str) -> None:
    busy.gateway.always = a_moment
    callers = [a_caller("trips"), a_caller("trips", "https://other.example"), a_caller("kiosk"), None]
    each: list[Callable[[], Answer]] = [partial(busy.pay, key="k", method=method, caller=caller) for caller in callers]
    ended = at_once(*(each * 4))
    assert set(outcomes(ended)) <= {201, "idempotency_in_progress"}
    bodies = [
        {end.body for end in ended[number :: len(each)] if isinstance(end, Answer)} for number in range(len(each))
    ]
    assert [len(answers) for answers in bodies] == [1, 1, 1, 1]
    assert len(set().union(*bodies)) == len(callers)
    assert place.sql.value("SELECT count(*) FROM payments") == len(callers)


def test_many_keys_for_one_trips_fare_charge_once(busy: Till, place: Place) -> None:
    busy.gateway.always = a_moment
    calls = [
        lambda number=number: busy.pay(key=f"k{number}", amount=None, method=("CARD", "CASH")[number % 2])
        for number in range(16)
    ]
    ended = at_once(*calls)
    assert outcomes(ended) == {201: 1, "trip_already_paid": 15}
    [paid] = [shown(each)["payment_id"] for each in ended if isinstance(each, Answer)]
    assert {each.members["payment_id"] for each in ended if isinstance(each, Problem)} == {paid}
    assert place.sql.run("SELECT status FROM payments") == [{"status": "SUCCESS"}]
    assert len(busy.gateway.charged) <= 1


def test_a_fare_that_is_declined_in_a_race_is_collected_by_no_other_or_by_one(busy: Till, place: Place) -> None:
    busy.gateway.next(*[Declined("card_declined")] * 4)
    ended = at_once(*[lambda n=n: busy.pay(key=f"k{n}", amount=None) for n in range(16)])
    counted = outcomes(ended)
    assert counted[201] <= 1
    assert set(counted) <= {201, 402, "trip_already_paid", "idempotency_in_progress"}
    charged = place.sql.value("SELECT count(*) FROM payments WHERE status = 'SUCCESS'")
    assert charged == counted[201] == len(busy.gateway.charged)


def test_sixteen_refunds_of_a_fifth_give_back_five(busy: Till, place: Place) -> None:
    payment_id = shown(busy.pay(amount="100.00"))["payment_id"]
    ended = at_once(*[lambda: busy.refund(payment_id, "20.00")] * 16)
    counted = outcomes(ended)
    assert counted[201] == 5
    assert counted["payment_not_refundable"] + counted["refund_exceeds_payment"] == 11
    assert place.sql.run("SELECT status, refunded_amount, reserved_amount FROM payments") == [
        {"status": "REFUNDED", "refunded_amount": 100, "reserved_amount": 0}
    ]
    assert sum(busy.gateway.refunded.values()) == 100


def test_refunds_of_a_part_and_of_all_never_exceed_the_payment(busy: Till, place: Place) -> None:
    for _ in range(4):
        busy.gateway.refunded.clear()
        payment_id = shown(busy.pay(amount="100.00"))["payment_id"]
        parts = [lambda p=payment_id: busy.refund(p, "30.00")] * 4
        ended = at_once(*parts, *[lambda p=payment_id: busy.refund(p)] * 4)
        given = sum(shown(each)["refund_amount"] for each in ended if isinstance(each, Answer))
        row = place.sql.run("SELECT * FROM payments WHERE payment_id = %s", (payment_id,))[0]
        assert (row["refunded_amount"], row["reserved_amount"]) == (given, 0)
        assert given == sum(busy.gateway.refunded.values()) <= 100
        assert (row["status"] == "REFUNDED") == (given == 100)
        assert "idempotency_in_progress" not in outcomes(ended)


def test_many_refunds_with_one_key_are_one_refund(busy: Till, place: Place) -> None:
    busy.gateway.always = a_moment
    payment_id = shown(busy.pay(amount="100.00"))["payment_id"]
    ended = at_once(*[lambda: busy.refund(payment_id, key="k")] * 16)
    assert set(outcomes(ended)) <= {201, "idempotency_in_progress"}
    assert len({each.body for each in ended if isinstance(each, Answer)}) == 1
    assert place.sql.value("SELECT count(*) FROM payment_refunds") == 1
    assert busy.gateway.verbs().count("refund") == 1


def waiting_for_locks(place: Place, number: int) -> None:
    """Until so many of the pool's connections wait for a lock."""
    query = """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                  AND application_name = 'payment-service'"""
    for _ in range(1000):
        if place.sql.value(query) == number:
            return
        place.sql.run("SELECT pg_sleep(0.005)")
    raise AssertionError(f"there are not {number} that wait")


def test_refunds_of_all_with_one_key_that_all_found_it_unknown_are_one_refund(busy: Till, place: Place) -> None:
    """Whoever finds nothing left looks at the key again: it is its own request that reserved it."""
    payment_id = shown(busy.pay(amount="100.00"))["payment_id"]
    busy.gateway.always = a_moment
    with place.connection() as blocker, ThreadPoolExecutor(4) as pool:
        blocker.run("BEGIN")
        blocker.run("SELECT FROM payments FOR UPDATE")
        racing = [pool.submit(at_once, lambda: busy.refund(payment_id, key="k")) for _ in range(4)]
        waiting_for_locks(place, 4)
        blocker.run("ROLLBACK")
        ended = [each.result(10)[0] for each in racing]
    assert set(outcomes(ended)) <= {201, "idempotency_in_progress"}
    assert busy.refund(payment_id, key="k").status == 201
    assert place.sql.value("SELECT count(*) FROM payment_refunds") == 1


def test_refunds_that_fail_and_succeed_at_once_leave_the_payment_right(busy: Till, place: Place) -> None:
    payment_id = shown(busy.pay(amount="100.00"))["payment_id"]
    busy.gateway.next(*[Declined("no"), Succeeded("re")] * 4)
    ended = at_once(*[lambda: busy.refund(payment_id, "12.50")] * 8)
    assert outcomes(ended) == {201: 4, 402: 4}
    row = place.sql.run("SELECT * FROM payments")[0]
    assert (row["status"], row["refunded_amount"], row["reserved_amount"]) == ("SUCCESS", Decimal(50), 0)


def test_the_last_two_refunds_settling_at_once_make_it_refunded(busy: Till, place: Place) -> None:
    for _ in range(5):
        payment_id = shown(busy.pay(amount="100.00"))["payment_id"]
        assert outcomes(at_once(*[lambda p=payment_id: busy.refund(p, "50.00")] * 2)) == {201: 2}
        status = place.sql.value("SELECT status FROM payments WHERE payment_id = %s", (payment_id,))
        assert status == "REFUNDED"


def abandoned(till: Till, place: Place, **body: str) -> None:
    """A payment whose worker got no answer; a sweep may ask again at once."""
    till.gateway.next(Lost())
    assert till.pay(key="k", **body).status == 202
    place.sql.run("UPDATE idempotency_keys SET ask_after = now() - interval '1 s'")


def test_sweeps_and_a_clients_repeats_on_one_abandoned_payment_settle_it_once(busy: Till, place: Place) -> None:
    for _ in range(4):
        place.sql.run("TRUNCATE payments, outbox, payment_receipts CASCADE")
        abandoned(busy, place)
        busy.gateway.moved.clear()
        busy.gateway.charged.clear()
        ended = at_once(*[lambda: Answer(sum(busy.sweep().values()))] * 2, *[lambda: busy.pay(key="k")] * 6)
        assert set(outcomes(ended[2:])) <= {201, "idempotency_in_progress"}
        assert busy.pay(key="k").status == 201
        assert list(busy.gateway.moved.values()) == [1]
        for table in ("payments", "payment_receipts", "outbox"):
            assert place.sql.value(f"SELECT count(*) FROM {table}") == 1


def test_many_sweeps_at_once_take_different_payments(busy: Till, place: Place) -> None:
    busy.gateway.next(*[Unknown("time-out")] * 30)
    for number in range(30):
        busy.pay(key=f"k{number}")
    place.sql.run("UPDATE idempotency_keys SET ask_after = now() - interval '1 s'")
    busy.gateway.calls.clear()
    at_once(*[lambda: Answer(sum(busy.sweep().values()))] * 4)
    asked = Counter(request.reference for _, request in busy.gateway.calls)
    assert len(asked) == 30
    assert set(asked.values()) == {1}
    assert place.sql.value("SELECT count(*) FROM payments WHERE status = 'SUCCESS'") == 30
    assert place.sql.value("SELECT count(*) FROM outbox") == 30


def test_the_same_key_on_two_paths_at_once_is_used_by_one(busy: Till, place: Place) -> None:
    payment_id = shown(busy.pay(amount="100.00"))["payment_id"]
    for number in range(5):
        ended = at_once(
            lambda n=number: busy.pay(key=f"k{n}", method="CASH"),
            lambda n=number: busy.refund(payment_id, "1.00", key=f"k{n}"),
        )
        assert outcomes(ended) == {201: 1, "idempotency_key_reused": 1}


def test_the_same_key_with_two_contents_at_once_is_used_by_one(busy: Till, place: Place) -> None:
    for number in range(5):
        ended = at_once(
            *[lambda n=number, a=amount: busy.pay(key=f"k{n}", amount=a) for amount in ("1.00", "2.00", "3.00")]
        )
        assert outcomes(ended) == {201: 1, "idempotency_key_reused": 2}
    assert place.sql.value("SELECT count(*) FROM payments") == 5
