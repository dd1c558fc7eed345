"""What a settle stores besides the status: when, until when, under which name, and in which order it is told."""

from typing import Any

import pytest

from shared.platform.database.statements import statement
from tests.sql.rows import a_key, a_payment, a_refund, move
from tests.support.cluster import Place
from tests.support.sql import Sql

LONG_AGO = "2020-01-01T00:00:00Z"
SUCCEEDED = {"settle_payment": "SUCCESS", "settle_refund": "REFUNDED"}
every_end = pytest.mark.parametrize(("name", "status"), [*SUCCEEDED.items(), *((name, "FAILED") for name in SUCCEEDED)])


def claimed(sql: Sql, name: str, **fields: Any) -> dict[str, Any]:
    """A charge, or the refund of 10.00 of one, that was claimed long ago, and the parameters that settle it."""
    then = {"created_at": LONG_AGO, "updated_at": LONG_AGO}
    named: dict[str, Any] = {
        "status": None,
        "failure_code": None,
        "gateway_id": None,
        "asked_ms": 12,
        "actor": "sweep",
        "key_ttl": 100,
        "refund_id": None,
    }
    if name == "settle_payment":
        named["payment_id"] = a_payment(sql, status="PENDING", **then, **fields)
    else:
        named["payment_id"] = a_payment(sql, reserved_amount="10.00", **then)
        named["refund_id"] = a_refund(sql, named["payment_id"], status="PENDING", **then, **fields)
    return named | {"key_hash": a_key(sql, named["payment_id"], refund_id=named["refund_id"])}


@every_end
def test_the_life_of_a_key_begins_when_its_answer_is_stored(place: Place, name: str, status: str) -> None:
    sql = place.sql
    sql.run("BEGIN")
    sql.run(statement(name), claimed(sql, name) | {"status": status})
    assert sql.value("SELECT extract(epoch FROM expires_at - now()) FROM idempotency_keys") == 100
    sql.run("ROLLBACK")


@every_end
def test_whatever_is_settled_says_when(place: Place, name: str, status: str) -> None:
    sql = place.sql
    sql.run("BEGIN")
    sql.run(statement(name), claimed(sql, name) | {"status": status})
    updated = "SELECT updated_at = now() AS at FROM payments UNION ALL SELECT updated_at = now() FROM payment_refunds"
    assert {row["at"] for row in sql.run(updated)} == {True}
    sql.run("ROLLBACK")


@pytest.mark.parametrize("status", ["SUCCESS", "FAILED"])
def test_what_the_customer_was_to_do_is_erased_whoever_settles(place: Place, status: str) -> None:
    """Functions of the version before know nothing of it."""
    payment_id = a_payment(place.sql, status="PENDING", next_action='{"kind": "redirect"}')
    place.sql.run("UPDATE payments SET refunded_amount = 0")
    assert place.sql.value("SELECT next_action ->> 'kind' FROM payments") == "redirect"
    move(place.sql, "payments", {"payment_id": payment_id}, {"status": status})
    assert place.sql.value("SELECT next_action FROM payments") is None


@pytest.mark.parametrize("name", SUCCEEDED)
@pytest.mark.parametrize(("told", "kept"), [(None, "the_first"), ("another", "another")])
def test_what_the_gateway_calls_it_is_kept_unless_it_is_told_otherwise(
    place: Place, name: str, told: str | None, kept: str
) -> None:
    parameters = claimed(place.sql, name, gateway_id="the_first")
    place.sql.run(statement(name), parameters | {"status": SUCCEEDED[name], "gateway_id": told})
    table = "payments" if name == "settle_payment" else "payment_refunds"
    assert place.sql.value(f"SELECT gateway_id FROM {table}") == kept


def test_refunds_of_one_payment_are_told_in_the_order_of_their_effect(place: Place) -> None:
    """Also where the settle that began first has to wait for its row and is overtaken."""
    sql = place.sql
    payment_id = a_payment(sql, reserved_amount="20.00")
    settles = []
    for reference in ("REF-slow", "REF-fast"):
        refund_id = a_refund(sql, payment_id, status="PENDING", reference=reference)
        named = {
            "payment_id": payment_id,
            "refund_id": refund_id,
            "key_hash": a_key(sql, payment_id, refund_id=refund_id),
        }
        settles.append(
            named
            | {"status": "REFUNDED", "failure_code": None, "gateway_id": None}
            | {"key_ttl": 100, "asked_ms": 12, "actor": "sweep"}
        )
    slow, fast = settles
    with place.connection() as holder, place.connection() as waiting:
        holder.run("BEGIN")
        holder.run("SELECT FROM payment_refunds WHERE refund_id = %(refund_id)s FOR UPDATE", slow)
        backend = waiting.backend
        waiting.start(statement("settle_refund"), slow)
        while not sql.value("SELECT count(*) FROM pg_locks WHERE pid = %s AND NOT granted", (backend,)):
            pass
        sql.run(statement("settle_refund"), fast)
        holder.run("COMMIT")
        waiting.finish()
    told = sql.run("SELECT event_id, data ->> 'refunded_amount' AS back FROM outbox ORDER BY created_at")
    assert told == [
        {"event_id": "REF-fast.refunded", "back": "10.00"},
        {"event_id": "REF-slow.refunded", "back": "20.00"},
    ]
