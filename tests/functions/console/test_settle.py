"""Settling by hand in the console: exactly what `make pending SETTLE` does."""

import pytest

from shared.charging.by_hand import settle_by_hand
from shared.gateways.protocol import Declined, Succeeded, Unknown
from tests.functions.console.conftest import Shown, Visitor
from tests.support.cluster import Place
from tests.support.hostile import MARKUP
from tests.support.till import Till, a_caller, shown

KNOWN = {"outcome": "failed", "reason": "The bank confirmed it", "comment": "ticket 8841"}


@pytest.fixture
def stuck(till: Till) -> str:
    """The reference of a charge of 150.00 whose outcome is not known."""
    return a_stuck_one(till)


def a_stuck_one(till: Till) -> str:
    till.gateway.next(Unknown("time-out"))
    return str(shown(till.pay())["reference"])


def settled(visitor: Visitor, reference: str, **fields: str) -> Shown:
    return visitor.post(f"/console/settle/{reference}", **fields)


def test_the_form_says_what_is_pending_and_what_the_gateway_says_now(
    visitor: Visitor, till: Till, place: Place, stuck: str
) -> None:
    till.gateway.finding = Declined("expired_card")
    page = visitor.get(f"/console/settle/{stuck}")
    assert page.status == 200
    assert stuck in page.text
    assert "₹150.00" in page.text
    assert "declined (expired_card)" in page.text
    assert "force" not in page.fields
    assert till.gateway.verbs() == ["charge", "find_charge"]
    assert place.sql.value("SELECT status FROM payments") == "PENDING"


def test_the_audit_trail_has_the_same_entry_as_by_the_command(
    visitor: Visitor, till: Till, place: Place, stuck: str
) -> None:
    till.gateway.finding = Unknown("busy")
    visitor.caller = a_caller("asha")._replace(permissions=frozenset({"payments:read", "payments:settle"}))
    answer = settled(visitor, stuck, **KNOWN)
    assert (answer.status, answer.headers["Location"]) == (303, "/console/payments/1")
    other = a_stuck_one(till)
    settle_by_hand(till.deps, other, False, visitor.caller.name, "The bank confirmed it: ticket 8841")
    columns = "actor, action, refund_id, outcome, reason, gateway_said, gateway_id, forced"
    first, second = place.sql.run(f"SELECT {columns} FROM audit_log ORDER BY audit_id")
    assert first == second
    statuses = place.sql.run("SELECT status, failure_code FROM payments ORDER BY payment_id")
    assert statuses[0] == statuses[1]


def test_whoever_settles_while_the_service_is_open_is_known_by_the_address(
    visitor: Visitor, till: Till, place: Place, stuck: str
) -> None:
    till.gateway.finding = Unknown("busy")
    visitor.post(f"/console/settle/{stuck}", {"Sec-Fetch-Site": "same-origin", "X-Caller-Address": "10.1.2.3"}, **KNOWN)
    assert place.sql.value("SELECT actor FROM audit_log") == "console (open) address 10.1.2.3"


def test_against_the_gateway_only_once_it_said_so_and_somebody_insists(
    visitor: Visitor, till: Till, place: Place, stuck: str
) -> None:
    till.gateway.finding = Succeeded("scr_1")
    page = settled(visitor, stuck, **KNOWN)
    assert page.status == 409
    assert "the gateway says otherwise. It says: succeeded" in page.text
    assert page.fields["force"] == "yes"
    assert "ticket 8841" in page.text
    assert place.sql.value("SELECT status FROM payments") == "PENDING"
    assert settled(visitor, stuck, **KNOWN, force="yes").status == 303
    [entry] = place.sql.run("SELECT forced, gateway_said, outcome FROM audit_log")
    assert (entry["forced"], entry["gateway_said"], entry["outcome"]) == (True, "succeeded", "failed")


def test_outcome_reason_and_comment_are_required(visitor: Visitor, place: Place, stuck: str) -> None:
    wrong = (
        ("outcome", ""),
        ("outcome", "lost"),
        ("reason", ""),
        ("reason", "mine"),
        ("comment", " "),
        ("comment", "x" * 501),
    )
    for field, value in wrong:
        page = settled(visitor, stuck, **KNOWN | {field: value})
        assert page.status == 400
        assert any(each.get("id") == f"{field}-fault" for each in page.all("p"))
    assert place.sql.value("SELECT status FROM payments") == "PENDING"


def test_a_comment_is_kept_and_shown_as_text(visitor: Visitor, till: Till, place: Place, stuck: str) -> None:
    till.gateway.finding = Unknown("busy")
    settled(visitor, stuck, **KNOWN | {"comment": MARKUP})
    assert place.sql.value("SELECT reason FROM audit_log") == f"The bank confirmed it: {MARKUP}"
    page = visitor.get("/console/payments/1")
    assert "Settled by hand as failed" in page.text
    assert "document.title='owned'" in page.text
    assert not page.all("script")[1:]


def test_what_is_not_pending_is_settled_by_nobody(visitor: Visitor, till: Till, stuck: str) -> None:
    till.gateway.finding = Unknown("busy")
    assert settled(visitor, stuck, **KNOWN).status == 303
    for page in (
        settled(visitor, stuck, **KNOWN),
        visitor.get(f"/console/settle/{stuck}"),
        visitor.get("/console/settle/x"),
    ):
        assert (page.status, "is not pending" in page.text) == (404, True)


def test_a_refund_is_settled_by_its_reference(visitor: Visitor, till: Till, place: Place, payment_id: int) -> None:
    till.gateway.next(Unknown("time-out"))
    reference = shown(till.refund(payment_id, "50.00"))["reference"]
    till.gateway.finding = Unknown("busy")
    assert "Refund₹50.00 Pending" in visitor.get(f"/console/settle/{reference}").text
    answer = settled(visitor, reference, **KNOWN | {"outcome": "succeeded"})
    assert answer.headers["Location"] == f"/console/payments/{payment_id}"
    assert place.sql.value("SELECT status FROM payment_refunds") == "REFUNDED"


def test_what_somebody_is_asking_about_is_not_settled(visitor: Visitor, place: Place, stuck: str) -> None:
    place.sql.run("UPDATE idempotency_keys SET locked_at = clock_timestamp()")
    page = settled(visitor, stuck, **KNOWN)
    assert (page.status, "Try again in a minute" in page.text) == (409, True)


def test_whoever_may_settle_and_not_look_is_told_that_it_is_done(visitor: Visitor, till: Till, stuck: str) -> None:
    till.gateway.finding = Unknown("busy")
    visitor.caller = a_caller("asha")._replace(permissions=frozenset({"payments:settle"}))
    page = settled(visitor, stuck, **KNOWN)
    assert (page.status, "payment 1 is settled as failed" in page.text) == (200, True)


def test_what_no_name_holds_names_nothing(visitor: Visitor) -> None:
    for address in ("/console/settle/%00", "/console/settle/1%00"):
        assert [page.status for page in (visitor.get(address), visitor.post(address, **KNOWN))] == [404, 404]
