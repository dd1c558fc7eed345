"""POST /payments/{payment_id}/refunds: every row of the contract, with the prefix /v1 and without."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.client import Client, new_key
from tests.e2e.service import Service, await_that

both_prefixes = pytest.mark.parametrize("prefix", ["", "/v1"])
CONTRACT = {
    "refund_id",
    "payment_id",
    "refund_amount",
    "currency",
    "status",
    "reason",
    "reference",
    "payment_status",
    "remaining_amount",
    "created_at",
}


@both_prefixes
@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_a_part_is_given_back_and_then_the_rest(client: Client, prefix: str, method: str) -> None:
    payment = client.pay(prefix=prefix, method=method).json
    part = client.refund(payment["payment_id"], None, prefix, amount=50.00, metadata={"reason": "Customer request"})
    assert part.status == 201
    assert set(part.json) >= CONTRACT
    assert '"refund_amount":50.00,' in part.text
    assert '"remaining_amount":100.00,' in part.text
    assert re.fullmatch(r"REF-\d{8}-[0-9A-HJKMNP-TV-Z]{16}", part.json["reference"])
    assert {
        "payment_id": payment["payment_id"],
        "currency": "INR",
        "status": "REFUNDED",
        "reason": "Customer request",
        "payment_status": "SUCCESS",
    }.items() <= part.json.items()
    rest = client.refund(payment["payment_id"], None, prefix)
    assert (rest.json["refund_amount"], rest.json["remaining_amount"]) == (100, 0)
    assert (rest.json["payment_status"], rest.json["reason"]) == ("REFUNDED", None)
    shown = client.get(f"/payments/{payment['payment_id']}").json
    assert (shown["status"], shown["refunded_amount"]) == ("REFUNDED", 150)
    client.refund(payment["payment_id"], None, prefix).problem(409, "payment_not_refundable")


@both_prefixes
def test_repeating_a_refund_gives_the_same_answer_and_gives_back_nothing(client: Client, prefix: str) -> None:
    payment_id, key = client.pay().json["payment_id"], new_key()
    first = client.refund(payment_id, key, prefix, amount=50)
    again = client.refund(payment_id, key, "" if prefix else "/v1", amount=50.0, metadata={})
    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (201, first.body, "true")
    client.refund(payment_id, key, prefix, amount=51).problem(422, "idempotency_key_reused")
    client.refund(client.pay().json["payment_id"], key, prefix, amount=50).problem(422, "idempotency_key_reused")
    assert client.get(f"/payments/{payment_id}").json["refunded_amount"] == 50


@both_prefixes
@pytest.mark.parametrize("payment_id", [999_999_999, 0, -1, 2**63, "x"])
def test_no_payment_no_refund(client: Client, prefix: str, payment_id: Any) -> None:
    client.refund(payment_id, None, prefix).problem(404, "payment_not_found")


@both_prefixes
def test_more_than_is_left_is_refused_and_the_key_not_used_up(client: Client, prefix: str) -> None:
    payment_id, key = client.pay(amount=100).json["payment_id"], new_key()
    client.refund(payment_id, key, prefix, amount=100.01).problem(422, "refund_exceeds_payment")
    client.refund(payment_id, None, prefix, amount=60)
    client.refund(payment_id, key, prefix, amount=40.01).problem(422, "refund_exceeds_payment")
    assert client.refund(payment_id, key, prefix, amount=40).json["payment_status"] == "REFUNDED"


@both_prefixes
def test_what_was_not_charged_and_what_is_history_is_not_refundable(client: Client, prefix: str) -> None:
    declined = client.pay(metadata={"simulate": "decline"}).json["payment"]["payment_id"]
    pending = client.pay(metadata={"simulate": "timeout"}).json["payment_id"]
    for payment_id in (declined, pending, 1, 350):
        client.refund(payment_id, None, prefix).problem(409, "payment_not_refundable")


@both_prefixes
def test_a_declined_refund_is_402_and_frees_what_it_reserved(client: Client, prefix: str) -> None:
    payment_id, key = client.pay().json["payment_id"], new_key()
    first = client.refund(payment_id, key, prefix, metadata={"simulate": "decline"})
    found = first.problem(402, "refund_declined")
    assert found["failure_code"]
    assert found["instance"] == f"/payments/{payment_id}/refunds"
    again = client.refund(payment_id, key, prefix, metadata={"simulate": "decline"})
    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (402, first.body, "true")
    assert client.refund(payment_id).json["refund_amount"] == 150


def test_refunds_at_the_same_moment_never_give_back_more_than_was_paid(service: Service, rows: Any) -> None:
    payment_id = Client(service.port).pay(amount=100).json["payment_id"]

    def give_back(_: int) -> int:
        return Client(service.port).refund(payment_id, amount=30).status

    with ThreadPoolExecutor(12) as clients:
        statuses = list(clients.map(give_back, range(12)))
    assert sorted(statuses) == [201] * 3 + [422] * 9
    state = "SELECT status, refunded_amount::text, reserved_amount::text FROM payments WHERE payment_id = %s"
    assert rows(state, payment_id) == [("SUCCESS", "90.00", "0.00")]


def test_refunds_are_listed_newest_first_and_by_the_page(client: Client) -> None:
    payment_id = client.pay().json["payment_id"]
    assert client.get(f"/payments/{payment_id}/refunds").json == {"data": [], "next_cursor": None}
    made = [client.refund(payment_id, amount=amount).json for amount in (10, 20, 30)]
    path = f"/v1/payments/{payment_id}/refunds"
    whole = client.get(path).json
    assert [refund["refund_id"] for refund in whole["data"]] == [refund["refund_id"] for refund in reversed(made)]
    assert whole["next_cursor"] is None
    page = client.get(f"{path}?limit=2").json
    last = client.get(f"{path}?limit=2&cursor={page['next_cursor']}").json
    assert page["data"] + last["data"] == whole["data"]
    assert last["next_cursor"] is None
    client.get("/payments/999999999/refunds").problem(404, "payment_not_found")


def test_a_refund_sends_an_event_with_the_payment_and_the_refund(client: Client, rows: Any) -> None:
    payment_id = client.pay().json["payment_id"]
    refund = client.refund(payment_id, amount=50).json
    events = "SELECT data FROM outbox WHERE subject = %s AND type = 'com.ridehailing.payment.refunded.v1'"
    ((data,),) = rows(events, f"payments/{payment_id}")
    assert (data["payment_id"], data["refunded_amount"]) == (payment_id, 50)
    assert data["refund"]["refund_id"] == refund["refund_id"]
    delivered = events.replace("SELECT data", "SELECT 1") + " AND delivered_at IS NOT NULL"
    await_that(lambda: rows(delivered, f"payments/{payment_id}") == [(1,)], "the event is delivered")
