"""Asking again because a person wants to know: what is pending is carried on, what is settled only looked at."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.charging.ask_again import Told, ask_again
from shared.gateways.protocol import Declined, Outcome, Succeeded, Unknown
from shared.web.problems import Problem
from tests.sql.rows import a_payment
from tests.support.cluster import Place
from tests.support.gateway import ScriptedGateway
from tests.support.till import Till, shown

KEPT = (
    "SELECT refund_id, asked, step, how, said, actor FROM gateway_askings ORDER BY refund_id NULLS FIRST, asked, step"
)


def told(place: Place) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in place.sql.run(KEPT)]


@pytest.fixture
def pending(till: Till) -> int:
    """A charge of 150.00 whose outcome is not known."""
    till.gateway.next(Unknown("time-out"))
    return int(shown(till.pay(key="k"))["payment_id"])


ENDS: list[tuple[Outcome, str, str]] = [
    (Succeeded("pi_1"), "SUCCESS", "succeeded"),
    (Declined("expired"), "FAILED", "declined (expired)"),
    (Unknown("busy"), "PENDING", "not known (busy)"),
]


@pytest.mark.parametrize(("outcome", "status", "said"), ENDS)
def test_a_pending_charge_is_carried_on_as_by_its_client(
    till: Till, place: Place, pending: int, outcome: Outcome, status: str, said: str
) -> None:
    till.gateway.next(outcome)
    [answer] = ask_again(till.deps, pending, "asha")
    assert answer == Told(None, said)
    assert place.sql.value("SELECT status FROM payments") == status
    assert place.sql.value("SELECT locked_at FROM idempotency_keys") is None
    assert {row[-1] for row in told(place)[1:]} == {"asha"}
    assert till.gateway.calls[1][0] == "charge"


def test_a_pending_refund_too_and_no_other(till: Till, place: Place) -> None:
    payment_id = shown(till.pay())["payment_id"]
    till.refund(payment_id, "1.00")
    till.gateway.next(Unknown("time-out"), Unknown("time-out"))
    asked = [shown(till.refund(payment_id, amount))["refund_id"] for amount in ("2.00", "3.00")]
    assert ask_again(till.deps, payment_id, "asha", asked[0]) == [Told(asked[0], "succeeded")]
    assert ask_again(till.deps, payment_id, "asha") == [Told(asked[1], "succeeded")]
    assert place.sql.value("SELECT refunded_amount FROM payments") == 6
    assert [row for row in told(place) if row[-1]] == [
        (refund_id, 2, 1, "refund", "succeeded", "asha") for refund_id in asked
    ]


def test_while_somebody_asks_nobody_else_does(till: Till, place: Place, pending: int) -> None:
    place.sql.run("UPDATE idempotency_keys SET locked_at = now()")
    [answer] = ask_again(till.deps, pending, "asha")
    assert answer == Told(None, "somebody is asking at this moment", asked=False)
    assert till.gateway.verbs() == ["charge"]


SETTLED: list[tuple[Outcome, Outcome | None, str, int]] = [
    (Succeeded("pi_1"), Succeeded("pi_1"), "succeeded", 0),
    (Declined("expired"), Declined("expired"), "declined (expired)", 0),
    (Succeeded("pi_1"), Unknown("busy"), "not known (busy)", 0),
    (Declined("expired"), Succeeded("pi_1"), "succeeded", 1),
    (Succeeded("pi_1"), Declined("refunded", "pi_1"), "declined (refunded)", 1),
]


@pytest.mark.parametrize(("stored", "found", "said", "contradictions"), SETTLED)
def test_what_is_settled_is_only_looked_at(
    till: Till, place: Place, stored: Outcome, found: Outcome, said: str, contradictions: int
) -> None:
    till.gateway.next(stored)
    payment = shown(till.pay())
    payment_id = payment.get("payment", payment)["payment_id"]
    before = place.sql.run("SELECT * FROM payments")
    till.gateway.finding = found
    place.sql.run("TRUNCATE idempotency_keys")
    for number in (2, 3):
        assert ask_again(till.deps, payment_id, "asha") == [Told(None, said)]
        assert told(place)[-1] == (None, 1, number, "find", said.split(" (")[0].replace("not known", "unknown"), "asha")
    assert till.gateway.verbs() == ["charge", "find_charge", "find_charge"]
    assert place.sql.run("SELECT * FROM payments") == before
    assert place.sql.value("SELECT count(*) FROM audit_log WHERE action = 'contradiction'") == contradictions


def test_so_is_a_refund_that_is_settled(till: Till, place: Place) -> None:
    payment_id = shown(till.pay())["payment_id"]
    refund_id = shown(till.refund(payment_id, "5.00"))["refund_id"]
    assert ask_again(till.deps, payment_id, "asha", refund_id) == [Told(refund_id, "succeeded")]
    verb, request = till.gateway.calls[-1]
    assert (verb, request.gateway_id, request.amount) == ("find_refund", f"scr_{request.reference}", 5)
    assert request.charge_id == f"scr_{till.gateway.calls[0][1].reference}"
    assert told(place) == [(refund_id, 1, 2, "find", "succeeded", "asha")]


def test_whoever_looks_at_the_same_moment_is_kept_too(till: Till, place: Place) -> None:
    payment_id = shown(till.pay())["payment_id"]
    with ThreadPoolExecutor(4) as people:
        answers = list(people.map(lambda _: ask_again(till.deps, payment_id, "asha"), range(4)))
    assert answers == [[Told(None, "succeeded")]] * 4
    assert [row[2] for row in told(place)] == [2, 3, 4, 5]


def test_where_there_is_nobody_to_ask_it_says_so(till: Till, place: Place) -> None:
    cash = shown(till.pay(method="CASH"))["payment_id"]
    imported = a_payment(place.sql, gateway=None, status="PENDING")
    assert ask_again(till.deps, cash, "asha") == [Told(None, "cash asks nobody", asked=False)]
    [answer] = ask_again(till.deps, imported, "asha")
    assert not answer.asked
    card = shown(till.pay())["payment_id"]
    till.gateway = ScriptedGateway("another")
    [answer] = ask_again(till.deps, card, "asha")
    assert (answer.asked, "settings are absent" in answer.said) == (False, True)
    assert told(place) == []


@pytest.mark.parametrize("refund_id", [None, 9])
def test_of_what_is_not_there_nobody_is_asked(till: Till, refund_id: int | None) -> None:
    payment_id = shown(till.pay())["payment_id"]
    with pytest.raises(Problem) as refused:
        ask_again(till.deps, payment_id + (refund_id is None), "asha", refund_id)
    assert refused.value.code == "payment_not_found"


def test_a_refund_of_another_payment_is_not_there(till: Till) -> None:
    first, second = (shown(till.pay())["payment_id"] for _ in range(2))
    refund_id = shown(till.refund(first, "1.00"))["refund_id"]
    with pytest.raises(Problem):
        ask_again(till.deps, second, "asha", refund_id)
