"""What is stuck, listed and settled by hand, with an entry in the audit trail."""

import pytest

from shared.gateway import Declined, Succeeded, Unknown
from shared.pending import NotSettled, list_pending, settle_by_hand
from tests.sql.rows import a_payment
from tests.support.cluster import Place
from tests.support.gateway import ScriptedGateway, Turn
from tests.support.ledger import Till, shown


@pytest.fixture
def stuck(till: Till) -> int:
    """A charge of 150.00 whose outcome is not known."""
    till.gateway.next(Unknown("time-out"))
    return int(shown(till.pay(key="k"))["payment_id"])


def by_hand(till: Till, which: object, succeeded: bool = True) -> str:
    return settle_by_hand(till.database, till.gateway, str(which), succeeded, "asha", "the bank said so")


def test_nothing_is_listed_where_nothing_is_stuck(till: Till, place: Place) -> None:
    till.pay()
    a_payment(place.sql, status="PENDING", gateway=None)
    assert list_pending(till.database, till.gateway) == []


SAYINGS: list[tuple[Turn | None, str]] = [
    (Succeeded("x"), "succeeded"),
    (Declined("expired"), "declined (expired)"),
    (Unknown("busy"), "not known (busy)"),
    (None, "never heard of it"),
]


@pytest.mark.parametrize(("found", "said"), SAYINGS)
def test_the_list_says_what_the_gateway_says_now_and_charges_nothing(
    till: Till, stuck: int, found: Turn | None, said: str
) -> None:
    till.gateway.finding = found
    [line] = list_pending(till.database, till.gateway)
    assert line.startswith(f"payment {stuck} ")
    assert "150.00 INR" in line
    assert line.endswith(said)
    assert till.gateway.verbs() == ["charge", "find_charge"]


def test_what_is_stuck_longest_is_listed_first_refunds_too(till: Till, place: Place, stuck: int) -> None:
    paid = shown(till.pay(amount="20.00"))["payment_id"]
    till.gateway.next(Unknown("time-out"))
    till.refund(paid, "5.00")
    lines = list_pending(till.database, till.gateway)
    assert [line.split("  ")[0] for line in lines] == [f"payment {stuck}", f"refund of payment {paid}"]


@pytest.mark.parametrize(("succeeded", "status", "answered"), [(True, "SUCCESS", 201), (False, "FAILED", 402)])
def test_settling_by_hand_ends_it_as_any_settling_does(
    till: Till, place: Place, stuck: int, succeeded: bool, status: str, answered: int
) -> None:
    assert "asha" in by_hand(till, stuck, succeeded)
    row = place.sql.run("SELECT status, failure_code FROM payments")[0]
    assert (row["status"], row["failure_code"]) == (status, None if succeeded else "settled_by_hand")
    assert till.pay(key="k").status == answered
    assert place.sql.value("SELECT count(*) FROM outbox") == 1
    audit = place.sql.run("SELECT *, xmin::text AS by, (SELECT xmin::text FROM payments) AS settled_by FROM audit_log")
    assert [(e["actor"], e["action"], e["payment_id"], e["outcome"], e["reason"]) for e in audit] == [
        ("asha", "settle_payment", stuck, "succeeded" if succeeded else "failed", "the bank said so")
    ]
    assert audit[0]["gateway_said"] == "never heard of it"
    assert audit[0]["by"] == audit[0]["settled_by"]


def test_a_refund_is_named_by_its_reference(till: Till, place: Place) -> None:
    paid = shown(till.pay(amount="20.00"))["payment_id"]
    till.gateway.next(Unknown("time-out"))
    reference = shown(till.refund(paid, "5.00"))["reference"]
    by_hand(till, reference, succeeded=False)
    assert place.sql.run("SELECT reserved_amount, refunded_amount FROM payments") == [
        {"reserved_amount": 0, "refunded_amount": 0}
    ]
    assert place.sql.value("SELECT action FROM audit_log") == "settle_refund"


@pytest.mark.parametrize("which", ["999", "PAY-nothing", "", "1; DROP TABLE payments"])
def test_what_is_not_pending_is_not_settled(till: Till, stuck: int, place: Place, which: str) -> None:
    with pytest.raises(NotSettled, match="is not pending"):
        by_hand(till, which)
    assert place.sql.value("SELECT count(*) FROM audit_log") == 0


def test_what_is_settled_already_is_not_settled_again(till: Till, place: Place, stuck: int) -> None:
    till.pay(key="k")
    with pytest.raises(NotSettled):
        by_hand(till, stuck, succeeded=False)
    assert place.sql.value("SELECT status FROM payments") == "SUCCESS"


def test_what_is_being_worked_on_is_not_settled(till: Till, place: Place, stuck: int) -> None:
    place.sql.run("UPDATE idempotency_keys SET locked_at = now()")
    with pytest.raises(NotSettled, match="worked on"):
        by_hand(till, stuck)
    assert place.sql.value("SELECT status FROM payments") == "PENDING"


def test_what_is_settled_while_the_gateway_is_asked_leaves_no_audit_entry(till: Till, place: Place, stuck: int) -> None:
    def meanwhile(_: object) -> Unknown:
        place.sql.run("UPDATE idempotency_keys SET locked_at = NULL")
        till.pay(key="k")
        return Unknown("busy")

    till.gateway.finding = meanwhile
    with pytest.raises(NotSettled, match="in the meantime"):
        by_hand(till, stuck, succeeded=False)
    assert place.sql.value("SELECT status FROM payments") == "SUCCESS"
    assert place.sql.value("SELECT count(*) FROM audit_log") == 0


def test_a_charge_of_another_gateway_is_listed_and_may_be_settled(till: Till, place: Place, stuck: int) -> None:
    till.gateway = ScriptedGateway("another")
    [line] = list_pending(till.database, till.gateway)
    assert line.endswith("cannot be asked, this is another")
    by_hand(till, stuck)
    assert till.gateway.calls == []
    assert place.sql.value("SELECT status FROM payments") == "SUCCESS"
