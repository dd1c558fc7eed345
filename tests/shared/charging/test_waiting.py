"""Charges that wait for their customer: what their client is told, what is kept, and how they end."""

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.charging.ask_again import ask_again
from shared.charging.by_hand import NotSettled, list_pending, settle_by_hand
from shared.charging.lease import take_over
from shared.gateways.protocol import Declined, GatewayRequest, NextAction, Outcome, Succeeded, Unknown, Waiting
from shared.platform.database import DatabaseUnavailable, Row
from shared.reading.attention import count_attention, read_attention
from shared.reading.payments import payment as read_payment
from shared.reading.totals import read_totals
from shared.web.answers import Answer
from shared.web.problems import Problem
from tests.shared.charging.test_races import outcomes
from tests.sql.rows import a_key, a_payment
from tests.support.cluster import Place
from tests.support.gateway import Lost
from tests.support.races import at_once
from tests.support.till import Died, Till, WatchedDatabase, shown

SECRET = "pi_1_secret_Mc7"
CONFIRM = NextAction("confirm", client_secret=SECRET)
WAITS = Waiting(CONFIRM, "pi_1")
KEY = "SELECT *, ask_after - now() AS pause FROM idempotency_keys"


class Customers:
    """A gateway that waits for its customers, and calls a charge off where one is late: the first of the two decides."""

    def __init__(self, till: Till) -> None:
        self.paid: set[str] = set()
        self.called_off: set[str] = set()
        self._lock = threading.Lock()
        till.gateway.always = till.gateway.finding = self.ask

    def ask(self, request: GatewayRequest) -> Outcome:
        with self._lock:
            if request.reference in self.paid:
                return Succeeded("pi_1")
            if not request.customer_present or request.customer_is_late:
                self.called_off.add(request.reference)
                return Declined("authentication_expired", "pi_1")
            return WAITS

    def confirms(self, reference: str) -> None:
        with self._lock:
            if reference not in self.called_off:
                self.paid.add(reference)


@pytest.fixture
def customers(till: Till) -> Customers:
    return Customers(till)


def pay(till: Till, key: str = "k") -> Answer:
    return till.pay(key=key, customer_present=True)


def is_due(place: Place) -> None:
    place.sql.run("UPDATE idempotency_keys SET ask_after = now() - interval '1 s' WHERE answer_status IS NULL")


def be_late(place: Place) -> None:
    """As if the customer had been waited for for as long as may be."""
    place.sql.run("UPDATE idempotency_keys SET act_by = created_at WHERE answer_status IS NULL")
    is_due(place)


def key(place: Place) -> dict[str, Any]:
    return place.sql.run(KEY)[0]


def test_the_client_is_told_what_its_customer_is_to_do_and_until_when(
    till: Till, place: Place, logged: list[logging.LogRecord]
) -> None:
    till.gateway.next(WAITS)
    answer = pay(till)
    told = shown(answer)
    assert (answer.status, answer.headers["Retry-After"], told["status"]) == (202, "2", "PENDING")
    until = place.sql.value("SELECT created_at + interval '10 min' FROM payments").astimezone(UTC)
    expires_at = until.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert told["next_action"] == {"kind": "confirm", "expires_at": expires_at, "client_secret": SECRET}
    assert list(told)[-1] == "next_action"
    assert (key(place)["act_by"], key(place)["locked_at"]) == (until, None)
    assert place.sql.value("SELECT gateway_id FROM payments") == "pi_1"
    [line] = [each for each in logged if each.name == "payment-service" or "customer" in each.getMessage()]
    assert (line.levelname, line.getMessage()) == ("INFO", "waiting for the customer")
    assert SECRET not in str(vars(line))


def test_where_the_gateway_ends_it_before_that_the_client_is_told_so(till: Till) -> None:
    early = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=5)
    code = NextAction("upi", url="upi://pay?pa=a@b", qr_code_url="https://gateway.example/qr.png", expires_at=early)
    till.gateway.next(Waiting(code, "pi_1"))
    told = shown(pay(till))["next_action"]
    assert told["expires_at"] == early.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert (told["kind"], told["url"], told["qr_code_url"]) == (code.kind, code.url, code.qr_code_url)
    till.gateway.next(Waiting(code._replace(expires_at=early + timedelta(days=1)), "pi_1"))
    assert shown(pay(till, "another"))["next_action"]["expires_at"] < (early + timedelta(minutes=6)).isoformat()


@pytest.mark.parametrize("again", [WAITS, Unknown("a stored 500"), RuntimeError("a bug")], ids=repr)
def test_a_repeat_shows_the_same_whatever_becomes_of_asking(till: Till, place: Place, again: Any) -> None:
    till.gateway.next(WAITS, again)
    till.gateway.finding = WAITS if again is WAITS else Unknown("busy")
    first, repeat = pay(till), pay(till)
    assert (repeat.status, repeat.body) == (202, first.body)
    assert shown(repeat)["next_action"]
    assert till.gateway.verbs()[:2] == ["charge", "charge"]


def test_a_repeat_asks_once_since_what_has_a_name_at_the_gateway_is_read_there(till: Till, place: Place) -> None:
    till.gateway.next(WAITS, Succeeded("pi_1"))
    pay(till)
    answer = pay(till)
    assert (answer.status, till.gateway.verbs()) == (201, ["charge", "charge"])
    assert "next_action" not in shown(answer)
    till.gateway.next(WAITS, WAITS)
    pay(till, "another")
    assert pay(till, "another").status == 202
    assert till.gateway.verbs() == ["charge"] * 4


def test_a_repeat_of_what_has_no_name_yet_is_followed_by_a_read_since_the_customer_may_have_acted(till: Till) -> None:
    till.gateway.next(Lost(), WAITS)
    till.gateway.finding = Succeeded("pi_1")
    pay(till)
    assert (pay(till).status, till.gateway.verbs()) == (201, ["charge", "charge", "find_charge"])


def test_a_newer_thing_to_do_takes_the_place_of_the_one_before(till: Till) -> None:
    till.gateway.next(WAITS, Waiting(NextAction("redirect", url="https://bank.example/3ds"), "pi_1"))
    pay(till)
    told = shown(pay(till))["next_action"]
    assert (told["kind"], told["url"], told.get("client_secret")) == ("redirect", "https://bank.example/3ds", None)


def test_while_somebody_asks_a_repeat_is_409(till: Till, place: Place) -> None:
    till.gateway.next(WAITS)
    pay(till)
    taken = take_over(till.deps, bytes(key(place)["key_hash"]))
    assert taken
    with pytest.raises(Problem) as refused:
        pay(till)
    assert (refused.value.code, refused.value.retry_after) == ("idempotency_in_progress", 1)


ENDS: list[tuple[Outcome, int, str, str | None]] = [
    (Succeeded("pi_1"), 201, "SUCCESS", None),
    (Declined("payment_intent_authentication_failure", "pi_1"), 402, "FAILED", "payment_intent_authentication_failure"),
]


@pytest.mark.parametrize(("end", "status", "stored", "code"), ENDS)
def test_once_it_is_final_nothing_of_it_is_kept_or_shown(
    till: Till, place: Place, end: Outcome, status: int, stored: str, code: str | None
) -> None:
    till.gateway.next(WAITS)
    payment_id = shown(pay(till))["payment_id"]
    assert SECRET in read_payment(till.database, payment_id, to_act_on=True)
    assert SECRET not in read_payment(till.database, payment_id)
    is_due(place)
    till.gateway.next(end)
    till.sweep()
    answer = pay(till)
    assert (answer.status, answer.headers["Idempotent-Replayed"]) == (status, "true")
    row = place.sql.run("SELECT status, failure_code, next_action FROM payments")[0]
    assert (row["status"], row["failure_code"], row["next_action"]) == (stored, code, None)
    for text in (
        answer.body,
        read_payment(till.database, payment_id, to_act_on=True),
        str(place.sql.value("SELECT answer::text FROM idempotency_keys")),
        str(place.sql.value("SELECT data::text FROM outbox")),
    ):
        assert "next_action" not in text
        assert SECRET not in text


@pytest.mark.parametrize("lost", ["the worker", "the database"])
def test_what_could_not_be_kept_is_told_by_the_next_repeat(till: Till, place: Place, lost: str) -> None:
    till.gateway.next(WAITS, WAITS)
    till.gateway.finding = WAITS
    if lost == "the worker":
        till.database.dies_before = "release_key"
        with pytest.raises(Died):
            pay(till)
        till.database.dies_before = ""
    else:
        attempt = till.database.attempt

        def fail(name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
            if name == "release_key":
                raise DatabaseUnavailable("08006")
            return run()

        till.database.attempt = fail  # type: ignore[method-assign]
        answer = pay(till)
        assert (answer.status, shown(answer)["status"]) == (202, "PENDING")
        till.database.attempt = attempt  # type: ignore[method-assign]
    place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '4 s'")
    assert shown(pay(till))["next_action"]["client_secret"] == SECRET


@pytest.mark.parametrize("until", [3.0, 600.0])
@pytest.mark.parametrize("later", [None, Unknown("busy"), Unknown("no answer", answered=False)], ids=repr)
def test_it_is_asked_about_again_after_a_pause_and_no_later_than_it_is_waited_for(
    till: Till, place: Place, until: float, later: Outcome | None
) -> None:
    till.change(next_action_timeout=until)
    till.gateway.next(WAITS, WAITS)
    pay(till)
    if later:
        till.gateway.finding = later
        pay(till)
    asked = key(place)
    if until < 5:
        assert asked["ask_after"] == asked["act_by"] == asked["created_at"] + timedelta(seconds=until)
    else:
        assert asked["pause"] == pytest.approx(timedelta(seconds=5), abs=timedelta(seconds=1))


def test_a_gateway_that_goes_on_waiting_is_asked_after_a_pause_too(till: Till, place: Place) -> None:
    till.gateway.next(WAITS)
    till.gateway.always = till.gateway.finding = WAITS
    pay(till)
    be_late(place)
    assert till.sweep()["settled"] == 1
    assert key(place)["pause"] > timedelta(seconds=4)


def test_how_long_it_is_waited_for_stays_what_the_client_was_told(till: Till, place: Place) -> None:
    till.gateway.always = till.gateway.finding = WAITS
    first = shown(pay(till))["next_action"]["expires_at"]
    till.change(next_action_timeout=5.0)
    assert shown(pay(till))["next_action"]["expires_at"] == first
    assert till.gateway.calls[-1][1].waits == 600


@pytest.mark.parametrize("by", ["sweep", "repeat"])
def test_a_customer_who_is_late_is_waited_for_no_longer(
    till: Till, place: Place, customers: Customers, by: str
) -> None:
    pay(till)
    be_late(place)
    answer = pay(till) if by == "repeat" else None
    if answer is None:
        assert till.sweep()["settled"] == 1
        answer = pay(till)
    assert (answer.status, json.loads(answer.body)["failure_code"]) == (402, "authentication_expired")
    assert till.gateway.calls[-1][1].customer_is_late


def test_the_gateway_is_told_whether_the_customer_is_there(till: Till, place: Place) -> None:
    for said in (True, False, None):
        till.pay(key=f"{said}", **({} if said is None else {"customer_present": said}))
    told = [request.customer_present for _, request in till.gateway.calls]
    assert told == [True, False, False]
    assert [row["customer_present"] for row in place.sql.run("SELECT * FROM payments ORDER BY 1")] == told
    payment_id = a_payment(place.sql, status="PENDING")
    old = take_over(till.deps, a_key(place.sql, payment_id))
    assert old
    assert old.request.customer_present is None, "a claim of the version before asks as it did"


def test_absent_and_false_are_one_request_and_true_is_another(till: Till) -> None:
    till.pay(key="k", customer_present=False)
    assert till.pay(key="k").headers["Idempotent-Replayed"] == "true"
    with pytest.raises(Problem) as refused:
        pay(till)
    assert refused.value.code == "idempotency_key_reused"


@pytest.mark.parametrize("succeeded", [True, False])
def test_by_hand_it_is_settled_only_against_the_gateway(till: Till, place: Place, succeeded: bool) -> None:
    till.gateway.next(WAITS)
    till.gateway.finding = WAITS
    payment_id = str(shown(pay(till))["payment_id"])
    with pytest.raises(NotSettled) as refused:
        settle_by_hand(till.deps, payment_id, succeeded, "asha", "the rider said so")
    assert (refused.value.why, refused.value.gateway_said) == ("gateway_disagrees", "waits for the customer")
    assert place.sql.value("SELECT next_action ->> 'client_secret' FROM payments") == SECRET
    settle_by_hand(till.deps, payment_id, succeeded, "asha", "the rider said so", force=True)
    assert place.sql.value("SELECT next_action FROM payments") is None


def test_whoever_asks_again_is_told_that_it_waits_and_each_asking_is_kept(till: Till, place: Place) -> None:
    till.gateway.always = till.gateway.finding = WAITS
    payment_id = shown(pay(till))["payment_id"]
    assert [told.said for told in ask_again(till.deps, payment_id, "asha")] == ["waits for the customer"]
    kept = place.sql.run("SELECT how, said, code, why, gateway_id FROM gateway_askings ORDER BY asked, step")
    assert [tuple(row.values()) for row in kept] == [("charge", "waiting", None, None, "pi_1")] * 2


def waited(place: Place, *, over_for: int) -> None:
    """As if it had waited for its ten minutes, which were over for so many seconds."""
    moved = "created_at = created_at - make_interval(secs => %(age)s)"
    for table in ("payments", "idempotency_keys"):
        place.sql.run(f"UPDATE {table} SET {moved}", {"age": 600 + over_for})
    place.sql.run("UPDATE idempotency_keys SET act_by = now() - make_interval(secs => %s)", (over_for,))


def test_while_it_waits_it_is_pending_and_not_stuck(
    till: Till, place: Place, logged: list[logging.LogRecord], customers: Customers
) -> None:
    payment_id = shown(pay(till))["payment_id"]
    waited(place, over_for=-1)
    watched = read_totals(till.database, "INR")
    assert (watched.pending_count, watched.pending_oldest) == (1, 0)
    assert count_attention(till.database) == 0
    assert read_attention(till.database).pending == []
    assert list_pending(till.deps) == []
    till.sweep()
    [swept] = [each for each in logged if each.message == "swept"]
    assert (swept.levelname, vars(swept)["pending"], vars(swept)["pending_oldest_seconds"]) == ("INFO", 1, 0)
    waited(place, over_for=400)
    assert read_totals(till.database, "INR").pending_oldest == pytest.approx(400, abs=30)
    assert count_attention(till.database) == len(read_attention(till.database).pending) == 1
    till.gateway.finding = Unknown("busy")
    [line] = list_pending(till.deps)
    assert line.startswith(f"payment {payment_id} ")


def test_what_is_stuck_is_found_behind_many_that_wait(till: Till, place: Place) -> None:
    for _ in range(120):
        at = place.sql.value("SELECT now() - interval '9 min'")
        payment_id = a_payment(place.sql, status="PENDING", created_at=at)
        a_key(place.sql, payment_id, created_at=at, act_by=at + timedelta(minutes=10), ask_after="tomorrow")
    at = place.sql.value("SELECT now() - interval '2 min'")
    stuck = a_payment(place.sql, status="PENDING", created_at=at)
    a_key(place.sql, stuck, created_at=at)
    assert count_attention(till.database) == 1
    assert [row["payment_id"] for row in read_attention(till.database).pending] == [stuck]
    assert read_totals(till.database, "INR").pending_oldest == pytest.approx(120, abs=30)


def test_a_customer_who_confirms_while_a_sweep_calls_it_off_is_charged_or_not_and_so_are_the_books(
    till: Till, place: Place, customers: Customers
) -> None:
    till.database = WatchedDatabase(place.settings(db_pool_size=32))
    references = [shown(pay(till, f"k{number}"))["reference"] for number in range(12)]
    be_late(place)
    barrier = threading.Barrier(2)

    def confirm() -> None:
        barrier.wait(10)
        for reference in references:
            customers.confirms(reference)

    confirming = threading.Thread(target=confirm)
    confirming.start()
    barrier.wait(10)
    till.sweep()
    confirming.join()
    rows = place.sql.run("SELECT reference, status, next_action FROM payments")
    ended = {status: {row["reference"] for row in rows if row["status"] == status} for status in ("SUCCESS", "FAILED")}
    assert ended == {"SUCCESS": customers.paid, "FAILED": customers.called_off}
    assert len(customers.paid | customers.called_off) == len(references)
    assert not any(row["next_action"] for row in rows)
    till.database.close()


def test_clients_who_repeat_while_sweeps_ask_settle_it_once(till: Till, place: Place, customers: Customers) -> None:
    till.database = WatchedDatabase(place.settings(db_pool_size=32))
    reference = shown(pay(till))["reference"]
    is_due(place)
    customers.confirms(reference)

    def sweep() -> Answer:
        till.sweep()
        return Answer(200, "")

    ended = at_once(*[lambda: pay(till)] * 8, *[sweep] * 4)
    assert set(outcomes(ended)) <= {200, 201, 202, "idempotency_in_progress"}
    assert pay(till).status == 201
    assert place.sql.value("SELECT count(*) FROM outbox") == 1
    assert place.sql.value("SELECT count(*) FROM payment_receipts") == 1
    assert place.sql.value("SELECT count(*) FROM idempotency_keys WHERE locked_at IS NOT NULL") == 0
    till.database.close()
