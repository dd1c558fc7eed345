"""Settling: conditional, tried once more on a fresh connection, and the same answer for whoever comes second."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest

from shared.charging.askings import Askings
from shared.charging.attempt import attempt
from shared.charging.lease import Lease, take_over
from shared.charging.settle import settle
from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown
from shared.platform.database import DatabaseUnavailable
from shared.platform.log import function_name
from shared.web.answers import Answer
from tests.support.cluster import Place
from tests.support.sql import Sql
from tests.support.till import Till, shown


@pytest.fixture
def lease(till: Till, place: Place) -> Lease:
    """A lease on a charge whose outcome is not known yet."""
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k", payment_token="tok_1")
    taken = take_over(till.deps, bytes(place.sql.value("SELECT key_hash FROM idempotency_keys")))
    assert taken
    return taken


def settled(till: Till, lease: Lease, outcome: Succeeded | Declined) -> Answer:
    return settle(till.deps, lease, outcome, Askings())


def test_settling_ends_everything_in_one_commit(till: Till, place: Place, lease: Lease) -> None:
    answer = settled(till, lease, Succeeded("pi_1"))
    payment = place.sql.run("SELECT *, xmin::text FROM payments")[0]
    assert (payment["status"], payment["payment_token"], payment["gateway_id"]) == ("SUCCESS", None, "pi_1")
    key = place.sql.run("SELECT *, xmin::text FROM idempotency_keys")[0]
    assert (key["answer_status"], key["locked_at"], key["ask_after"]) == (201, None, None)
    assert shown(answer)["payment_id"] == payment["payment_id"]
    receipt = place.sql.run("SELECT *, xmin::text FROM payment_receipts")[0]
    event = place.sql.run("SELECT *, xmin::text FROM outbox")[0]
    assert {payment["xmin"], key["xmin"], receipt["xmin"], event["xmin"]} == {payment["xmin"]}
    assert (event["event_id"], event["subject"]) == (f"{payment['reference']}.succeeded", "payments/1")
    assert event["correlation_id"] == lease.correlation_id


@pytest.mark.parametrize("first", [Succeeded("pi_1"), Declined("card_declined")])
@pytest.mark.parametrize("second", [Succeeded("pi_2"), Declined("expired")])
def test_whoever_settles_second_changes_nothing_and_gives_the_same_answer(
    till: Till, place: Place, lease: Lease, first: Succeeded | Declined, second: Succeeded | Declined
) -> None:
    answers = [settled(till, lease, first), settled(till, lease, second)]
    assert (answers[0].status, answers[0].body) == (answers[1].status, answers[1].body)
    assert place.sql.value("SELECT count(*) FROM outbox") == 1
    assert place.sql.value("SELECT gateway_id FROM payments") == first.gateway_id


@pytest.mark.parametrize("first", [Succeeded("re_1"), Declined("no")])
@pytest.mark.parametrize("second", [Succeeded("re_2"), Declined("expired")])
def test_a_refund_that_is_settled_twice_moves_its_amount_once(
    till: Till, place: Place, first: Succeeded | Declined, second: Succeeded | Declined
) -> None:
    payment_id = shown(till.pay(amount="100.00"))["payment_id"]
    till.gateway.next(Unknown("time-out"), Unknown("time-out"))
    till.refund(payment_id, "30.00", key="r")
    till.refund(payment_id, "50.00")  # another that is under way, whose amount stays reserved
    lease = take_over(till.deps, bytes(place.sql.value("SELECT sha256('r')")))
    assert lease
    answers = [settled(till, lease, first), settled(till, lease, second)]
    assert (answers[0].status, answers[0].body) == (answers[1].status, answers[1].body)
    given = 30 if isinstance(first, Succeeded) else 0
    assert place.sql.run("SELECT reserved_amount AS kept, refunded_amount AS given FROM payments") == [
        {"kept": 50, "given": given}
    ]
    assert place.sql.value("SELECT count(*) FROM outbox") == 2


def test_two_that_settle_at_once_give_the_same_answer(till: Till, place: Place, lease: Lease) -> None:
    barrier = threading.Barrier(8)

    def work(number: int) -> Answer:
        barrier.wait(10)
        return settled(till, lease, Succeeded("pi_1") if number % 2 else Declined("card_declined"))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(work, range(8)))
    assert len({(answer.status, answer.body) for answer in answers}) == 1
    assert place.sql.value("SELECT count(*) FROM outbox") == 1
    assert place.sql.value("SELECT sum(count) FROM payment_totals") == 1


def test_a_payment_is_settled_whatever_became_of_its_lease(till: Till, place: Place, lease: Lease) -> None:
    place.sql.run("UPDATE idempotency_keys SET locked_at = now() + interval '1 s'")  # somebody else's by now
    assert settled(till, lease, Succeeded()).status == 201


@pytest.fixture
def blocker(place: Place) -> Iterator[Sql]:
    """A transaction that holds the payment's row, so that a settle is under way and waiting."""
    with place.connection() as sql:
        yield sql


def waiting_backend(place: Place, application: str = "payment-service") -> int:
    """The connection, by default the pool's, that waits for a lock."""
    query = """SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
                  AND application_name = %s"""
    for _ in range(1000):
        if found := place.sql.run(query, (application,)):
            return int(found[0]["pid"])
        place.sql.run("SELECT pg_sleep(0.005)")
    raise AssertionError("nobody waits for a lock")


def test_a_settle_whose_connection_is_terminated_midway_is_tried_once_more(
    till: Till, place: Place, lease: Lease, blocker: Sql
) -> None:
    blocker.run("BEGIN")
    blocker.run("SELECT FROM payments FOR UPDATE")
    with ThreadPoolExecutor(1) as pool:
        settling = pool.submit(settled, till, lease, Succeeded("pi_1"))
        place.sql.run("SELECT pg_terminate_backend(%s)", (waiting_backend(place),))
        blocker.run("ROLLBACK")
        assert settling.result(10).status == 201
    assert till.database.ran.count("settle_payment") == 2
    assert place.sql.value("SELECT count(*) FROM outbox") == 1


# A settle that has the payment's row waits at gate 7 before it goes on to the key; at gate 8 before it has the row.
GATES = """
CREATE FUNCTION wait_at_the_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_advisory_lock(TG_ARGV[0]::int); PERFORM pg_advisory_unlock(TG_ARGV[0]::int); RETURN NEW; END $$;
CREATE TRIGGER gate_7 BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION wait_at_the_gate(7);
CREATE TRIGGER gate_8 BEFORE UPDATE ON payments FOR EACH STATEMENT EXECUTE FUNCTION wait_at_the_gate(8)
"""


def test_a_settle_that_loses_a_deadlock_is_tried_once_more(
    till: Till, place: Place, lease: Lease, blocker: Sql
) -> None:
    """The other transaction holds the key and waits for the payment; the settle, which holds the payment, then asks for the
    key. Whoever closes the circle looks for it, after its deadlock_timeout, and only once. The second try waits until the
    other has the payment: a row that is let go is whoever's comes first, and so the circle could close again."""
    place.sql.run(f"ALTER ROLE payments_app IN DATABASE {place.environment['DB_NAME']} SET deadlock_timeout = '10ms'")
    place.sql.run(GATES)
    place.sql.run("SELECT pg_advisory_lock(7)")
    till.database.close()
    blocker.run("SET deadlock_timeout = '1min'")
    blocker.run("BEGIN")
    blocker.run("SELECT FROM idempotency_keys FOR UPDATE")
    with ThreadPoolExecutor(1) as pool:
        settling = pool.submit(settled, till, lease, Succeeded("pi_1"))
        waiting_backend(place)
        blocker.start("SELECT FROM payments FOR UPDATE")
        waiting_backend(place, "tests")
        place.sql.run("SELECT pg_advisory_lock(8)")
        place.sql.run("SELECT pg_advisory_unlock(7)")
        blocker.finish()
        blocker.run("ROLLBACK")
        place.sql.run("SELECT pg_advisory_unlock(8)")
        assert settling.result(10).status == 201
    assert till.database.ran.count("settle_payment") == 2
    assert place.sql.value("SELECT count(*) FROM outbox") == 1


def failing_once(place: Place, state: str, times: int) -> None:
    """Makes the settling of a payment fail so many times with this SQLSTATE. A sequence outlives the rollback."""
    place.sql.run("CREATE SEQUENCE failures")
    place.sql.run("GRANT USAGE ON SEQUENCE failures TO payments_app")
    place.sql.run(
        f"""CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              IF nextval('failures') <= {times} THEN RAISE EXCEPTION 'made up' USING ERRCODE = '{state}'; END IF;
              RETURN NEW; END $$;
            CREATE TRIGGER failing BEFORE UPDATE OF status ON payments FOR EACH ROW EXECUTE FUNCTION fail()"""
    )


@pytest.mark.parametrize(("state", "tries"), [("40001", 2), ("40P01", 2), ("57014", 1), ("53200", 1)])
def test_only_what_may_pass_is_tried_once_more(till: Till, place: Place, lease: Lease, state: str, tries: int) -> None:
    """40001: serialization failure, 40P01: deadlock; 57014: cancelled by its time-out, 53200: out of memory."""
    failing_once(place, state, 1)
    if tries == 2:
        assert settled(till, lease, Succeeded()).status == 201
    else:
        with pytest.raises(DatabaseUnavailable):
            settled(till, lease, Succeeded())
    assert till.database.ran.count("settle_payment") == tries


def test_a_settle_that_fails_twice_leaves_it_pending_and_answers_202(till: Till, place: Place, lease: Lease) -> None:
    failing_once(place, "40001", 2)
    answer = attempt(till.deps, lease)
    assert (answer.status, shown(answer)["status"]) == (202, "PENDING")
    place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '4 s'")
    assert till.pay(key="k", payment_token="tok_1").status == 201
    assert list(till.gateway.moved.values()) == [1]


def test_a_settle_that_waits_too_long_for_a_lock_leaves_it_pending(
    till: Till, place: Place, lease: Lease, blocker: Sql
) -> None:
    blocker.run("BEGIN")
    blocker.run("SELECT FROM payments FOR UPDATE")
    answer = attempt(till.deps, lease)
    blocker.run("ROLLBACK")
    assert answer.status == 202


@pytest.mark.parametrize("failure", [RuntimeError("a bug"), psycopg2.Error("?"), KeyError("gone"), MemoryError()])
@pytest.mark.parametrize("where", ["gateway", "settling", "publishing"])
def test_after_the_claim_nothing_that_fails_is_an_error(
    till: Till, place: Place, monkeypatch: pytest.MonkeyPatch, failure: Exception, where: str
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise failure

    if where == "gateway":
        till.gateway.next(failure)
    else:
        target = {"settling": "shared.charging.settle.settlement", "publishing": "shared.charging.settle.event_in"}[
            where
        ]
        monkeypatch.setattr(target, fail)
    answer = till.pay(key="k")
    assert (answer.status, shown(answer)["status"]) == (202, "PENDING")
    monkeypatch.undo()
    place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '4 s'")
    assert till.pay(key="k").status == 201


def test_cash_that_is_left_open_is_settled_without_the_gateway(till: Till, place: Place) -> None:
    payment_id = shown(till.pay(method="CASH"))["payment_id"]
    till.database.dies_before = "settle_refund"
    with pytest.raises(BaseException, match="settle_refund"):
        till.refund(payment_id, "10.00", key="r")
    till.database.dies_before = ""
    place.sql.run("UPDATE idempotency_keys SET locked_at = NULL WHERE answer_status IS NULL")
    assert till.refund(payment_id, "10.00", key="r").status == 201
    assert till.gateway.calls == []
    assert place.sql.value("SELECT gateway FROM payments") == "cash"


def test_a_row_of_history_is_never_settled(till: Till, place: Place, lease: Lease) -> None:
    place.sql.run("UPDATE payments SET gateway = NULL")
    answer = settled(till, lease, Succeeded())
    assert answer.status == 202
    assert place.sql.value("SELECT status FROM payments") == "PENDING"


def test_a_success_that_the_gateway_reports_late_is_not_undone_by_a_decline(till: Till, place: Place) -> None:
    """A first worker is still waiting for its answer when a repeat, after the lease, is told of the success."""
    release = threading.Event()

    def late(request: GatewayRequest) -> Outcome:
        release.wait(10)
        return Declined("late")

    till.gateway.next(late, Succeeded("pi_1"))
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(till.pay, key="k")
        while not till.gateway.calls:
            place.sql.run("SELECT pg_sleep(0.01)")
        place.sql.run("UPDATE idempotency_keys SET locked_at = locked_at - interval '4 s'")
        second = till.pay(key="k")
        release.set()
        assert (first.result(10).status, second.status) == (201, 201)
    assert place.sql.value("SELECT status FROM payments") == "SUCCESS"
    assert place.sql.value("SELECT action FROM audit_log") == "contradiction"


CONTRADICTIONS: list[tuple[Succeeded | Declined, Succeeded | Declined, dict[str, str | None]]] = [
    (
        Declined("card_declined", "pi_1"),
        Succeeded("pi_1"),
        {"outcome": "succeeded", "said": "succeeded", "id": "pi_1", "reason": "stored as FAILED, card_declined, pi_1"},
    ),
    (
        Succeeded("pi_1"),
        Declined("expired"),
        {"outcome": "failed", "said": "declined (expired)", "id": None, "reason": "stored as SUCCESS, pi_1"},
    ),
    (
        Succeeded("pi_1"),
        Succeeded("pi_2"),
        {"outcome": "succeeded", "said": "succeeded", "id": "pi_2", "reason": "stored as SUCCESS, pi_1"},
    ),
]
NOTED = "SELECT outcome, gateway_said AS said, gateway_id AS id, reason FROM audit_log WHERE action = 'contradiction'"


@pytest.mark.parametrize(("stored", "late", "noted"), CONTRADICTIONS)
def test_a_late_answer_that_contradicts_what_is_stored_is_an_error_and_noted_once(
    till: Till,
    place: Place,
    lease: Lease,
    logged: list[logging.LogRecord],
    stored: Succeeded | Declined,
    late: Succeeded | Declined,
    noted: dict[str, str | None],
) -> None:
    token = function_name.set("sweep")
    first = settled(till, lease, stored)
    for _ in range(3):
        assert settled(till, lease, late).body == first.body
    function_name.reset(token)
    assert place.sql.run(NOTED) == [noted]
    assert place.sql.run("SELECT actor, payment_id, refund_id, forced FROM audit_log") == [
        {"actor": "sweep", "payment_id": 1, "refund_id": None, "forced": False}
    ]
    [line] = [line for line in logged if line.levelname == "ERROR"]
    assert vars(line)["gateway_id"] == late.gateway_id
    assert vars(line)["stored"] == noted["reason"]


AGREEING: list[tuple[Succeeded | Declined, Succeeded | Declined]] = [
    (Succeeded("pi_1"), Succeeded("pi_1")),
    (Succeeded("pi_1"), Succeeded()),
    (Succeeded(), Succeeded("pi_1")),
    (Declined("expired"), Declined("card_declined", "pi_1")),
]


@pytest.mark.parametrize(("stored", "late"), AGREEING)
def test_a_late_answer_that_agrees_is_not_noted(
    till: Till, place: Place, lease: Lease, stored: Succeeded | Declined, late: Succeeded | Declined
) -> None:
    settled(till, lease, stored)
    settled(till, lease, late)
    assert place.sql.run(NOTED) == []


@pytest.mark.parametrize(
    ("stored", "late", "outcome"),
    [(Succeeded("re_1"), Declined("no"), "failed"), (Declined("no"), Succeeded("re_1"), "succeeded")],
)
def test_so_it_is_with_a_refund(
    till: Till, place: Place, stored: Succeeded | Declined, late: Succeeded | Declined, outcome: str
) -> None:
    payment_id = shown(till.pay(amount="100.00"))["payment_id"]
    till.gateway.next(Unknown("time-out"))
    till.refund(payment_id, "100.00", key="r")
    lease = take_over(till.deps, bytes(place.sql.value("SELECT sha256('r')")))
    assert lease
    settled(till, lease, stored)
    settled(till, lease, late)
    assert place.sql.run("SELECT action, payment_id, refund_id, outcome FROM audit_log") == [
        {"action": "contradiction", "payment_id": payment_id, "refund_id": lease.refund_id, "outcome": outcome}
    ]


def test_many_that_contradict_at_once_are_noted_once(till: Till, place: Place, lease: Lease) -> None:
    settled(till, lease, Declined("card_declined"))
    barrier = threading.Barrier(8)

    def work(_: int) -> Answer:
        barrier.wait(10)
        return settled(till, lease, Succeeded("pi_1"))

    with ThreadPoolExecutor(8) as pool:
        assert {answer.status for answer in pool.map(work, range(8))} == {402}
    assert len(place.sql.run(NOTED)) == 1


def test_what_the_gateway_said_is_in_the_log_where_it_could_not_be_stored(
    till: Till, lease: Lease, monkeypatch: pytest.MonkeyPatch, logged: list[logging.LogRecord]
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError("a bug")

    monkeypatch.setattr("shared.charging.settle.settlement", fail)
    till.gateway.next(Succeeded("pi_1"))
    attempt(till.deps, lease)
    [line] = [line for line in logged if line.levelname == "ERROR"]
    assert (vars(line)["gateway_said"], vars(line)["gateway_id"]) == ("succeeded", "pi_1")
