"""What happened to a payment's money: who, when and what, from what the books keep."""

import json
from decimal import Decimal
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shared.charging.by_hand import settle_by_hand
from shared.charging.lease import take_over
from shared.charging.settle import note_contradiction
from shared.gateways.facts import ChargeFact
from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.late.charge import follow_charge
from shared.late.dispute import follow_dispute
from shared.late.ring import Ring
from shared.platform.database import Database
from shared.platform.database.statements import statement
from shared.platform.log import function_name
from shared.reading import payments
from shared.reading.queries import Page, read_page
from shared.web.problems import Problem
from tests.sql.rows import a_payment, a_refund
from tests.sql.samples import SAMPLES
from tests.support.cluster import Place
from tests.support.ringing import a_dispute_fact
from tests.support.till import Till, a_caller, shown
from tools.openapi.schemas import SCHEMAS

TRIPS, DESK = a_caller("trips"), a_caller("desk")
Json = dict[str, Any]


def page(database: Database, payment_id: int, page: Page) -> Json:
    found: Json = json.loads(payments.events(database, payment_id, page))
    return found


def events(till: Till, payment_id: int) -> list[Json]:
    """All of a payment's, the oldest first."""
    found = page(till.database, payment_id, Page(limit=100))
    assert found["next_cursor"] is None
    validator = Draft202012Validator({"$ref": "#/components/schemas/Event", "components": {"schemas": SCHEMAS}})
    for event in found["data"]:
        validator.validate(event)
        assert list(event) == list(SCHEMAS["Event"]["properties"])
    return list(found["data"][::-1])


def kinds(events: list[Json]) -> list[tuple[str, str | None]]:
    return [(event["type"], event["actor"]) for event in events]


@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_a_charge_is_asked_for_and_charged(till: Till, method: str) -> None:
    payment = shown(till.pay(method=method, caller=TRIPS))
    found = events(till, payment["payment_id"])
    assert kinds(found) == [("payment.requested", TRIPS.name), ("payment.succeeded", TRIPS.name)]
    assert [event["event_id"] for event in found] == [
        f"{payment['reference']}.{end}" for end in ("requested", "succeeded")
    ]
    assert found[0]["time"] == payment["created_at"]
    assert {(event["amount"], event["currency"], event["refund_id"]) for event in found} == {(150.0, "INR", None)}


def test_while_nobody_shows_a_token_nobody_is_named(till: Till) -> None:
    assert kinds(events(till, shown(till.pay())["payment_id"])) == [
        ("payment.requested", None),
        ("payment.succeeded", None),
    ]


def test_a_decline_says_why(till: Till) -> None:
    till.gateway.next(Declined("card_declined"))
    found = events(till, shown(till.pay(caller=TRIPS))["payment"]["payment_id"])
    assert kinds(found) == [("payment.requested", TRIPS.name), ("payment.failed", TRIPS.name)]
    assert [event["failure_code"] for event in found] == [None, "card_declined"]


def test_refunds_are_asked_for_and_given_back_or_not(till: Till) -> None:
    payment_id = shown(till.pay(caller=TRIPS))["payment_id"]
    part = shown(till.refund(payment_id, "10.00", caller=DESK, metadata={"reason": "late"}))
    till.gateway.next(Declined("expired"))
    declined = shown(till.refund(payment_id, "20.00", caller=TRIPS))["refund"]
    till.gateway.next(Unknown("time-out"))
    open_one = shown(till.refund(payment_id, "30.00", caller=DESK))
    found = events(till, payment_id)[2:]
    assert kinds(found) == [
        ("refund.requested", DESK.name),
        ("payment.refunded", DESK.name),
        ("refund.requested", TRIPS.name),
        ("refund.failed", TRIPS.name),
        ("refund.requested", DESK.name),
    ]
    assert [(event["refund_id"], event["amount"]) for event in found] == [
        *[(part["refund_id"], 10.0)] * 2,
        *[(declined["refund_id"], 20.0)] * 2,
        (open_one["refund_id"], 30.0),
    ]
    assert [event["reason"] for event in found] == ["late", None, None, None, None]
    assert [event["failure_code"] for event in found] == [None, None, None, "expired", None]


def test_the_ids_and_correlation_ids_are_those_that_the_sink_is_told(till: Till, place: Place) -> None:
    payment_id = shown(till.pay())["payment_id"]
    till.refund(payment_id, "10.00")
    till.gateway.next(Declined("expired"), Declined("no"))
    till.refund(payment_id, "20.00")
    failed = shown(till.pay())["payment"]["payment_id"]
    found = {event["event_id"]: event for each in (payment_id, failed) for event in events(till, each)}
    told = place.sql.run("SELECT event_id, type, correlation_id FROM outbox")
    assert len(told) == 4
    for row in told:
        assert f"com.ridehailing.{found[row['event_id']]['type']}.v1" == row["type"]
        assert found[row["event_id"]]["correlation_id"] == row["correlation_id"]


def test_what_was_told_stays_listed_when_the_outbox_is_emptied(till: Till, place: Place) -> None:
    payment_id = shown(till.pay())["payment_id"]
    before = events(till, payment_id)
    till.refund(payment_id, "10.00")
    place.sql.run("TRUNCATE outbox, idempotency_keys")
    assert events(till, payment_id)[:2] == before


@pytest.mark.parametrize("succeeded", [True, False])
def test_what_was_settled_by_hand_names_the_operator_and_what_the_gateway_said(till: Till, succeeded: bool) -> None:
    till.gateway.next(Unknown("time-out"))
    till.gateway.finding = Unknown("busy")
    payment_id = shown(till.pay(caller=TRIPS))["payment_id"]
    settle_by_hand(till.deps, str(payment_id), succeeded, "asha", "the bank said so")
    asked, by_hand, end = events(till, payment_id)
    assert (asked["type"], asked["actor"]) == ("payment.requested", TRIPS.name)
    assert (by_hand["type"], by_hand["actor"], by_hand["reason"]) == (
        "payment.settled_by_hand",
        "asha",
        "the bank said so",
    )
    assert (by_hand["gateway_said"], by_hand["forced"]) == ("not known (busy)", False)
    assert (end["type"], end["actor"]) == ("payment.succeeded" if succeeded else "payment.failed", "asha")
    assert len({event["correlation_id"] for event in (asked, by_hand, end)}) == 1


def test_of_refunds_too_and_of_no_other(till: Till) -> None:
    payment_id = shown(till.pay(caller=TRIPS))["payment_id"]
    till.refund(payment_id, "5.00", caller=TRIPS)
    till.gateway.next(Unknown("time-out"))
    till.gateway.finding = Succeeded("re_1")
    reference = shown(till.refund(payment_id, "10.00", caller=TRIPS))["reference"]
    settle_by_hand(till.deps, reference, False, "asha", "money came back", force=True)
    found = events(till, payment_id)
    assert [event["actor"] for event in found] == [*[TRIPS.name] * 5, "asha", "asha"]
    assert [event["type"] for event in found[-2:]] == ["refund.settled_by_hand", "refund.failed"]
    assert (found[-2]["forced"], found[-2]["amount"], found[-2]["refund_id"]) == (True, 10.0, found[-1]["refund_id"])


def test_a_contradiction_of_the_gateway_s_is_listed(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    payment_id = shown(till.pay(key="k", caller=TRIPS))["payment_id"]
    lease = take_over(till.deps, bytes(place.sql.value("SELECT key_hash FROM idempotency_keys")))
    assert lease
    place.sql.run("UPDATE idempotency_keys SET locked_at = NULL")
    settle_by_hand(till.deps, str(payment_id), False, "asha", "it never came", force=True)
    function_name.set("sweep")
    note_contradiction(till.deps, lease, Succeeded("ch_9"))
    last = events(till, payment_id)[-1]
    assert (last["type"], last["actor"]) == ("payment.contradicted", "sweep")
    assert (last["reason"], last["gateway_said"]) == ("stored as FAILED, settled_by_hand", "succeeded")


def paid_late(till: Till) -> int:
    """A payment that had failed and that the gateway has as paid."""
    till.gateway.next(Declined("card_declined", "pi_1"))
    payment = shown(till.pay(caller=TRIPS))["payment"]
    fact = ChargeFact("pi_1", payment["reference"], "succeeded", payment["amount"], payment["currency"], None, {})
    follow_charge(till.deps, Ring("scripted", "charge", "pi_1", 1, 0, 0.0), fact)
    return int(payment["payment_id"])


def test_what_was_paid_late_and_given_back_stays_failed_and_says_so(till: Till, place: Place) -> None:
    found = events(till, paid_late(till))
    assert [event["type"] for event in found] == [
        "payment.requested",
        "payment.failed",
        "payment.contradicted",
        "refund.requested",
        "payment.given_back",
    ]
    assert [event["actor"] for event in found[-2:]] == [None, None]
    assert found[-1]["event_id"] == place.sql.value("SELECT event_id FROM outbox WHERE type LIKE '%given_back%'")


def test_what_was_paid_late_and_adopted_failed_first(till: Till, place: Place) -> None:
    till.change(late_payment="adopt")
    function_name.set("gateway_webhook")
    found = events(till, paid_late(till))
    assert kinds(found) == [
        ("payment.requested", TRIPS.name),
        ("payment.failed", TRIPS.name),
        ("payment.contradicted", "gateway_webhook"),
        ("payment.adopted", "gateway_webhook"),
        ("payment.succeeded", TRIPS.name),
    ]
    assert found[1]["time"] < found[2]["time"] < found[3]["time"] == found[4]["time"]
    assert [event["event_id"] for event in (found[1], found[4])] == [
        row["event_id"] for row in place.sql.run("SELECT event_id FROM outbox ORDER BY created_at")
    ]


def test_what_the_books_had_lost_was_asked_for_when_it_was_and_entered_by_whoever_did_it(
    till: Till, place: Place
) -> None:
    payment_id = place.sql.value(statement("enter_payment"), SAMPLES["enter_payment"])
    found = events(till, payment_id)
    assert kinds(found) == [("payment.requested", None), ("payment.entered", "asha@ops-1")]
    assert (found[0]["time"], found[1]["reason"]) == ("2026-11-20T08:00:00.000000Z", "restored")


@pytest.mark.parametrize(
    ("statuses", "listed"),
    [
        (["OPEN"], ["opened"]),
        (["INQUIRY", "OPEN", "LOST"], ["opened", "lost"]),
        (["OPEN", "WON"], ["opened", "won"]),
        (["WITHDRAWN"], ["withdrawn"]),
        (["INQUIRY", "WITHDRAWN", "OPEN"], ["opened"]),
    ],
)
def test_a_dispute_is_listed_as_the_sink_is_told_and_nobody_s_doing(
    till: Till, place: Place, statuses: list[str], listed: list[str]
) -> None:
    payment_id = shown(till.pay(caller=TRIPS))["payment_id"]
    charge_id = place.sql.value("SELECT gateway_id FROM payments")
    for status in statuses:
        fact = a_dispute_fact(charge_id=charge_id, status=status, amount=Decimal("100.00"))
        follow_dispute(till.deps, Ring("scripted", "dispute", "du_1", 1, 0, 0.0), fact)
    found = events(till, payment_id)[2:]
    assert kinds(found) == [(f"payment.dispute.{each}", None) for each in listed]
    assert {(event["amount"], event["refund_id"]) for event in found} == {(100.0, None)}
    assert [event["reason"] for event in found if event["type"].endswith("opened")] == ["fraudulent"] * (
        "opened" in listed
    )
    told = {row["event_id"]: row["type"] for row in place.sql.run("SELECT event_id, type FROM outbox")}
    for event in found:
        assert told[event["event_id"]] == f"com.ridehailing.{event['type']}.v1"


def test_a_row_of_the_seed_was_imported_and_nothing_else_is_known(till: Till, place: Place) -> None:
    for status in ("SUCCESS", "FAILED", "PENDING"):
        payment_id = a_payment(place.sql, gateway=None, status=status)
        place.sql.run(
            "INSERT INTO payment_receipts (payment_id, amount, currency) SELECT payment_id, amount, currency FROM payments"
            " WHERE payment_id = %s AND status = 'SUCCESS'",
            (payment_id,),
        )
        assert kinds(events(till, payment_id)) == [("payment.imported", None)]


def test_what_an_older_version_asked_for_has_neither_caller_nor_correlation_id(till: Till, place: Place) -> None:
    payment_id = a_payment(place.sql)
    a_refund(place.sql, payment_id)
    found = events(till, payment_id)
    assert [event["type"] for event in found] == ["payment.requested", "refund.requested", "payment.refunded"]
    assert {(event["actor"], event["correlation_id"]) for event in found} == {(None, None)}


def test_pages_together_are_the_whole_whatever_came_at_one_moment(till: Till, place: Place) -> None:
    """Refunds that were asked for, settled, and settled by hand at one moment: each event once, in one order."""
    payment_id = a_payment(place.sql, created_at="2026-11-22 12:00Z")
    for number in range(12):
        a_refund(
            place.sql,
            payment_id,
            status=("REFUNDED", "FAILED", "PENDING")[number % 3],
            created_at=f"2026-11-22 12:00:0{number // 6}Z",
            updated_at=f"2026-11-22 12:00:0{number // 4}Z",
        )
    a_refund(
        place.sql, payment_id, status="REVERSED", created_at="2026-11-22 12:00:00Z", updated_at="2026-11-22 12:00:01Z"
    )
    place.sql.run(
        "INSERT INTO audit_log (at, actor, action, payment_id, refund_id, outcome, reason, gateway_said)"
        " SELECT updated_at, 'asha', 'settle_refund', payment_id, refund_id, 'failed', 'r', 'g' FROM payment_refunds"
        " WHERE status = 'FAILED'"
    )
    whole = events(till, payment_id)[::-1]
    assert len(whole) == 1 + 13 + 9 + 4 + 1
    assert whole[0]["type"] == "refund.reversed"
    assert [event["time"] for event in whole] == sorted((event["time"] for event in whole), reverse=True)
    for limit in (1, 2, 5, 24, 25):
        listed: list[Json] = []
        cursor: list[tuple[str, str]] = []
        while True:
            found = page(till.database, payment_id, read_page([("limit", str(limit)), *cursor]))
            listed += found["data"]
            if found["next_cursor"] is None:
                break
            cursor = [("cursor", found["next_cursor"])]
        assert listed == whole


def test_a_refund_that_came_back_was_given_back_before(till: Till, place: Place) -> None:
    payment_id = shown(till.pay())["payment_id"]
    refund_id = a_refund(place.sql, payment_id, status="REVERSED", failure_code="lost_card", source="gateway")
    for action, outcome in (("enter_refund", "succeeded"), ("reverse_refund", "failed")):
        place.sql.run(
            "INSERT INTO audit_log (at, actor, action, payment_id, refund_id, outcome, reason, gateway_said)"
            " SELECT created_at, 'sweep', %s, payment_id, refund_id, %s, 'r', 'g' FROM payment_refunds",
            (action, outcome),
        )
    reference = place.sql.value("SELECT reference FROM payment_refunds")
    found = events(till, payment_id)[2:]
    assert [(event["type"], event["failure_code"]) for event in found] == [
        ("refund.requested", None),
        ("payment.refunded", None),
        ("refund.reversed", "lost_card"),
    ]
    assert {(event["refund_id"], event["actor"]) for event in found} == {(refund_id, None)}
    assert found[-1]["event_id"] == f"{reference}.reversed"


def test_a_page_behind_the_last_is_empty_and_no_payment_is_not_found(till: Till) -> None:
    payment_id = shown(till.pay())["payment_id"]
    assert page(till.database, payment_id, Page(before="2000-01-01", before_id=1)) == {"data": [], "next_cursor": None}
    with pytest.raises(Problem) as refused:
        page(till.database, payment_id + 1, Page())
    assert refused.value.code == "payment_not_found"
