"""The gateway that the tests bring along: its balance, what moves it without us, and mistakes that are planted in its books."""

import time
from typing import Any

import pytest
import requests

from tests.fakes.gateway import StripeLike
from tests.fakes.stripe_balance import Balance, Made
from tests.fakes.stripe_requests import Refusal


def get(gateway: StripeLike, path: str, *query: tuple[str, str]) -> Any:
    headers = {"Authorization": "Bearer sk_test_1"}
    return requests.get(f"{gateway.url}/v1/{path}", query, headers=headers, timeout=5).json()


def moved(gateway: StripeLike, *query: tuple[str, str]) -> list[tuple[str, int, int]]:
    """The type, amount and fee of each transaction, oldest first."""
    listed = get(gateway, "balance_transactions", *query)["data"]
    return [(each["type"], each["amount"], each["fee"]) for each in reversed(listed)]


def a_charge(gateway: StripeLike, amount: int = 3650, **more: Any) -> str:
    return str(gateway.control({"act": "charge_elsewhere", "amount": amount, **more})["id"])


def test_a_charge_of_somebody_else_is_paid_and_bears_what_they_say(gateway: StripeLike) -> None:
    nobody_s = a_charge(gateway)
    like_ours = a_charge(gateway, 15000, metadata={"reference": "PAY-1"}, method="upi")
    assert moved(gateway) == [("charge", 3650, 370), ("payment", 15000, 600)]
    [newest, oldest] = get(gateway, "balance_transactions", ("expand[]", "data.source"))["data"]
    assert [each["source"]["payment_intent"] for each in (newest, oldest)] == [like_ours, nobody_s]
    assert [each["source"]["metadata"] for each in (newest, oldest)] == [{"reference": "PAY-1"}, {}]
    assert (oldest["net"], oldest["status"], oldest["reporting_category"]) == (3280, "pending", "charge")
    charge_id = get(gateway, "balance_transactions")["data"][0]["source"]
    assert get(gateway, f"charges/{charge_id}")["payment_intent"] == like_ours
    gateway.control({"act": "refund_in_dashboard", "reference": "PAY-1", "amount": 5000})
    assert moved(gateway)[-1] == ("payment_refund", -5000, 0)


def test_money_leaves_with_a_refund_and_comes_back_where_it_fails(gateway: StripeLike) -> None:
    intent_id = a_charge(gateway)
    for mode in ("", "pending", "pending_failed", "failed", "canceled", "requires_action", "comes_back"):
        gateway.books.create_refund([("payment_intent", intent_id), ("amount", "100")], mode)
    gateway.control({"skip": 2})
    gateway.ledger()
    back = moved(gateway)[1:]
    assert back.count(("refund", -100, 0)) == 5
    assert back.count(("refund_failure", 100, 0)) == len(back) - 5 == 3


@pytest.mark.parametrize(
    ("steps", "amounts"),
    [
        (["won"], [(-3650, 1500), (3650, 0)]),
        (["under_review", "lost"], [(-3650, 1500)]),
    ],
)
@pytest.mark.parametrize("inquiry", [True, False])
def test_a_dispute_takes_the_money_as_it_is_opened_and_gives_it_back_as_it_is_won(
    gateway: StripeLike, steps: list[str], amounts: list[tuple[int, int]], inquiry: bool
) -> None:
    dispute = gateway.control({"act": "open_dispute", "on": a_charge(gateway), "inquiry": inquiry})
    assert len(moved(gateway)) == (1 if inquiry else 2)
    for status in [*(["needs_response"] if inquiry else []), *steps]:
        gateway.control({"act": "move_dispute", "on": dispute["id"], "status": status})
    assert moved(gateway, ("source", dispute["id"])) == [("adjustment", amount, fee) for amount, fee in amounts]


def test_an_inquiry_that_ends_takes_nothing(gateway: StripeLike) -> None:
    dispute = gateway.control({"act": "open_dispute", "on": a_charge(gateway), "inquiry": True})
    gateway.control({"act": "move_dispute", "on": dispute["id"], "status": "warning_closed"})
    assert moved(gateway) == [("charge", 3650, 370)]


def test_the_balance_is_what_moved_less_fees_and_is_paid_out(gateway: StripeLike) -> None:
    a_charge(gateway)
    a_charge(gateway, 500, currency="usd")
    gateway.control({"act": "take_fee", "amount": 80})
    assert gateway.ledger()["balance"] == {"inr": 3200, "usd": 190}
    payout = gateway.control({"act": "pay_out"})
    assert gateway.ledger()["balance"] == {"inr": 0, "usd": 190}
    gateway.control({"act": "payout_fails", "on": payout["id"]})
    assert moved(gateway, ("currency", "inr"))[1:] == [
        ("stripe_fee", -80, 0),
        ("payout", -3200, 0),
        ("payout_failure", 3200, 0),
    ]
    assert get(gateway, "balance")["available"] == [
        {"amount": 3200, "currency": "inr"},
        {"amount": 190, "currency": "usd"},
    ]


def test_money_of_another_currency_is_exchanged(gateway: StripeLike) -> None:
    gateway.control({"exchange": {"usd": ["inr", 80]}})
    intent_id = a_charge(gateway, 500, currency="usd")
    gateway.control({"act": "refund_in_dashboard", "on": intent_id, "amount": 100})
    assert moved(gateway) == [("charge", 40000, 24800), ("refund", -8000, 0)]
    assert gateway.ledger()["balance"] == {"inr": 7200}
    assert get(gateway, f"payment_intents/{intent_id}")["currency"] == "usd"


def test_an_amount_is_changed_of_an_object_and_what_moved_for_it_or_of_one_transaction(gateway: StripeLike) -> None:
    intent_id = a_charge(gateway)
    refund = gateway.control({"act": "refund_in_dashboard", "on": intent_id, "amount": 650})
    gateway.control({"act": "change", "on": intent_id, "amount": 4000})
    gateway.control({"act": "change", "on": refund["id"], "amount": 700})
    assert moved(gateway) == [("charge", 4000, 370), ("refund", -700, 0)]
    assert get(gateway, f"payment_intents/{intent_id}")["amount"] == 4000
    [newest, oldest] = get(gateway, "balance_transactions", ("expand[]", "data.source"))["data"]
    assert (newest["source"]["amount"], oldest["source"]["amount"]) == (700, 4000)
    gateway.control({"act": "change", "on": oldest["id"], "amount": 5000})
    assert moved(gateway)[0] == ("charge", 5000, 370)
    assert get(gateway, f"payment_intents/{intent_id}")["amount"] == 4000


def test_a_status_is_changed_without_a_word(gateway: StripeLike) -> None:
    intent_id = a_charge(gateway)
    refund = gateway.control({"act": "refund_in_dashboard", "on": intent_id})
    told = len(gateway.books.events.written)
    gateway.control({"act": "change", "on": refund["id"], "status": "failed"})
    gateway.control({"act": "change", "on": intent_id, "status": "canceled"})
    listed = get(gateway, "balance_transactions", ("expand[]", "data.source"))["data"]
    assert [each["source"]["status"] for each in listed] == ["failed", "failed"]
    assert get(gateway, f"payment_intents/{intent_id}")["status"] == "canceled"
    assert len(gateway.books.events.written) == told


def test_what_is_dropped_is_in_the_books_no_more(gateway: StripeLike) -> None:
    first, second = a_charge(gateway), a_charge(gateway, 5000)
    gateway.control({"act": "drop_movement", "on": first})
    assert moved(gateway) == [("charge", 5000, 400)]
    assert gateway.ledger()["balance"] == {"inr": 4600}
    gateway.control({"act": "drop_movement", "on": get(gateway, "balance_transactions")["data"][0]["id"]})
    assert moved(gateway) == []
    assert get(gateway, f"payment_intents/{second}")["status"] == "succeeded"
    with pytest.raises(ValueError, match="drop_movement is refused"):
        gateway.control({"act": "drop_movement", "on": first})


@pytest.mark.parametrize("asked", [("surprise", "1"), ("limit", "101"), ("expand[]", "data.everything")])
def test_what_stripe_does_not_take_of_a_list_is_refused(gateway: StripeLike, asked: tuple[str, str]) -> None:
    assert get(gateway, "balance_transactions", asked)["error"]["type"] == "invalid_request_error"


def test_a_page_of_a_million_costs_what_the_first_costs() -> None:
    balance = Balance(time.time)
    balance.made = Made(1_000_000, 1_780_000_000, 1_780_086_400)
    asked = [
        ("limit", "100"),
        ("created[gte]", "1780000000"),
        ("created[lt]", "1780086400"),
        ("expand[]", "data.source"),
    ]

    def processor_seconds(after: str) -> float:
        began = time.process_time()
        for _ in range(3):
            page = balance.list([*asked, ("starting_after", after)])
        assert len(page["data"]) == 100
        return time.process_time() - began

    newest, middle, oldest = (processor_seconds(f"txn_{number:012d}") for number in (1_000_000, 500_000, 200))
    assert max(newest, middle, oldest) < 50 * min(newest, middle, oldest)
    last = balance.list([*asked, ("starting_after", "txn_000000000101")])
    assert (len(last["data"]), last["has_more"], last["data"][-1]["source"]["metadata"]["payment_id"]) == (
        100,
        False,
        "1",
    )
    with pytest.raises(Refusal):
        balance.list([*asked, ("starting_after", "txn_000001000001")])
