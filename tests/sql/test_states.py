"""The database makes the moves of shared/rules/states.py, and no other: its triggers, its statements and its constraints."""

import re
from collections.abc import Iterable, Iterator
from itertools import permutations, product
from typing import Any

import pytest
from psycopg2 import errors

from shared.platform.database.statements import STATEMENTS, statement
from shared.rules.states import (
    DISPUTE_MOVES,
    DISPUTE_STATUSES,
    DISPUTES_OVER,
    METHODS,
    PAYMENT_MOVES,
    REFUND_MOVES,
    REFUND_STATUSES,
    STATUSES,
    Move,
)
from tests.sql.rows import PAYMENT, REFUND, a_dispute, a_key, a_payment, a_refund, insert, move
from tests.sql.test_plans import SAMPLES
from tests.support.cluster import Cluster
from tests.support.sql import Sql

# What a payment of 100.00 has in each status besides, so that no constraint stands in the way of a move.
BALANCES: dict[str, dict[str, Any]] = {"REFUNDED": {"refunded_amount": "100.00"}}
NOTHING_BACK = {"refunded_amount": 0}
# What a move takes besides.
TAKES: dict[tuple[str, str], dict[str, Any]] = {
    ("FAILED", "SUCCESS"): {"late_charge_id": "pi_1", "failed_at": "now"},
    ("REFUNDED", "SUCCESS"): {"reversed_amount": "100.00"},
}
Moves = set[tuple[str, str | None, str]]


def pairs(moves: tuple[Move, ...]) -> set[tuple[str | None, str]]:
    return {(move.source, move.target) for move in moves}


@pytest.fixture(scope="module")
def one_sql(cluster: Cluster) -> Iterator[Sql]:
    with cluster.database() as place:
        yield place.sql


@pytest.fixture
def sql(one_sql: Sql) -> Iterator[Sql]:
    """One database for all of these tests: what each does is rolled back."""
    one_sql.run("BEGIN")
    yield one_sql
    one_sql.run("ROLLBACK")


@pytest.mark.parametrize(("source", "target"), [*permutations(STATUSES, 2)])
def test_a_payment_makes_a_move_of_the_table_and_no_other(sql: Sql, source: str, target: str) -> None:
    payment_id = a_payment(sql, status=source, **BALANCES.get(source, {}))
    fields = {"status": target} | BALANCES.get(target, NOTHING_BACK) | TAKES.get((source, target), {})
    if (source, target) in pairs(PAYMENT_MOVES):
        move(sql, "payments", {"payment_id": payment_id}, fields)
        assert sql.value("SELECT status FROM payments") == target
    else:
        with pytest.raises(
            errors.IntegrityConstraintViolation, match=f"never goes from {source} to {target}"
        ) as refused:
            move(sql, "payments", {"payment_id": payment_id}, fields)
        assert refused.value.diag.constraint_name == "payments_moved"


@pytest.mark.parametrize(("source", "target"), [*permutations(STATUSES, 2)])
def test_a_row_of_the_seed_makes_none(sql: Sql, source: str, target: str) -> None:
    payment_id = a_payment(sql, gateway=None, status=source, **BALANCES.get(source, {}))
    with pytest.raises(errors.IntegrityConstraintViolation, match=f"never goes from {source} to {target}"):
        move(sql, "payments", {"payment_id": payment_id}, {"status": target} | BALANCES.get(target, NOTHING_BACK))


@pytest.mark.parametrize(("source", "target"), [*permutations(REFUND_STATUSES, 2)])
def test_a_refund_makes_a_move_of_the_table_and_no_other(sql: Sql, source: str, target: str) -> None:
    refund_id = a_refund(sql, a_payment(sql), status=source)
    fields = {"status": target, "reversed_at": "now" if target == "REVERSED" else None}
    if (source, target) in pairs(REFUND_MOVES):
        move(sql, "payment_refunds", {"refund_id": refund_id}, fields)
        assert sql.value("SELECT status FROM payment_refunds") == target
    else:
        with pytest.raises(
            errors.IntegrityConstraintViolation, match=f"never goes from {source} to {target}"
        ) as refused:
            move(sql, "payment_refunds", {"refund_id": refund_id}, fields)
        assert refused.value.diag.constraint_name == "refunds_moved"


@pytest.mark.parametrize(("source", "target"), [*permutations(DISPUTE_STATUSES, 2)])
def test_a_dispute_makes_a_move_of_the_table_and_no_other(sql: Sql, source: str, target: str) -> None:
    dispute_id = a_dispute(sql, a_payment(sql), status=source)
    fields = {"status": target, "closed_at": "now" if target in DISPUTES_OVER else None}
    if (source, target) in pairs(DISPUTE_MOVES):
        move(sql, "payment_disputes", {"dispute_id": dispute_id}, fields)
        assert sql.value("SELECT status FROM payment_disputes") == target
    else:
        with pytest.raises(
            errors.IntegrityConstraintViolation, match=f"never goes from {source} to {target}"
        ) as refused:
            move(sql, "payment_disputes", {"dispute_id": dispute_id}, fields)
        assert refused.value.diag.constraint_name == "disputes_moved"


@pytest.mark.parametrize(("status", "method"), [*product(STATUSES, METHODS)])
def test_a_payment_is_written_by_a_claim_or_as_cash_that_was_collected(sql: Sql, status: str, method: str) -> None:
    causes = {move.cause for move in PAYMENT_MOVES if (move.source, move.target) == (None, status)}
    row = PAYMENT | {"reference": "PAY-1", "status": status, "method": method} | BALANCES.get(status, {})
    if "claim" in causes or ("charge in cash" in causes and method == "CASH"):
        assert insert(sql, "payments", row)["status"] == status
    else:
        with pytest.raises(errors.IntegrityConstraintViolation, match=f"never written as {status}") as refused:
            insert(sql, "payments", row)
        assert refused.value.diag.constraint_name == "payments_written"


@pytest.mark.parametrize("status", [move.target for move in PAYMENT_MOVES if move.cause == "seed"])
def test_a_row_of_the_seed_is_written_as_it_is(sql: Sql, status: str) -> None:
    row = PAYMENT | {"reference": "PAY-1", "status": status, "gateway": None} | BALANCES.get(status, {})
    assert insert(sql, "payments", row)["status"] == status


@pytest.mark.parametrize("status", REFUND_STATUSES)
def test_a_refund_is_written_by_a_claim(sql: Sql, status: str) -> None:
    row = REFUND | {"payment_id": a_payment(sql), "reference": "REF-1", "status": status}
    row |= {"reversed_at": "now"} if status == "REVERSED" else {}
    if (None, status) in pairs(REFUND_MOVES):
        assert insert(sql, "payment_refunds", row)["status"] == status
    else:
        with pytest.raises(errors.IntegrityConstraintViolation, match=f"never written as {status}") as refused:
            insert(sql, "payment_refunds", row)
        assert refused.value.diag.constraint_name == "refunds_written"


CAUGHT = [
    ("payments", "status", STATUSES),
    ("payments", "method", METHODS),
    ("payment_refunds", "status", REFUND_STATUSES),
    ("payment_disputes", "status", DISPUTE_STATUSES),
]


@pytest.mark.parametrize(("table", "column", "named"), CAUGHT)
def test_the_constraints_name_what_the_table_names(sql: Sql, table: str, column: str, named: tuple[str, ...]) -> None:
    text = sql.value(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s", (f"{table}_{column}_check",)
    )
    assert re.findall(r"'(\w+)'::text", text) == list(named)


WHOLE, PART = "100.00", "10.00"
# What a statement may find: a payment in each status, charged by a gateway or of the seed; a refund in each, of all of it or of
# a part, beside others that are reserved and given back.
SCENES: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    *(({"status": status, "gateway": gateway}, None) for status in STATUSES for gateway in ("scripted", None)),
    ({"status": "SUCCESS", "reserved_amount": WHOLE}, {"status": "PENDING", "amount": WHOLE}),
    ({"status": "SUCCESS"}, {"status": "FAILED", "amount": WHOLE}),
    ({"status": "REFUNDED"}, {"status": "REFUNDED", "amount": WHOLE}),
    *(
        (
            {"status": "SUCCESS", "reserved_amount": "40.00", "refunded_amount": "20.00"},
            {"status": status, "amount": PART},
        )
        for status in REFUND_STATUSES
    ),
    (
        {"status": "FAILED", "late_charge_id": "pi_1"},
        {"status": "PENDING", "amount": WHOLE, "source": "late_payment", "charge_id": "pi_1"},
    ),
]
# By the name of the statement, what it may be asked for.
OUTCOMES = {
    "settle_payment": {move.target for move in PAYMENT_MOVES if move.statement == "settle_payment"},
    "settle_refund": {move.target for move in REFUND_MOVES if move.statement == "settle_refund"},
}


def set_scene(
    sql: Sql, payment: dict[str, Any], refund: dict[str, Any] | None, locked_at: str | None
) -> dict[str, Any]:
    """Its rows, and the parameters that name them. The key is open: what is settled is not settled again all the same."""
    payment_id = a_payment(sql, **BALANCES.get(payment["status"], {}) | payment)
    refund_id = a_refund(sql, payment_id, **refund) if refund else None
    key_hash = a_key(sql, payment_id, refund_id=refund_id, locked_at=locked_at)
    return {"payment_id": payment_id, "refund_id": refund_id, "key_hash": key_hash, "locked_at": locked_at}


ALL_STATUSES = """
SELECT 'payment' AS kind, payment_id AS id, status FROM payments
 UNION ALL
SELECT 'refund', refund_id, status FROM payment_refunds
 UNION ALL
SELECT 'dispute', dispute_id, status FROM payment_disputes
"""


def statuses(sql: Sql) -> dict[tuple[str, int], str]:
    return {(row["kind"], row["id"]): row["status"] for row in sql.run(ALL_STATUSES)}


def moves_seen(sql: Sql, name: str, asked: Iterable[dict[str, Any]]) -> Moves:
    """What a statement moves, asked in each of these ways of the same rows. It loses a race for its key, and nothing else
    stands in its way: it tries no move for a trigger or a constraint to refuse."""
    seen: Moves = set()
    before = statuses(sql)
    sql.run("SAVEPOINT before")
    for parameters in asked:
        try:
            sql.run(statement(name), parameters)
            after = statuses(sql)
        except errors.UniqueViolation:
            after = before
        sql.run("ROLLBACK TO before")
        seen |= {(row[0], before.get(row), status) for row, status in after.items() if before.get(row) != status}
    return seen


def ways_to_ask(name: str, scene: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parameters of a statement: for what is there under its own key, and under a new one."""
    usual = SAMPLES[name] | {"method": "CASH", "gateways": ["scripted"], "accounts": ["acct_1"], "reason": "r"}
    amounts = (WHOLE, PART, None) if name == "claim_refund" else (WHOLE,)
    for status, amount, key_hash in product(OUTCOMES.get(name, {None}), amounts, (scene["key_hash"], b"\1" * 32)):
        yield usual | scene | {"status": status, "amount": amount, "key_hash": key_hash}


def disputes_said(sql: Sql, name: str) -> Iterator[dict[str, Any]]:
    """A dispute in each status, or none yet, of a payment with a charge; and what its gateway says it is by then."""
    if name != "follow_dispute":
        return
    payment_id = a_payment(sql, gateway_id="pi_1", disputed_amount="50.00")
    for stored, said in product((None, *DISPUTE_STATUSES), DISPUTE_STATUSES):
        sql.run("SAVEPOINT scene")
        if stored:
            a_dispute(sql, payment_id, gateway_id="du_7", status=stored)
        before = [move.source for move in DISPUTE_MOVES if move.source and move.target == said]
        yield SAMPLES[name] | {"charge_id": "pi_1", "reference": None, "status": said, "before": before}
        sql.run("ROLLBACK TO scene")


@pytest.mark.parametrize("name", sorted(path.stem for path in STATEMENTS.glob("*.sql")))
def test_a_statement_makes_its_moves_of_the_table_and_no_other(sql: Sql, name: str) -> None:
    seen: Moves = set()
    for (payment, refund), locked_at in product(SCENES, (None, "now")):
        sql.run("SAVEPOINT scene")
        scene = set_scene(sql, payment, refund, locked_at)
        seen |= moves_seen(sql, name, ways_to_ask(name, scene))
        sql.run("ROLLBACK TO scene")
    for parameters in disputes_said(sql, name):
        seen |= moves_seen(sql, name, [parameters])
    tabled = {"payment": PAYMENT_MOVES, "refund": REFUND_MOVES, "dispute": DISPUTE_MOVES}
    assert seen == {
        (kind, move.source, move.target) for kind, moves in tabled.items() for move in moves if move.statement == name
    }
