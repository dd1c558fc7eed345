"""When a request that is not settled is due to be asked about, and which first."""

from typing import Any

import pytest

from shared.platform.database.statements import statement
from tests.sql.rows import CLAIM, a_key, a_payment
from tests.support.cluster import Place
from tests.support.sql import Sql

LEASED = {"lease_seconds": 60}


def lease(sql: Sql, name: str) -> None:
    """Has a statement take a lease on something: of its own, or of a payment that is due."""
    payment_id = a_payment(sql)
    wanted: dict[str, Any] = CLAIM | LEASED | {"payment_id": payment_id, "reason": None, "not_in": []}
    wanted |= {"gateways": ["scripted"], "accounts": ["acct_1"]}
    if not name.startswith("claim"):
        wanted |= {"key_hash": a_key(sql, payment_id)}
    sql.run(statement(name), wanted)


@pytest.mark.parametrize("name", ["claim_payment", "claim_refund", "lease_key", "lease_next"])
def test_what_is_leased_is_due_when_the_lease_is_over_and_not_before(place: Place, name: str) -> None:
    place.sql.run("BEGIN")
    lease(place.sql, name)
    assert place.sql.run(
        "SELECT ask_after - now() = '60 s' AS due, locked_at >= now() AS held FROM idempotency_keys"
    ) == [{"due": True, "held": True}]
    place.sql.run("ROLLBACK")


@pytest.mark.parametrize("plan", ["on", "off"], ids=["by its index", "by any other plan"])
def test_what_has_been_due_longest_comes_first(place: Place, plan: str) -> None:
    sql = place.sql
    sql.run(f"SET enable_indexscan = {plan}; SET enable_bitmapscan = {plan}")
    payment_id = a_payment(sql)
    for seconds in (10, 30, 20):
        a_key(
            sql,
            payment_id,
            correlation_id=f"{seconds} s ago",
            ask_after=sql.value("SELECT now() - %s * interval '1 s'", (seconds,)),
        )
    taken = [sql.run(statement("lease_next"), LEASED)[0]["key_hash"] for _ in range(3)]
    said = [
        sql.value("SELECT correlation_id FROM idempotency_keys WHERE key_hash = %s", (key_hash,)) for key_hash in taken
    ]
    assert said == ["30 s ago", "20 s ago", "10 s ago"]
    sql.run("RESET enable_indexscan; RESET enable_bitmapscan")
