"""Stripe's own books: what is asked for, and what is made of each balance transaction."""

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.facts import Movement, MovementPage
from shared.gateways.protocol import Succeeded, Unknown
from shared.gateways.stripe.gateway import Stripe
from shared.platform.http_client import LARGEST_REPLY
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.requests_of_ours import a_charge, a_refund

NOW = datetime.now(UTC)
SINCE, UNTIL = NOW - timedelta(hours=1), NOW + timedelta(hours=1)
REFERENCE = "PAY-20261122-0000000000000001"
CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "amount": 15000,
    "currency": "inr",
    "status": "succeeded",
    "payment_intent": "pi_1",
    "metadata": {"reference": REFERENCE, "payment_id": "1"},
}
REFUND = {
    "id": "re_1",
    "object": "refund",
    "amount": 5000,
    "currency": "inr",
    "status": "succeeded",
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "metadata": {"reference": "REF-1"},
}
DISPUTE = {
    "id": "du_1",
    "object": "dispute",
    "amount": 15000,
    "currency": "inr",
    "status": "needs_response",
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "created": 1780000000,
}
PAYOUT = {"id": "po_1", "object": "payout", "amount": 90000, "currency": "inr", "status": "in_transit"}
TRANSACTION = {
    "id": "txn_1",
    "object": "balance_transaction",
    "amount": 15000,
    "created": 1780000000,
    "currency": "inr",
    "exchange_rate": None,
    "fee": 600,
    "net": 14400,
    "reporting_category": "charge",
    "source": CHARGE,
    "status": "pending",
    "type": "charge",
}


def listed(*transactions: Any, has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(transactions), "has_more": has_more}


def page_of(stripe: Stripe, after: str | None = None) -> MovementPage:
    page = stripe.list_movements(SINCE, UNTIL, after, 5.0)
    assert isinstance(page, MovementPage)
    return page


@pytest.fixture
def moved(stripe: Stripe, gateway: StripeLike) -> Any:
    """Reads a transaction that is as the tests' is, but for these fields."""

    def moved(**fields: Any) -> Movement:
        gateway.say(200, listed(TRANSACTION | fields))
        [movement] = page_of(stripe).movements
        return movement

    return moved


def test_a_charge_moves_its_amount_and_costs_its_fee_also_while_it_is_pending(moved: Any) -> None:
    assert moved() == Movement(
        movement="txn_1",
        kind="charge",
        at=datetime.fromtimestamp(1780000000, UTC),
        object_id="pi_1",
        charge_id="pi_1",
        reference=REFERENCE,
        amount=Decimal("150.00"),
        fee=Decimal("6.00"),
        currency="INR",
        object_amount=Decimal("150.00"),
        object_currency="INR",
        status="succeeded",
    )


def test_what_moved_in_a_time_is_asked_for_a_hundred_at_once_with_what_moved_it(
    stripe: Stripe, gateway: StripeLike
) -> None:
    since = datetime(2026, 11, 26, 18, 29, 59, 999999, UTC)
    stripe.list_movements(since, since + timedelta(seconds=10), "txn_9", 5.0)
    method, path, _, fields = gateway.requests[-1]
    assert (method, path) == ("GET", "/v1/balance_transactions")
    second = int(datetime(2026, 11, 26, 18, 30, tzinfo=UTC).timestamp())
    assert dict(fields) == {
        "created[gte]": str(second),
        "created[lt]": str(second + 10),
        "limit": "100",
        "starting_after": "txn_9",
        "expand[]": "data.source",
    }


@pytest.mark.parametrize(
    ("type_", "category", "source", "kind"),
    [
        ("charge", "charge", CHARGE, "charge"),
        ("payment", "charge", CHARGE, "charge"),
        ("refund", "refund", REFUND, "refund"),
        ("payment_refund", "refund", REFUND, "refund"),
        ("refund", "partial_capture_reversal", CHARGE, "other"),
        ("refund_failure", "refund_failure", REFUND, "refund_failure"),
        ("payment_failure_refund", "refund_failure", REFUND, "refund_failure"),
        ("payment_failure_refund", "charge_failure", CHARGE, "other"),
        ("adjustment", "refund_failure", REFUND, "refund_failure"),
        ("adjustment", "dispute", DISPUTE, "dispute"),
        ("adjustment", "dispute_reversal", DISPUTE, "dispute"),
        ("adjustment", "fee", None, "fee"),
        ("adjustment", "other_adjustment", None, "other"),
        ("payout", "payout", PAYOUT, "payout"),
        ("payout_failure", "payout_reversal", PAYOUT, "payout"),
        ("payout_cancel", "payout_reversal", PAYOUT, "payout"),
        ("stripe_fee", "fee", None, "fee"),
        ("stripe_fx_fee", "fee", None, "fee"),
        ("tax_fee", "tax", None, "fee"),
        ("network_cost", "network_cost", None, "fee"),
        ("topup", "topup", {"id": "tu_1", "object": "topup"}, "other"),
        ("new_type", "new_category", {"id": "new_1", "object": "new"}, "other"),
    ],
)
def test_each_type_of_transaction_has_a_kind_and_none_is_left_out(
    moved: Any, type_: str, category: str, source: Any, kind: str
) -> None:
    movement = moved(type=type_, reporting_category=category, source=source)
    named = None if source is None else "pi_1" if source is CHARGE else source["id"]
    assert (movement.kind, movement.object_id) == (kind, named)


def test_a_refund_goes_out_and_comes_back_where_it_fails(moved: Any) -> None:
    out = moved(type="refund", source=REFUND, amount=-5000, fee=0)
    assert out[3:9] == ("re_1", "pi_1", "REF-1", Decimal("-50.00"), Decimal("0.00"), "INR")
    back = moved(type="refund_failure", source=REFUND | {"status": "failed"}, amount=5000, fee=0)
    assert (back.object_id, back.charge_id, back.amount) == ("re_1", "pi_1", Decimal("50.00"))
    assert (back.object_amount, back.status) == (Decimal("50.00"), "failed")


def test_a_dispute_takes_the_money_and_a_fee_and_gives_them_back(moved: Any) -> None:
    taken = moved(type="adjustment", source=DISPUTE, amount=-15000, fee=1500)
    assert taken[3:9] == ("du_1", "pi_1", None, Decimal("-150.00"), Decimal("15.00"), "INR")
    assert (taken.object_amount, taken.status) == (Decimal("150.00"), "OPEN")
    won = moved(type="adjustment", source=DISPUTE | {"status": "won"}, amount=15000, fee=-1500)
    assert (won.amount, won.fee, won.status) == (Decimal("150.00"), Decimal("-15.00"), "WON")


def test_a_charge_in_another_currency_moves_in_the_account_s(moved: Any) -> None:
    movement = moved(source=CHARGE | {"amount": 500, "currency": "usd"}, amount=41550, exchange_rate=83.1)
    assert (movement.amount, movement.currency) == (Decimal("415.50"), "INR")
    assert (movement.object_amount, movement.object_currency) == (Decimal("5.00"), "USD")


def test_a_payout_may_be_of_more_than_any_charge(moved: Any) -> None:
    assert moved(type="payout", source=PAYOUT, amount=-(10**15), fee=0).amount == Decimal("-10000000000000.00")


@pytest.mark.parametrize(("status", "told"), [("succeeded", "succeeded"), ("pending", "open"), ("failed", "open")])
def test_a_charge_is_told_in_the_words_of_its_fact(moved: Any, status: str, told: str) -> None:
    assert moved(source=CHARGE | {"status": status}).status == told


def test_a_charge_that_no_intent_made_is_known_by_its_own_name(moved: Any) -> None:
    movement = moved(source=CHARGE | {"payment_intent": None, "metadata": {}})
    assert (movement.object_id, movement.charge_id, movement.reference) == ("ch_1", "ch_1", None)


@pytest.mark.parametrize("status", ["paid", "pending", "in_transit", "canceled", "failed"])
def test_a_payout_keeps_its_status(moved: Any, status: str) -> None:
    assert moved(type="payout", source=PAYOUT | {"status": status}).status == status


@pytest.mark.parametrize(
    ("type_", "source", "kind"),
    [
        ("charge", CHARGE | {"status": "new"}, "charge"),
        ("refund", REFUND | {"status": "new"}, "refund"),
        ("refund", REFUND | {"currency": None}, "refund"),
        ("adjustment", DISPUTE | {"status": ["won"]}, "dispute"),
        ("payout", PAYOUT | {"status": None}, "payout"),
        ("charge", "ch_1", "other"),
        ("charge", 7, "other"),
    ],
)
def test_what_moved_and_is_not_understood_is_told_and_what_it_moved_is_kept(
    moved: Any, caplog: pytest.LogCaptureFixture, type_: str, source: Any, kind: str
) -> None:
    with caplog.at_level(logging.WARNING):
        movement = moved(type=type_, source=source)
    assert (movement.kind, movement.amount, movement.status) == (kind, Decimal("150.00"), None)
    assert [record.getMessage() for record in caplog.records] == [
        "what a movement of the gateway is about is not understood"
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        *({"id": wrong} for wrong in (None, 7, "txn 1")),
        *({"created": wrong} for wrong in (None, 0, "1780000000", True)),
        *({"currency": wrong} for wrong in (None, "INR", ["inr"])),
        *({"amount": wrong} for wrong in (None, "15000", 150.5, True, 10**16)),
        *({"fee": wrong} for wrong in (None, "600", 6.5)),
        {"currency": "kwd", "fee": 123},
    ],
    ids=str,
)
def test_a_page_on_which_it_is_not_understood_how_much_moved_is_not_known(
    stripe: Stripe, gateway: StripeLike, wrong: Any
) -> None:
    gateway.say(200, listed(TRANSACTION, TRANSACTION | wrong))
    page = stripe.list_movements(SINCE, UNTIL, None, 5.0)
    assert isinstance(page, Unknown)
    assert next(iter(wrong)) in page.why or "fee" in page.why
    assert page.answered


@pytest.mark.parametrize("nonsense", [None, "txn_1", 7, []])
def test_a_transaction_that_is_none_makes_the_page_unknown(stripe: Stripe, gateway: StripeLike, nonsense: Any) -> None:
    gateway.say(200, listed(nonsense))
    assert isinstance(stripe.list_movements(SINCE, UNTIL, None, 5.0), Unknown)


def test_the_books_are_read_page_by_page_newest_first_and_each_movement_once(
    stripe: Stripe, gateway: StripeLike
) -> None:
    began = int(NOW.timestamp())
    gateway.control({"made": {"count": 250, "since": began, "until": began + 60}})
    pages = [page_of(stripe)]
    while (after := pages[-1].after) is not None:
        pages.append(page_of(stripe, after))
    movements = [each for page in pages for each in page.movements]
    assert [len(page.movements) for page in pages] == [100, 100, 50]
    assert [each.reference for each in movements] == [f"PAY-MADE-{number:09d}" for number in range(250, 0, -1)]
    assert movements == sorted(movements, key=lambda each: each.at, reverse=True)


def test_of_objects_that_are_too_long_for_one_answer_fewer_are_asked_for(stripe: Stripe, gateway: StripeLike) -> None:
    noted = {f"note{number}": "x" * 500 for number in range(50)}
    charged = [gateway.control({"act": "charge_elsewhere", "amount": 500, "metadata": noted})["id"] for _ in range(45)]
    pages = [page_of(stripe)]
    while (after := pages[-1].after) is not None:
        pages.append(page_of(stripe, after))
    assert [each.object_id for page in pages for each in page.movements] == charged[::-1]
    assert [len(page.movements) for page in pages] == [25, 20]


def test_one_object_that_is_too_long_is_told(stripe: Stripe, gateway: StripeLike) -> None:
    for _ in range(4):  # of 100, 25, 6 and 1
        gateway.say(200, b" " * (LARGEST_REPLY + 1))
    page = stripe.list_movements(SINCE, UNTIL, None, 5.0)
    assert page == Unknown("Stripe does not list: answer_too_long")
    assert [dict(fields)["limit"] for *_, fields in gateway.requests] == ["100", "25", "6", "1"]


def test_a_place_that_is_gone_and_a_list_that_does_not_go_on_are_begun_anew(
    stripe: Stripe, gateway: StripeLike
) -> None:
    gone = stripe.list_movements(SINCE, UNTIL, "txn_long_ago", 5.0)
    gateway.say(200, listed(TRANSACTION, has_more=True))
    stays = stripe.list_movements(SINCE, UNTIL, "txn_1", 5.0)
    assert isinstance(gone, Unknown)
    assert isinstance(stays, Unknown)
    assert gone.search_cursor == stays.search_cursor == ""


def test_a_limit_on_requests_is_waited_for_within_the_time_and_told_beyond_it(
    stripe: Stripe, gateway: StripeLike
) -> None:
    gateway.control({"limit_every": 2, "retry_after": 0.1})
    assert all(isinstance(stripe.list_movements(SINCE, UNTIL, None, 5.0), MovementPage) for _ in range(3))
    assert gateway.answers == {"200": 3, "429": 2}
    gateway.control({"limit_every": 1, "retry_after": 30})
    limited = stripe.list_movements(SINCE, UNTIL, None, 5.0)
    assert isinstance(limited, Unknown)
    assert (limited.answered, limited.retry_after) == (False, 30.0)


def test_what_was_charged_given_back_and_disputed_is_what_the_account_has(stripe: Stripe, gateway: StripeLike) -> None:
    charged = stripe.charge(a_charge())
    assert isinstance(charged, Succeeded)
    refunded = stripe.refund(a_refund(charged.gateway_id))
    gateway.control({"act": "refund_fails", "on": refunded.gateway_id})
    dispute = gateway.control({"act": "open_dispute", "on": charged.gateway_id})
    gateway.control({"act": "move_dispute", "on": dispute["id"], "status": "won"})
    gateway.control({"act": "take_fee", "amount": 200})
    payout = gateway.control({"act": "pay_out", "amount": 500})
    movements = page_of(stripe).movements
    assert [(each.kind, each.object_id, each.amount) for each in movements] == [
        ("payout", payout["id"], Decimal("-5.00")),
        ("fee", None, Decimal("-2.00")),
        ("dispute", dispute["id"], Decimal("36.50")),
        ("dispute", dispute["id"], Decimal("-36.50")),
        ("refund_failure", refunded.gateway_id, Decimal("10.00")),
        ("refund", refunded.gateway_id, Decimal("-10.00")),
        ("charge", charged.gateway_id, Decimal("36.50")),
    ]
    balance = sum(each.amount - each.fee for each in movements)
    assert gateway.ledger()["balance"] == {"inr": int(balance * 100)}
