"""Charging: the contract's table, replays, what is written when, and what is held while others are awaited."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.abilities import ABILITIES
from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.platform.database import Conflict, DatabaseUnavailable
from shared.rules.cells import Cell
from shared.web.problems import Problem
from tests.fakes import trips as trip_service
from tests.fakes.trips import COMPLETED, Says, TripServer
from tests.support.cluster import Place
from tests.support.gateway import Lost, ScriptedGateway
from tests.support.till import Till, WatchedDatabase, shown
from tests.support.wire import Wire

OPEN = "SELECT count(*) FROM idempotency_keys WHERE answer_status IS NULL"


def nothing_is_written(place: Place) -> bool:
    tables = ("payments", "payment_receipts", "payment_refunds", "idempotency_keys", "outbox")
    return all(place.sql.value(f"SELECT count(*) FROM {table}") == 0 for table in tables)


@pytest.mark.parametrize("method", ["CARD", "UPI", "WALLET", "CASH"])
def test_a_charge_answers_201_with_the_payment(till: Till, place: Place, method: str) -> None:
    answer = till.pay(trip_id=101, method=method, amount="150.00", metadata={"note": "x"})
    payment = shown(answer)
    assert (answer.status, answer.headers) == (201, {"Location": f"/payments/{payment['payment_id']}"})
    assert (payment["status"], payment["amount"], payment["refunded_amount"]) == ("SUCCESS", 150, 0)
    assert (payment["method"], payment["trip_id"], payment["currency"]) == (method, 101, "INR")
    assert (payment["fare"], payment["failure_code"], payment["metadata"]) == (None, None, {"note": "x"})
    assert '"amount":150.00' in answer.body
    stored = place.sql.run("SELECT * FROM payments")[0]
    assert stored["gateway"] == ("cash" if method == "CASH" else "scripted")
    assert stored["reference"] == payment["reference"]
    assert place.sql.value("SELECT amount FROM payment_receipts WHERE payment_id = %s", (stored["payment_id"],)) == 150
    assert len(till.gateway.calls) == (0 if method == "CASH" else 1)


def test_a_fare_is_computed_where_no_amount_comes(till: Till, trips: TripServer) -> None:
    payment = shown(till.pay(amount=None))
    assert payment["amount"] == Decimal("36.50")
    assert payment["fare"] == {
        "base_fare": Decimal("5.0"),
        "distance_km": Decimal("10.5"),
        "rate_per_km": Decimal("2.5"),
        "surge_multiplier": Decimal("1.2"),
        "total": Decimal("36.50"),
    }


def test_the_gateway_is_asked_with_what_was_claimed(till: Till) -> None:
    payment = shown(till.pay(payment_token="tok_1", metadata={"simulate": "decline"}))
    [(verb, request)] = till.gateway.calls
    assert verb == "charge"
    assert (request.reference, request.payment_id) == (payment["reference"], payment["payment_id"])
    assert (request.amount, request.currency, request.payment_token, request.simulate) == (
        150,
        "INR",
        "tok_1",
        "decline",
    )


def test_a_decline_is_402_and_leaves_a_failed_payment(till: Till, place: Place) -> None:
    till.gateway.next(Declined("card_expired"))
    answer = till.pay(key="k")
    problem = shown(answer)
    assert (answer.status, answer.content_type, problem["code"]) == (
        402,
        "application/problem+json",
        "payment_declined",
    )
    assert (problem["failure_code"], problem["payment"]["status"]) == ("card_expired", "FAILED")
    assert problem["payment"]["failure_code"] == "card_expired"
    assert "Retry-After" not in answer.headers
    assert place.sql.value("SELECT count(*) FROM payment_receipts") == 0
    assert place.sql.value("SELECT type FROM outbox") == "com.ridehailing.payment.failed.v1"


@pytest.mark.parametrize("turn", [Unknown("time-out"), Lost(), RuntimeError("a bug"), OSError("gone")], ids=repr)
def test_what_the_gateway_did_not_say_is_202_pending_and_the_lease_is_free(till: Till, place: Place, turn: Any) -> None:
    till.gateway.next(turn)
    answer = till.pay(key="k", payment_token="tok_1")
    assert (answer.status, shown(answer)["status"]) == (202, "PENDING")
    assert int(answer.headers["Retry-After"]) > 0
    key = place.sql.run("SELECT * FROM idempotency_keys")[0]
    assert (key["answer_status"], key["expires_at"]) == (None, None)
    if isinstance(turn, Unknown | Lost):
        assert key["locked_at"] is None
    assert place.sql.value("SELECT payment_token FROM payments") == "tok_1"  # a repeat must be the same request


@pytest.mark.parametrize("amount", ["150.00", "150", "1.5", "1.5e2", None])
def test_the_same_key_asks_again_with_the_same_order(till: Till, place: Place, amount: str | None) -> None:
    till.gateway.next(Lost())
    first = till.pay(key="k", amount=amount, payment_token="tok_1")
    second = till.pay(key="k", amount=amount, payment_token="tok_1")
    assert (first.status, second.status) == (202, 201)
    before, after = (request for _, request in till.gateway.calls)
    # As text: 150 and 150.00 are equal, and not the same request byte for byte.
    assert repr(before._replace(age=0)) == repr(after._replace(age=0, asked=1))
    assert dict(till.gateway.moved) == {before.reference: 1}
    assert place.sql.value("SELECT payment_token FROM payments") is None


@pytest.mark.parametrize("turn", [Succeeded("ch_1"), Declined("card_declined")])
@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_a_repeat_of_a_finished_request_is_the_same_byte_for_byte(till: Till, turn: Any, method: str) -> None:
    till.gateway.next(turn)
    first = till.pay(key="k", method=method)
    for _ in range(3):
        again = till.pay(key="k", method=method)
        assert (again.status, again.body, again.content_type) == (first.status, first.body, first.content_type)
        assert again.headers == first.headers | {"Idempotent-Replayed": "true"}
    assert len(till.gateway.calls) == (1 if method == "CARD" else 0)


def test_a_replay_says_what_was_answered_though_the_payment_changed_since(till: Till) -> None:
    first = till.pay(key="k")
    till.refund(shown(first)["payment_id"])
    assert till.pay(key="k").body == first.body


def test_another_spelling_of_the_content_is_the_same_request(till: Till) -> None:
    first = till.pay(key="k", amount="150", method="CARD", metadata={"a": 1, "b": Decimal("2.50")})
    again = till.pay(key="k", amount="150.00", method="card", metadata={"b": Decimal("2.5"), "a": 1})
    assert again.body == first.body


OTHER: list[dict[str, Any]] = [
    {"amount": "150.01"},
    {"amount": None},
    {"trip_id": 102},
    {"method": "UPI"},
    {"metadata": {"a": 1}},
    {"payment_token": "tok_2"},
    {"payment_customer": "cus_2"},
]


@pytest.mark.parametrize("other", OTHER, ids=lambda other: next(iter(other)))
@pytest.mark.parametrize("state", ["finished", "pending", "leased"])
def test_a_key_with_other_content_is_refused_whatever_became_of_the_first(
    till: Till, place: Place, other: dict[str, Any], state: str
) -> None:
    if state != "finished":
        till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    if state == "leased":
        place.sql.run("UPDATE idempotency_keys SET locked_at = now()")
    calls = len(till.gateway.calls)
    with pytest.raises(Problem) as refusal:
        till.pay(key="k", **other)
    assert (refusal.value.code, refusal.value.status) == ("idempotency_key_reused", 422)
    assert len(till.gateway.calls) == calls
    assert place.sql.value("SELECT count(*) FROM payments") == 1


def test_a_key_used_on_another_path_is_refused(till: Till) -> None:
    first, second = shown(till.pay(key="a"))["payment_id"], shown(till.pay(key="b"))["payment_id"]
    till.refund(first, key="r")
    for reuse in (
        lambda: till.refund(first, key="a"),
        lambda: till.refund(second, key="r"),
        lambda: till.pay(key="r"),
    ):
        with pytest.raises(Problem, match="idempotency_key_reused"):
            reuse()


def test_a_key_that_is_being_worked_on_is_409_and_asks_for_patience(till: Till) -> None:
    held = till.gateway.hold()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(till.pay, key="k")
        assert held.reached.wait(10)
        with pytest.raises(Problem) as refusal:
            till.pay(key="k")
        held.released.set()
        assert first.result(10).status == 201
    assert (refusal.value.code, refusal.value.status) == ("idempotency_in_progress", 409)
    assert refusal.value.retry_after
    assert till.pay(key="k").status == 201


def test_a_trips_fare_is_collected_once(till: Till) -> None:
    collected = shown(till.pay(amount=None))["payment_id"]
    for method in ("CARD", "CASH"):
        with pytest.raises(Problem) as refusal:
            till.pay(amount=None, method=method)
        assert (refusal.value.code, refusal.value.status) == ("trip_already_paid", 409)
        assert refusal.value.members == {"payment_id": collected}
        assert refusal.value.retry_after is None
    assert till.pay(amount="10.00").status == 201  # a tip
    till.refund(collected)
    with pytest.raises(Problem, match="trip_already_paid"):  # given back, it stays collected
        till.pay(amount=None)


def test_a_fare_that_is_being_collected_asks_for_patience(till: Till) -> None:
    till.gateway.next(Unknown("time-out"))
    pending = shown(till.pay(amount=None))["payment_id"]
    with pytest.raises(Problem) as refusal:
        till.pay(amount=None)
    assert (refusal.value.code, refusal.value.members) == ("trip_already_paid", {"payment_id": pending})
    assert refusal.value.retry_after


def test_a_fare_that_was_declined_may_be_tried_again(till: Till) -> None:
    till.gateway.next(Declined("card_declined"))
    assert till.pay(amount=None).status == 402
    assert till.pay(amount=None).status == 201


def test_a_refused_fare_leaves_its_key_unused(till: Till) -> None:
    till.pay(amount=None)
    with pytest.raises(Problem):
        till.pay(key="k", amount=None)
    assert till.pay(key="k", amount="5.00").status == 201


REFUSALS: list[tuple[object, str]] = [
    (Says(404), "trip_not_found"),
    (COMPLETED | {"status": "IN_PROGRESS"}, "trip_not_completed"),
    (Says(500), "trip_service_unavailable"),
    (COMPLETED | {"distance_km": 0.0000001, "surge_multiplier": 1e300}, "trip_not_chargeable"),
]


@pytest.mark.parametrize(("answer", "code"), REFUSALS, ids=[code for _, code in REFUSALS])
def test_a_refusal_before_the_claim_uses_up_nothing(
    till: Till, place: Place, trips: TripServer, answer: object, code: str
) -> None:
    trips.says(101, answer)
    with pytest.raises(Problem, match=code):
        till.pay(key="k", amount=None)
    assert nothing_is_written(place)
    assert till.gateway.calls == []
    trips.reset()
    assert till.pay(key="k", amount="7.00").status == 201


@pytest.mark.parametrize("named", [{"cell_name": "mumbai"}, {"cells": (Cell("mumbai", 1),)}])
def test_a_trip_of_another_cell_is_charged_there_and_uses_up_nothing_here(
    till: Till, place: Place, trips: TripServer, named: dict[str, Any]
) -> None:
    trips.says(101, COMPLETED | {"cell": 2})
    till.change(**named)
    for amount in (None, "150.00"):
        with pytest.raises(Problem, match="wrong_cell"):
            till.pay(key="k", amount=amount)
    assert nothing_is_written(place)
    trips.says(101, COMPLETED | {"cell": "0"})
    assert till.pay(key="k", amount="150.00").status == 201
    till.change(cell_name="", cells=())
    trips.says(101, COMPLETED | {"cell": 2})
    assert till.pay(amount="150.00").status == 201, "the only cell does not mind"


@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_an_amount_that_the_currency_cannot_express_is_400_before_anybody_is_asked(
    till: Till, place: Place, trips: TripServer, method: str
) -> None:
    till.change(currency="JPY")
    with pytest.raises(Problem) as refused:
        till.pay(key="k", method=method, amount="10.50")
    assert (refused.value.code, refused.value.status) == ("invalid_request", 400)
    assert refused.value.errors == [("amount", "must be a multiple of 1 in JPY")]
    assert (list(trips.asked), till.gateway.calls) == ([], [])
    assert nothing_is_written(place)
    payment = shown(till.pay(key="k", method=method, amount="10.00"))
    assert (payment["amount"], payment["currency"]) == (10, "JPY")


def test_a_finished_request_is_replayed_and_an_open_one_goes_on_whatever_the_currency_is_now(till: Till) -> None:
    finished = till.pay(key="finished", amount="10.50")
    till.gateway.next(Unknown("time-out"))
    till.pay(key="open", amount="10.50")
    till.change(currency="JPY")
    assert till.pay(key="finished", amount="10.50") == finished.replayed()
    payment = shown(till.pay(key="open", amount="10.50"))
    assert (payment["status"], payment["amount"], payment["currency"]) == ("SUCCESS", Decimal("10.50"), "INR")


def test_a_fare_is_charged_and_shown_as_it_was_rounded(till: Till) -> None:
    till.change(currency="JPY", fare_rounding=Decimal(1))
    answer = till.pay(amount=None)
    payment = shown(answer)
    assert payment["amount"] == payment["fare"]["total"] == 37
    assert '"amount":37.00' in answer.body
    assert [request.amount for _, request in till.gateway.calls] == [37]


def test_a_fare_that_rounds_to_nothing_cannot_be_charged(till: Till, place: Place) -> None:
    till.change(fare_rounding=Decimal(100))
    with pytest.raises(Problem, match="trip_not_chargeable"):
        till.pay(amount=None)
    assert nothing_is_written(place)


def test_a_gateway_that_needs_a_token_gets_no_order_without_one(till: Till, place: Place) -> None:
    till.gateway.abilities = till.gateway.abilities._replace(needs_token=True)
    for absent in ({}, {"customer_present": False}):
        with pytest.raises(Problem, match="invalid_request"):
            till.pay(key="k", **absent)
    assert nothing_is_written(place)
    assert till.pay(method="CASH").status == 201
    assert till.pay(key="k", payment_token="tok_1").status == 201
    assert till.pay(customer_present=True).status == 201, "a customer who is present gives it to the gateway"


def test_a_method_that_the_gateway_cannot_charge_is_refused_before_anybody_is_asked(
    till: Till, place: Place, trips: TripServer
) -> None:
    till.gateway.abilities = till.gateway.abilities.only({"CARD"})
    for method in ("UPI", "WALLET"):
        with pytest.raises(Problem) as refusal:
            till.pay(key="k", method=method, amount=None)
        assert (refusal.value.code, refusal.value.status) == ("method_not_supported", 422)
    assert nothing_is_written(place)
    assert not till.gateway.calls
    assert not trips.asked
    assert till.pay(key="k", method="CARD").status == 201
    assert till.pay(method="CASH").status == 201


def test_a_method_that_wants_its_customer_is_refused_without_one_and_in_a_currency_that_it_is_not_paid_in(
    till: Till, place: Place
) -> None:
    till.gateway.abilities = ABILITIES["stripe"]
    with pytest.raises(Problem) as refusal:
        till.pay(key="k", method="UPI", payment_token="tok_1")
    assert (refusal.value.code, refusal.value.status) == ("method_not_supported", 422)
    why_not = "charges UPI only where the customer approves it (customer_present)"
    assert refusal.value.detail == f"The gateway scripted {why_not}."
    till.change(currency="USD")
    with pytest.raises(Problem) as refusal:
        till.pay(key="k", method="UPI", customer_present=True)
    assert refusal.value.detail == "The gateway scripted charges UPI in INR only, not in USD."
    assert nothing_is_written(place)
    till.change(currency="INR")
    assert till.pay(key="k", method="UPI", customer_present=True).status == 201


@pytest.mark.parametrize("turn", [Succeeded("ch_1"), Declined("card_declined")])
def test_a_finished_request_is_replayed_after_a_switch_to_a_gateway_that_would_refuse_it(till: Till, turn: Any) -> None:
    till.gateway.next(turn)
    first = till.pay(key="k", method="UPI")
    till.gateway = ScriptedGateway("another")
    till.gateway.abilities = till.gateway.abilities.only({"CARD"})._replace(needs_token=True)
    again = till.pay(key="k", method="UPI")
    assert (again.status, again.body) == (first.status, first.body)
    assert till.gateway.calls == []


def test_a_pending_payment_is_asked_for_where_it_was_claimed_after_a_switch_of_gateway(
    till: Till, place: Place
) -> None:
    claimed_with, till.gateway = till.gateway, ScriptedGateway("simulated", "simulated")
    till.gateway.next(Unknown("time-out"))
    assert till.pay(key="k", method="UPI").status == 202
    till.gateway = claimed_with
    till.gateway.abilities = till.gateway.abilities.only({"CARD"})
    answer = till.pay(key="k", method="UPI")
    assert (answer.status, till.gateway.calls) == (201, [])
    assert str(place.sql.value("SELECT gateway_id FROM payments")).startswith("sim_PAY-")


def test_a_customer_goes_with_the_token_and_is_kept_as_long(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k", payment_token="pm_1", payment_customer="cus_1")
    stored = "SELECT payment_token AS token, payment_customer AS customer FROM payments"
    assert place.sql.run(stored) == [{"token": "pm_1", "customer": "cus_1"}]
    till.pay(key="k", payment_token="pm_1", payment_customer="cus_1")
    assert [request.payment_customer for _, request in till.gateway.calls] == ["cus_1", "cus_1"]
    assert place.sql.run(stored) == [{"token": None, "customer": None}]


def test_the_gateway_is_told_of_the_trip_and_how_often_it_is_asked(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"), Unknown("time-out"))
    till.gateway.finding = Unknown("busy")
    for _ in range(3):
        till.pay(key="k", trip_id=77)
    asked = [(request.description, request.asked) for verb, request in till.gateway.calls if verb == "charge"]
    assert asked == [("Trip 77", 1), ("Trip 77", 2), ("Trip 77", 3)]
    assert place.sql.value("SELECT gateway_account FROM payments") == "acct_scripted"


def test_what_a_version_before_claimed_is_asked_for_as_it_asked(till: Till, place: Place) -> None:
    """It recorded no account, and sent no description."""
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    place.sql.run("UPDATE payments SET gateway_account = NULL")
    assert till.pay(key="k").status == 201
    assert [request.description for _, request in till.gateway.calls] == ["Trip 101", None]


@pytest.mark.parametrize(("method", "statements"), [("CARD", 3), ("CASH", 2)])
def test_a_payment_takes_three_round_trips_and_cash_two(
    place: Place, wire: Wire, till: Till, method: str, statements: int
) -> None:
    till.database = WatchedDatabase(place.settings(db_port=wire.port))
    till.pay(method=method)  # opens the connection
    before = wire.round_trips
    till.pay(method=method)
    assert wire.round_trips - before == statements
    assert wire.connections == 1
    till.database.close()


@pytest.mark.parametrize(("method", "commits"), [("CARD", 2), ("CASH", 1)])
def test_a_payment_takes_two_commits_and_cash_one(place: Place, till: Till, method: str, commits: int) -> None:
    """Transactions that write get a number; reads get none."""
    till.pay(method=method)
    next_number = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    before = place.sql.value(next_number)
    till.pay(method=method)
    assert place.sql.value(next_number) - before == commits


def idle_in_the_database(place: Place) -> bool:
    """No connection of the pool is in a transaction, and no lock is held but the asker's own."""
    active = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND pid <> pg_backend_pid()"
    mine = "AND pid <> pg_backend_pid()"
    return place.sql.value(f"{active} {mine}") == 0 and place.sql.value(locks) == 0


def test_nothing_is_held_while_the_gateway_is_awaited(place: Place, till: Till) -> None:
    till.database = WatchedDatabase(place.settings(db_pool_size=1))
    holds = [till.gateway.hold() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(till.pay, trip_id=trip, amount=None) for trip in range(1, 5)]
        assert all(held.reached.wait(10) for held in holds)
        assert idle_in_the_database(place)
        assert till.pay(method="CASH").status == 201  # the only connection is free
        for held in holds:
            held.released.set()
        assert [each.result(10).status for each in waiting] == [201] * 4
    till.database.close()


def test_nothing_is_held_while_the_trip_service_is_awaited(place: Place, till: Till, trips: TripServer) -> None:
    till.database = WatchedDatabase(place.settings(db_pool_size=1))
    held = trip_service.Held()
    trips.says(5, held)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(till.pay, trip_id=5)
        assert held.reached.wait(10)
        assert idle_in_the_database(place)
        assert nothing_is_written(place)
        assert till.pay(trip_id=6).status == 201
        held.release()
        assert waiting.result(10).status == 201
    till.database.close()


def test_before_the_claim_a_database_that_does_not_answer_raises(till: Till, place: Place) -> None:
    till.database = WatchedDatabase(place.settings(db_port=1))
    with pytest.raises(DatabaseUnavailable):
        till.pay()
    assert till.gateway.calls == []


@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_a_claim_whose_commit_was_cut_off_is_found_by_the_repeat(
    place: Place, wire: Wire, till: Till, method: str
) -> None:
    """The database committed, and the worker never heard: 503, and the same key goes on."""
    direct, till.database = till.database, WatchedDatabase(place.settings(db_port=wire.port))
    till.pay(method=method, key="warm")
    wire.cut_after("EXECUTE claim_payment" if method == "CARD" else "EXECUTE charge_at_once")
    with pytest.raises(DatabaseUnavailable):
        till.pay(key="k", method=method)
    till.database.close()
    till.database = direct
    assert place.sql.value("SELECT count(*) FROM payments") == 2
    if method == "CARD":
        with pytest.raises(Problem, match="idempotency_in_progress"):  # its lease stands until it is old
            till.pay(key="k", method=method)
        place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '4 s' WHERE answer_status IS NULL")
    assert till.pay(key="k", method=method).status == 201
    assert place.sql.value("SELECT count(*) FROM payments") == 2
    assert place.sql.value(OPEN) == 0


def test_a_claim_that_never_reached_the_database_wrote_nothing(place: Place, wire: Wire, till: Till) -> None:
    till.database = WatchedDatabase(place.settings(db_port=wire.port))
    till.pay(key="warm")
    wire.cut_before("EXECUTE claim_payment")
    with pytest.raises(DatabaseUnavailable):
        till.pay(key="k")
    assert place.sql.value("SELECT count(*) FROM payments") == 1
    assert till.pay(key="k").status == 201
    till.database.close()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_settle_that_is_cut_off_is_tried_once_more_and_answers(
    place: Place, wire: Wire, till: Till, when: str
) -> None:
    till.database = WatchedDatabase(place.settings(db_port=wire.port))
    till.pay(key="warm")
    cut: Callable[[str], None] = wire.cut_before if when == "before" else wire.cut_after
    cut("EXECUTE settle_payment")
    answer = till.pay(key="k")
    assert wire.cut_happened.is_set()
    assert (answer.status, shown(answer)["status"]) == (201, "SUCCESS")
    assert place.sql.value("SELECT count(*) FROM outbox") == 2
    assert place.sql.value("SELECT count(*) FROM payment_receipts") == 2
    assert till.pay(key="k").body == answer.body
    till.database.close()


def test_after_the_claim_a_database_that_is_gone_answers_202(place: Place, wire: Wire, till: Till) -> None:
    till.database = WatchedDatabase(place.settings(db_port=wire.port))
    held = till.gateway.hold()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(till.pay, key="k", amount=None)
        assert held.reached.wait(10)
        wire.end()
        held.released.set()
        answer = waiting.result(15)
    assert (answer.status, shown(answer)["status"]) == (202, "PENDING")
    assert place.sql.value("SELECT status FROM payments") == "PENDING"
    till.database.close()


def test_a_reference_that_is_taken_already_is_replaced(
    till: Till, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    references = iter(["PAY-1", "PAY-1", "PAY-2"])
    monkeypatch.setattr("shared.charging.charge.new_reference", lambda _: next(references))
    till.pay()
    assert shown(till.pay())["reference"] == "PAY-2"


def test_losing_every_race_ends_and_writes_nothing(till: Till, monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    def lose(*_: object, **__: object) -> None:
        raise Conflict("idempotency_keys_pkey")

    monkeypatch.setattr("shared.charging.charge.claim", lose)
    with pytest.raises(Problem, match="idempotency_in_progress"):
        till.pay()
    assert nothing_is_written(place)


def test_the_trip_service_is_asked_once_for_a_payment(till: Till, trips: TripServer) -> None:
    till.pay(key="k", amount=None)
    till.pay(key="k", amount=None)
    assert [asked.path for asked in trips.asked] == ["/api/v1/trips/101"]


def test_with_an_amount_only_the_completion_of_the_trip_matters(till: Till, trips: TripServer) -> None:
    trips.says(101, Says(body=b'{"data": {"status": "completed", "distance": -1e400, "surge_multiplier": "NaN"}}'))
    assert till.pay(amount="7.00").status == 201
    with pytest.raises(Problem, match="trip_service_unavailable"):
        till.pay(amount=None)


def test_the_key_is_stored_as_its_hash_only(till: Till, place: Place) -> None:
    till.pay(key="a-secret-key")
    everything = place.sql.value("SELECT row_to_json(k)::text FROM idempotency_keys k")
    assert "a-secret-key" not in everything
    assert place.sql.value("SELECT key_hash = sha256('a-secret-key') FROM idempotency_keys")


def test_the_life_of_a_key_begins_when_its_answer_is_stored(till: Till, place: Place) -> None:
    till.change(idempotency_key_ttl=100.0)
    for method in ("CARD", "CASH"):
        till.pay(method=method)
    assert (
        place.sql.run("SELECT expires_at - now() BETWEEN '95 s' AND '100 s' AS right FROM idempotency_keys")
        == [{"right": True}] * 2
    )
