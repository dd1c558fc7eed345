"""Refunds of one payment that meet in the database."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from shared.charging.idempotency import hash_key
from shared.gateways.protocol import Unknown
from shared.platform.database.statements import statement
from tests.faults.service import WAITING, eventually
from tests.support.cluster import Place
from tests.support.gateway import ScriptedGateway
from tests.support.till import Till, shown


@pytest.mark.parametrize("amount", [None, "150.00", "60.00"])
def test_a_refund_that_is_claimed_while_another_is_being_declined_gets_what_was_freed(
    till: Till, place: Place, gateway: ScriptedGateway, amount: str | None
) -> None:
    payment_id = shown(till.pay())["payment_id"]
    gateway.next(Unknown("no answer"))
    first = shown(till.refund(payment_id, key="first"))
    declined = {
        "status": "FAILED",
        "failure_code": "no_balance",
        "gateway_id": None,
        "key_ttl": 100,
        "asked_ms": 12,
        "actor": "sweep",
    }
    with place.connection() as other, ThreadPoolExecutor(1) as client:
        other.run("BEGIN")
        found = {"refund_id": first["refund_id"], "key_hash": hash_key("first", None, ""), "payment_id": payment_id}
        assert other.run(statement("settle_refund"), declined | found)
        # It sees the payment as it was, with all of it reserved, and waits for what becomes of that.
        second = client.submit(till.refund, payment_id, amount)
        eventually(lambda: place.sql.value(WAITING))
        other.run("COMMIT")
        answer = second.result()
    assert answer.status == 201
    assert shown(answer)["refund_amount"] == Decimal(amount or "150.00")
    assert place.sql.value("SELECT reserved_amount FROM payments") == 0
