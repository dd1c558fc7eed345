"""A payment follows its charge as it was read, whatever was said before: paid in the end, it is ours or given back, once."""

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, Literal

import pytest

from shared.charging.ask_again import ask_again
from shared.charging.askings import Askings
from shared.charging.by_hand import list_pending, settle_by_hand
from shared.charging.lease import take_next, take_over
from shared.charging.settle import settle
from shared.gateways.abilities import ABILITIES
from shared.gateways.facts import ChargeFact
from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.late.charge import follow_charge
from shared.late.ring import Left, Ring
from shared.reading.attention import count_attention, read_attention
from shared.reading.payments import refunds as read_refunds
from shared.reading.queries import Page
from shared.reading.receipts.receipt import read_receipt
from shared.reading.totals import read_totals
from shared.web.problems import Problem
from tests.fakes.sink import Sink
from tests.shared.charging.test_deaths import become_due, everything_is_settled
from tests.sql.rows import a_payment
from tests.support.cluster import Place
from tests.support.outbox import deliver_left, grow_old, until
from tests.support.till import Died, Till, a_caller, refused, shown, trace

TRIPS = a_caller("trips")
Shown = dict[str, Any]


def a_ring(gateway: str = "scripted") -> Ring:
    return Ring(gateway, "charge", "pi_1", 1, 0, 0.0)


def a_fact(
    payment: Shown,
    status: Literal["succeeded", "canceled", "open"] = "succeeded",
    gateway_id: str = "pi_1",
    **changes: Any,
) -> ChargeFact:
    fact = ChargeFact(gateway_id, payment["reference"], status, payment["amount"], payment["currency"], None, {})
    return fact._replace(**changes)


def follow(till: Till, payment: Shown, *arguments: Any, **changes: Any) -> Left:
    return follow_charge(till.deps, a_ring(), a_fact(payment, *arguments, **changes))


def failed(till: Till, **asked: Any) -> Shown:
    """A payment whose client was told that it is declined."""
    till.gateway.next(Declined("card_declined", "pi_1"))
    payment: Shown = shown(till.pay(**asked))["payment"]
    return payment


def pending(till: Till, **asked: Any) -> Shown:
    till.gateway.next(Unknown("time-out"))
    return shown(till.pay(**asked))


def row(place: Place, payment: Shown) -> dict[str, Any]:
    return place.sql.run("SELECT * FROM payments WHERE payment_id = %s", (payment["payment_id"],))[0]


def events(place: Place) -> list[tuple[str, str]]:
    rows = place.sql.run("SELECT event_id, type FROM outbox ORDER BY created_at")
    return [(each["event_id"].rpartition(".")[2], each["type"]) for each in rows]


def audited(place: Place) -> list[tuple[str, int | None]]:
    return [(each["action"], each["refund_id"]) for each in place.sql.run("SELECT * FROM audit_log ORDER BY audit_id")]


def books_add_up(till: Till, place: Place) -> None:
    """The totals, and the quarters, say what the tables do; a late charge that was given back is in none."""
    counted = place.sql.run(
        "SELECT status, sum(count)::int AS count, sum(amount) AS amount, sum(refunded) AS refunded FROM payment_totals"
        " GROUP BY 1 HAVING sum(count) <> 0 ORDER BY 1"
    )
    assert counted == place.sql.run(
        "SELECT status, count(*)::int AS count, sum(amount) AS amount, sum(refunded_amount) AS refunded FROM payments"
        " GROUP BY 1 ORDER BY 1"
    )
    refunded = "SELECT coalesce(sum(count), 0)::int AS count, coalesce(sum(amount), 0) AS amount FROM refund_totals"
    assert place.sql.run(refunded) == place.sql.run(
        "SELECT count(*)::int AS count, coalesce(sum(amount), 0) AS amount FROM payment_refunds"
        " WHERE status = 'REFUNDED' AND source <> 'late_payment'"
    )
    by_quarter = (
        "SELECT status, sum(count)::int AS count, sum(amount) AS amount, sum(refunded) AS refunded FROM figures_counted"
    )
    assert (
        place.sql.run(f"{by_quarter} WHERE status IS NOT NULL GROUP BY 1 HAVING sum(count) <> 0 ORDER BY 1") == counted
    )


# Pending.


@pytest.mark.parametrize("leased", [False, True])
def test_what_is_pending_and_paid_is_settled_at_once_whoever_holds_the_lease(
    till: Till, place: Place, leased: bool
) -> None:
    payment = pending(till, key="k")
    if leased:
        assert take_over(till.deps, bytes(place.sql.value("SELECT key_hash FROM idempotency_keys")))
    asked = till.gateway.verbs()
    assert follow(till, payment) is None
    assert till.gateway.verbs() == asked
    assert (row(place, payment)["status"], row(place, payment)["gateway_id"]) == ("SUCCESS", "pi_1")
    assert till.pay(key="k").status == 201
    assert events(place) == [("succeeded", "com.ridehailing.payment.succeeded.v1")]
    assert follow(till, payment) is None
    assert audited(place) == []


def test_whoever_held_the_lease_meanwhile_gives_the_stored_answer(till: Till, place: Place) -> None:
    held = till.gateway.hold(Declined("card_declined", "pi_1"))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(till.pay, key="k")
        assert held.reached.wait(10)
        payment = place.sql.run("SELECT *, amount FROM payments")[0]
        assert follow(till, payment) is None
        held.released.set()
        assert first.result(10).status == 201
    assert row(place, payment)["status"] == "SUCCESS"
    assert audited(place) == [("contradiction", None)]


@pytest.mark.parametrize("status", ["open", "canceled"])
def test_what_is_pending_and_not_paid_is_asked_about_under_the_lease_by_its_id(
    till: Till, place: Place, status: Literal["open", "canceled"]
) -> None:
    payment = pending(till, key="k")
    till.gateway.next(Declined("expired", "pi_1"))
    assert follow(till, payment, status) is None
    assert till.gateway.calls[-1][1].gateway_id == "pi_1"
    assert row(place, payment)["failure_code"] == "expired"
    payment = pending(till, key="l")
    assert take_over(till.deps, bytes(place.sql.value("SELECT sha256('l')")))
    assert follow(till, payment, status, "pi_2") == "somebody is asking about it"
    assert row(place, payment)["status"] == "PENDING"


def test_what_the_gateway_gives_up_is_rung_for_until_that_is_known(till: Till) -> None:
    payment = pending(till)
    till.gateway.always = Unknown("busy")
    till.gateway.finding = Unknown("busy")
    assert follow(till, payment, "canceled") == "its end is not known yet"
    assert follow(till, payment, "open") is None


# What is none of ours.


def test_a_charge_of_nobody_s_is_dropped(till: Till, place: Place) -> None:
    payment = failed(till)
    other = follow_charge(till.deps, a_ring("stripe"), a_fact(payment))
    stranger = follow(till, payment, "succeeded", "pi_9", reference="PAY-other")
    unnamed = follow(till, payment, "succeeded", "pi_9", reference=None)
    assert (other, stranger, unnamed) == (None, None, None)
    assert audited(place) == []


@pytest.mark.parametrize("charged_by", [None, "cash"])
def test_history_and_cash_are_never_touched(till: Till, place: Place, charged_by: str | None) -> None:
    payment_id = a_payment(place.sql, gateway=charged_by, status="FAILED", reference="PAY-old", gateway_id="pi_1")
    payment = {"reference": "PAY-old", "amount": Decimal("100.00"), "currency": "INR"}
    for name in ("scripted", "stripe"):
        assert follow_charge(till.deps, a_ring(name), a_fact(payment)) is None
    assert row(place, {"payment_id": payment_id})["late_charge_id"] is None
    assert audited(place) == []


@pytest.mark.parametrize("changes", [{"amount": Decimal("1.00")}, {"currency": "USD", "code": "card_declined"}])
@pytest.mark.parametrize("begin", [failed, pending])
def test_a_charge_of_another_amount_is_noted_once_and_changes_nothing(
    till: Till,
    place: Place,
    logged: list[logging.LogRecord],
    begin: Callable[[Till], Shown],
    changes: dict[str, Any],
) -> None:
    till.change(late_payment="adopt")
    payment = begin(till)
    before = row(place, payment)
    for _ in range(2):
        assert follow(till, payment, **changes) is None
        assert follow(till, payment, "open", **changes) is None
    assert row(place, payment) == before
    assert audited(place) == [("contradiction", None)]
    said = " ".join(str(each) for each in (changes.get("amount", "150.00"), changes.get("currency", "INR")))
    assert place.sql.value("SELECT gateway_said FROM audit_log") == f"pi_1: a charge of {said}, succeeded"
    assert place.sql.value("SELECT reason FROM audit_log").endswith(": 150.00 INR was asked for")
    assert [line.getMessage() for line in logged if line.levelname == "ERROR"] == [
        "the gateway contradicts what is stored"
    ]


def test_what_is_settled_and_agrees_stays_and_what_does_not_is_noted(till: Till, place: Place) -> None:
    paid = shown(till.pay())
    known_as = f"scr_{paid['reference']}"
    assert follow(till, paid, "succeeded", known_as) is None
    assert follow(till, paid, "open", known_as) is None
    assert follow(till, paid, "canceled", "pi_9") is None  # another try of it
    assert follow(till, failed(till), "canceled") is None
    assert audited(place) == []
    assert follow(till, paid, "succeeded", "pi_9") is None
    assert follow(till, paid, "canceled", known_as) is None
    assert audited(place) == [("contradiction", None)] * 2
    assert row(place, paid)["status"] == "SUCCESS"


# Paid late, and given back.


def test_what_failed_and_is_paid_is_given_back_in_whole_and_once(till: Till, place: Place) -> None:
    payment = failed(till, key="k", caller=TRIPS)
    for _ in range(3):
        assert follow(till, payment) is None
    [refund] = place.sql.run("SELECT * FROM payment_refunds")
    assert (refund["status"], refund["source"], refund["amount"]) == ("REFUNDED", "late_payment", payment["amount"])
    assert till.gateway.refunded == {refund["reference"]: payment["amount"]}
    assert till.gateway.calls[-1][1].charge_id == refund["charge_id"] == "pi_1"
    now = row(place, payment)
    assert (now["status"], now["late_charge_id"], now["refunded_amount"], now["failure_code"]) == (
        "FAILED",
        "pi_1",
        0,
        "card_declined",
    )
    assert events(place) == [
        ("failed", "com.ridehailing.payment.failed.v1"),
        ("given_back", "com.ridehailing.payment.given_back.v1"),
    ]
    told = place.sql.run("SELECT * FROM outbox ORDER BY created_at")[-1]
    assert (told["event_id"], told["caller"]) == (f"{refund['reference']}.given_back", TRIPS.name)
    assert (told["subject"], told["correlation_id"]) == (f"payments/{payment['payment_id']}", refund["correlation_id"])
    assert told["data"]["refund"]["source"] == "late_payment"
    assert (told["data"]["status"], told["data"]["refund"]["remaining_amount"]) == ("FAILED", 0)
    assert audited(place) == [("contradiction", None), ("give_back_payment", refund["refund_id"])]
    assert till.pay(key="k", caller=TRIPS).status == 402
    everything_is_settled(place)
    assert count_attention(till.database) == 0
    books_add_up(till, place)
    totals = read_totals(till.database, "INR")
    assert place.sql.value("SELECT coalesce(sum(count), 0) FROM refund_totals") == 0
    assert totals.contradiction_count == 0


def test_its_trip_is_free_and_a_client_cannot_refund_it(till: Till, place: Place) -> None:
    payment = failed(till, amount=None)
    assert follow(till, payment) is None
    with pytest.raises(Problem) as problem:
        till.refund(payment["payment_id"])
    assert problem.value.code == "payment_not_refundable"
    assert till.pay(amount=None).status == 201
    books_add_up(till, place)


def test_the_list_of_refunds_says_who_asked_for_each(till: Till) -> None:
    payment = failed(till)
    follow(till, payment)
    paid = shown(till.pay())
    till.refund(paid["payment_id"], "1.00")
    sources = [
        json.loads(read_refunds(till.database, each["payment_id"], Page()))["data"][0]["source"]
        for each in (payment, paid)
    ]
    assert sources == ["late_payment", "client"]


def test_an_unknown_refund_of_it_is_carried_on_by_a_sweep_or_a_person(till: Till, place: Place) -> None:
    first, second = failed(till), failed(till, trip_id=102)
    till.gateway.next(Unknown("time-out"), Unknown("time-out"))
    assert follow(till, first) is None
    assert follow(till, second, "succeeded", "pi_2") is None
    till.gateway.finding = None
    assert len(list_pending(till.deps)) == 2
    ask_again(till.deps, second["payment_id"], "asha")
    become_due(place)
    till.sweep()
    assert place.sql.run("SELECT status FROM payment_refunds") == [{"status": "REFUNDED"}] * 2
    assert sorted(till.gateway.moved.values()) == [1, 1]
    assert {request.charge_id for verb, request in till.gateway.calls if verb == "refund"} == {"pi_1", "pi_2"}
    everything_is_settled(place)


def test_a_refund_of_it_is_settled_by_hand_as_any_other(till: Till, place: Place) -> None:
    payment = failed(till)
    till.gateway.next(Unknown("time-out"))
    follow(till, payment)
    reference = place.sql.value("SELECT reference FROM payment_refunds")
    settle_by_hand(till.deps, reference, True, "asha", "the bank has it", force=True)
    assert audited(place)[-1][0] == "settle_refund"
    assert events(place)[-1][0] == "given_back"
    assert row(place, payment)["status"] == "FAILED"
    books_add_up(till, place)


def test_where_the_gateway_will_not_give_it_back_a_person_must_know(
    till: Till, place: Place, logged: list[logging.LogRecord]
) -> None:
    payment = failed(till)
    till.gateway.next(Declined("charge_disputed", "re_1"))
    assert follow(till, payment) is None
    assert place.sql.run("SELECT status, failure_code FROM payment_refunds") == [
        {"status": "FAILED", "failure_code": "charge_disputed"}
    ]
    assert events(place)[-1] == ("failed", "com.ridehailing.refund.failed.v1")
    line = next(line for line in logged if line.getMessage() == "what was paid late is not given back")
    assert (line.levelname, vars(line)["code"]) == ("ERROR", "charge_disputed")
    assert count_attention(till.database) == len(read_attention(till.database).recent) == 1
    assert place.sql.run(
        "SELECT refund_id, outcome FROM audit_log WHERE action = 'contradiction' ORDER BY audit_id"
    ) == [
        {"refund_id": None, "outcome": "succeeded"},
        {"refund_id": 1, "outcome": "failed"},
    ]
    assert follow(till, payment) is None
    assert till.gateway.verbs().count("refund") == 1
    assert row(place, payment)["status"] == "FAILED"
    books_add_up(till, place)


def test_a_second_charge_of_the_same_payment_is_noted_and_for_a_person(till: Till, place: Place) -> None:
    payment = failed(till)
    follow(till, payment)
    assert follow(till, payment, "succeeded", "pi_2") is None
    assert [name for name, _ in audited(place)] == ["contradiction", "give_back_payment", "contradiction"]
    assert len(till.gateway.refunded) == 1


# Paid late, and adopted.


def test_what_failed_and_is_paid_is_adopted_where_its_trip_is_not_paid(till: Till, place: Place) -> None:
    till.change(late_payment="adopt")
    payment = failed(till, key="k", amount=None, caller=TRIPS)
    for _ in range(3):
        assert follow(till, payment, "succeeded", "pi_2") is None
    now = row(place, payment)
    assert (now["status"], now["gateway_id"], now["late_charge_id"], now["failure_code"]) == (
        "SUCCESS",
        "pi_2",
        "pi_2",
        None,
    )
    assert now["failed_at"] < now["updated_at"]
    assert [name for name, _ in events(place)] == ["failed", "succeeded"]
    assert place.sql.value("SELECT caller FROM outbox ORDER BY created_at DESC LIMIT 1") == TRIPS.name
    assert audited(place) == [("contradiction", None), ("adopt_payment", None)]
    receipt = read_receipt(till.database, till.settings, payment["payment_id"], trace())
    assert (receipt.amount, receipt.paid["status"]) == (payment["amount"], "SUCCESS")
    assert till.pay(key="k", amount=None, caller=TRIPS).status == 402  # the first answer
    with pytest.raises(Problem) as problem:
        till.pay(amount=None)
    assert problem.value.code == "trip_already_paid"
    till.gateway.finding = Succeeded("pi_2")
    ask_again(till.deps, payment["payment_id"], "asha")
    assert len(audited(place)) == 2
    assert till.gateway.refunded == {}
    assert till.refund(payment["payment_id"]).status == 201
    assert till.gateway.calls[-1][1].charge_id == "pi_2"
    books_add_up(till, place)


def test_that_it_succeeded_is_told_after_it_was_told_that_it_failed(
    till: Till, place: Place, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.publisher.LONGEST_WAIT", 0.2)
    till.change(late_payment="adopt")
    sink.status = 503
    payment = failed(till)
    until(lambda: place.sql.value("SELECT sum(attempts) FROM outbox") == 1)
    sink.status = 200
    follow(till, payment)
    till.publisher.drain()
    assert sink.event_ids() == []
    grow_old(place)
    assert deliver_left(till) == 2
    assert [event_id.rpartition(".")[2] for event_id in sink.event_ids()] == ["failed", "succeeded"]


@pytest.mark.parametrize("amount", [None, "150.00"])
@pytest.mark.parametrize("other", ["PENDING", "SUCCESS", "REFUNDED"])
def test_never_where_another_payment_has_the_trip(till: Till, place: Place, amount: str | None, other: str) -> None:
    till.change(late_payment="adopt")
    payment = failed(till, amount=amount)
    if other == "PENDING":
        pending(till, amount=amount)
    else:
        second = shown(till.pay(amount=amount))
        if other == "REFUNDED":
            till.refund(second["payment_id"])
    assert follow(till, payment) is None
    assert row(place, payment)["status"] == "FAILED"
    assert place.sql.value("SELECT source FROM payment_refunds ORDER BY refund_id DESC LIMIT 1") == "late_payment"
    books_add_up(till, place)


def test_one_that_was_given_back_is_never_adopted_and_the_other_way_round(till: Till, place: Place) -> None:
    first, second = failed(till), failed(till, trip_id=102)
    follow(till, first)
    till.change(late_payment="adopt")
    follow(till, first)
    follow(till, second, "succeeded", "pi_2")
    till.change(late_payment="refund")
    follow(till, second, "succeeded", "pi_2")
    assert [row(place, each)["status"] for each in (first, second)] == ["FAILED", "SUCCESS"]
    assert len(till.gateway.refunded) == 1


# Races.


def test_however_many_ring_at_once_it_is_adopted_or_given_back_once(till: Till, place: Place) -> None:
    """Eight at once, half of which would adopt it."""
    payments = [failed(till, trip_id=trip_id, amount=None) for trip_id in range(201, 207)]
    deps = till.deps
    adopting = deps._replace(settings=till.settings.__class__(**(vars(till.settings) | {"late_payment": "adopt"})))
    for number, payment in enumerate(payments):
        barrier = threading.Barrier(8)

        def ring(worker: int) -> Left:
            barrier.wait(10)  # noqa: B023
            fact = a_fact(payment, "succeeded", f"pi_{number}")  # noqa: B023
            return follow_charge(adopting if worker % 2 else deps, a_ring(), fact)

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ring, range(8))) == {None}
        now = row(place, payment)
        back = place.sql.value("SELECT count(*) FROM payment_refunds WHERE payment_id = %s", (payment["payment_id"],))
        assert (now["status"], back) in (("SUCCESS", 0), ("FAILED", 1))
        assert now["late_charge_id"] == f"pi_{number}"
    actions = [name for name, _ in audited(place)]
    assert actions.count("contradiction") == actions.count("adopt_payment") + actions.count("give_back_payment") == 6
    assert set(till.gateway.moved.values()) <= {1}
    everything_is_settled(place)
    books_add_up(till, place)


def test_a_second_charge_of_the_trip_and_the_adoption_of_the_first_never_both_win(till: Till, place: Place) -> None:
    till.change(late_payment="adopt")
    for trip_id in range(301, 311):
        payment = failed(till, trip_id=trip_id, amount=None)
        barrier = threading.Barrier(2)

        def again() -> int:
            barrier.wait(10)  # noqa: B023
            try:
                return till.pay(trip_id=trip_id, amount=None).status  # noqa: B023
            except Problem as problem:
                return 409 if refused("trip_already_paid", problem) else 0

        def late() -> Left:
            barrier.wait(10)  # noqa: B023
            return follow(till, payment, "succeeded", f"pi_{trip_id}")  # noqa: B023

        with ThreadPoolExecutor(2) as pool:
            second, left = pool.submit(again), pool.submit(late)
            assert left.result(20) is None
            taken = second.result(20) == 201
            assert second.result(20) in (201, 409)
        assert row(place, payment)["status"] == ("FAILED" if taken else "SUCCESS")
        paid = place.sql.value("SELECT count(*) FROM payments WHERE trip_id = %s AND status = 'SUCCESS'", (trip_id,))
        assert paid == 1
        back = place.sql.value("SELECT count(*) FROM payment_refunds WHERE payment_id = %s", (payment["payment_id"],))
        assert back == (1 if taken else 0)
    everything_is_settled(place)
    books_add_up(till, place)


@pytest.mark.parametrize("kept", [True, False])
def test_an_adoption_waits_for_a_claim_of_the_fare_that_is_not_committed(till: Till, place: Place, kept: bool) -> None:
    till.change(late_payment="adopt")
    payment = failed(till, amount=None)
    with place.connection() as claiming, ThreadPoolExecutor(1) as pool:
        claiming.run("BEGIN")
        claiming.run(
            "INSERT INTO payments (trip_id, amount, currency, method, status, reference, gateway, base_fare, distance_km,"
            " rate_per_km, surge_multiplier) VALUES (101, 36.50, 'INR', 'CARD', 'PENDING', 'PAY-2', 'scripted', 1, 1, 1, 1)"
        )
        late = pool.submit(follow, till, payment)
        while not place.sql.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            place.sql.run("SELECT pg_sleep(0.005)")
        claiming.run("COMMIT" if kept else "ROLLBACK")
        assert late.result(10) is None
    assert row(place, payment)["status"] == ("FAILED" if kept else "SUCCESS")
    assert len(till.gateway.refunded) == (1 if kept else 0)


def test_a_worker_of_before_that_wakes_up_with_its_old_lease_changes_nothing(till: Till, place: Place) -> None:
    payment = failed(till)
    till.gateway.next(Unknown("time-out"))
    follow(till, payment)
    become_due(place)
    old = take_next(till.deps)
    assert old
    become_due(place)
    till.sweep()
    answer = settle(till.deps, old._replace(over_at=0.0), Declined("late"), Askings())
    assert (answer.status, shown(answer)["status"]) == (201, "REFUNDED")
    assert settle(till.deps, old, Succeeded(), Askings()).status == 201
    assert [name for name, _ in events(place)] == ["failed", "given_back"]
    assert list(till.gateway.refunded.values()) == [payment["amount"]]


# Deaths.

DEATHS: dict[str, Callable[[Till], None]] = {
    "before it is noted": lambda till: setattr(till.database, "dies_before", "contradict"),
    "after it is noted": lambda till: setattr(till.database, "dies_after", "contradict"),
    "before the claim": lambda till: setattr(till.database, "dies_before", "give_back_payment"),
    "after the claim": lambda till: setattr(till.database, "dies_after", "give_back_payment"),
    "at the gateway": lambda till: till.gateway.next(Died),
    "before the settling": lambda till: setattr(till.database, "dies_before", "settle_refund"),
    "after the settling": lambda till: setattr(till.database, "dies_after", "settle_refund"),
}


@pytest.mark.parametrize("first", ["ring", "sweep"])
@pytest.mark.parametrize("death", DEATHS)
def test_whenever_its_worker_dies_it_is_given_back_once(till: Till, place: Place, death: str, first: str) -> None:
    """The ring stays until it is answered, so it is answered again, by whichever comes first."""
    payment = failed(till)
    DEATHS[death](till)
    with pytest.raises(Died):
        follow(till, payment)
    till.database.dies_before = till.database.dies_after = ""
    become_due(place)
    for step in (first, "ring", "sweep"):
        if step == "ring":
            assert follow(till, payment) is None
        else:
            till.sweep()
    assert list(till.gateway.refunded.values()) == [payment["amount"]]
    assert [name for name, _ in events(place)] == ["failed", "given_back"]
    assert [name for name, _ in audited(place)] == ["contradiction", "give_back_payment"]
    everything_is_settled(place)
    books_add_up(till, place)


@pytest.mark.parametrize("when", ["dies_before", "dies_after"])
def test_whenever_its_worker_dies_it_is_adopted_once(till: Till, place: Place, when: str) -> None:
    till.change(late_payment="adopt")
    payment = failed(till)
    setattr(till.database, when, "adopt_payment")
    with pytest.raises(Died):
        follow(till, payment)
    till.database.dies_before = till.database.dies_after = ""
    assert follow(till, payment) is None
    assert row(place, payment)["status"] == "SUCCESS"
    assert [name for name, _ in events(place)] == ["failed", "succeeded"]
    assert place.sql.value("SELECT count(*) FROM payment_receipts") == 1
    assert till.gateway.refunded == {}


# A late answer rings by itself.


def rung(place: Place) -> list[tuple[str, str, str]]:
    rows = place.sql.run("SELECT gateway, kind, object_id FROM gateway_rings")
    return [(each["gateway"], each["kind"], each["object_id"]) for each in rows]


@pytest.mark.parametrize("like", ["stripe", "simulated"])
def test_a_late_answer_has_the_charge_read_where_the_gateway_shows_it(till: Till, place: Place, like: str) -> None:
    till.gateway.abilities = till.gateway.abilities._replace(webhooks=ABILITIES[like].webhooks)
    payment = failed(till)
    till.gateway.finding = Succeeded("pi_1")
    for _ in range(2):
        ask_again(till.deps, payment["payment_id"], "asha")
    assert rung(place) == ([("scripted", "charge", "pi_1")] if like == "stripe" else [])
    place.sql.run("DELETE FROM gateway_rings")
    follow(till, payment)  # read just now
    assert rung(place) == []


def test_a_refund_that_turns_out_otherwise_is_read_too_and_a_charge_that_is_ours_is_not(
    till: Till, place: Place
) -> None:
    till.gateway.abilities = till.gateway.abilities._replace(webhooks=True)
    payment = shown(till.pay())
    refund = shown(till.refund(payment["payment_id"], "10.00"))
    till.gateway.finding = Declined("expired")
    ask_again(till.deps, payment["payment_id"], "asha")
    assert rung(place) == []
    ask_again(till.deps, payment["payment_id"], "asha", refund["refund_id"])
    assert rung(place) == [("scripted", "refund", f"scr_{refund['reference']}")]
