"""The story of a payment: everything that is kept of what happened to it, oldest first, and how it stands."""

import json
from decimal import Decimal
from typing import Any

import pytest

from shared.charging.ask_again import ask_again
from shared.charging.by_hand import settle_by_hand
from shared.charging.lease import take_over
from shared.gateways.protocol import Declined, Unknown
from shared.late.dispute import follow_dispute
from shared.late.ring import Ring
from shared.reading import story as reading
from shared.reading.moments import (
    Asking,
    Claimed,
    EventSetAside,
    EventWritten,
    Lost,
    Moment,
    Reversed,
    Settled,
    SettledByHand,
)
from shared.reading.story import Story, story
from shared.web.problems import Problem
from tests.sql.rows import a_payment, a_refund
from tests.support.cluster import Place
from tests.support.ringing import a_dispute_fact
from tests.support.till import Died, Till, a_caller, shown

TRIPS, DESK = a_caller("trips"), a_caller("desk")


def of(till: Till, payment_id: int = 1) -> Story:
    till.publisher.drain()
    found = story(till.database, payment_id)
    assert [moment.at for moment in found.moments] == sorted(moment.at for moment in found.moments)
    return found


def kinds(found: Story) -> list[str]:
    return [moment.kind for moment in found.moments]


def only(found: Story, kind: type[Moment]) -> list[Any]:
    return [moment for moment in found.moments if isinstance(moment, kind)]


def test_a_charge_is_claimed_asked_for_settled_and_told(till: Till) -> None:
    payment = shown(till.pay(caller=TRIPS))
    found = of(till)
    assert kinds(found) == ["claimed", "asking", "settled", "event_written"]
    claimed, asking, settled, event = found.moments
    assert isinstance(claimed, Claimed)
    assert (claimed.actor, claimed.amount, claimed.imported) == (TRIPS.name, Decimal("150.00"), False)
    assert claimed.correlation_id
    assert isinstance(asking, Asking)
    assert (asking.asked, asking.step, asking.how, asking.said) == (1, 1, "charge", "succeeded")
    assert asking.gateway_id == f"scr_{payment['reference']}"
    assert isinstance(settled, Settled)
    assert (settled.succeeded, settled.code, settled.gateway_id) == (True, None, asking.gateway_id)
    assert isinstance(event, EventWritten)
    assert (event.event_id, event.attempts) == (f"{payment['reference']}.succeeded", 0)
    assert event.next_attempt_at
    assert json.loads(found.payment, parse_float=Decimal) == payment
    assert (found.gateway, found.account, found.currency) == ("scripted", None, "INR")
    assert (found.refunds, found.refunds_left_out, found.askings_left_out) == ([], 0, 0)
    assert (found.charge.status, found.charge.asked, found.charge.last) == ("SUCCESS", 1, asking)
    assert found.charge.agrees
    assert not found.charge.under_way
    assert found.charge.next_asking_at is None


def test_a_decline_says_why(till: Till) -> None:
    till.gateway.next(Declined("expired", "pi_1"))
    till.pay()
    found = of(till)
    assert kinds(found) == ["claimed", "asking", "settled", "event_written"]
    assert [(each.said, each.code) for each in only(found, Asking)] == [("declined", "expired")]
    assert [(each.succeeded, each.code) for each in only(found, Settled)] == [(False, "expired")]
    assert (found.charge.failure_code, found.charge.gateway_id, found.charge.agrees) == ("expired", "pi_1", True)


def test_a_refund_that_somebody_made_at_the_gateway_and_that_came_back_says_so(till: Till, place: Place) -> None:
    payment_id = shown(till.pay())["payment_id"]
    refund_id = a_refund(place.sql, payment_id, status="REVERSED", failure_code="lost_card", source="gateway")
    found = of(till, payment_id)
    [standing] = found.refunds
    assert (standing.status, standing.failure_code, standing.source) == ("REVERSED", "lost_card", "gateway")
    assert [moment.kind for moment in found.moments if moment.refund_id == refund_id] == [
        "claimed",
        "settled",
        "reversed",
    ]
    assert [claim.source for claim in only(found, Claimed)] == [None, "gateway"]
    assert [(settled.succeeded, settled.code) for settled in only(found, Settled)][-1] == (True, None)
    assert [(each.code, each.amount) for each in only(found, Reversed)] == [("lost_card", 10)]


def test_in_cash_nobody_is_asked(till: Till) -> None:
    till.pay(method="CASH")
    found = of(till)
    assert kinds(found) == ["claimed", "settled", "event_written"]
    assert (found.charge.last, found.charge.asked, found.charge.agrees) == (None, None, None)


def test_while_it_is_pending_it_says_what_was_said_and_when_it_is_asked_again(till: Till) -> None:
    till.gateway.next(Unknown("time-out", "pi_1"))
    till.pay(key="k")
    found = of(till)
    assert kinds(found) == ["claimed", "asking"]
    assert found.charge.last
    assert (found.charge.last.said, found.charge.last.why) == ("unknown", "time-out")
    assert (found.charge.status, found.charge.asked, found.charge.agrees) == ("PENDING", 1, None)
    assert found.charge.next_asking_at
    assert found.charge.next_asking_at > found.charge.last.at
    till.pay(key="k")
    assert kinds(of(till)) == ["claimed", "asking", "asking", "settled", "event_written"]


def test_of_whoever_died_nothing_is_known(till: Till, place: Place) -> None:
    for _ in range(2):
        till.database.dies_before = "settle_payment"
        with pytest.raises(Died):
            till.pay(key="k")
        till.database.dies_before = ""
        assert [lost.under_way for lost in only(of(till), Lost)][-1]
        place.sql.run("UPDATE idempotency_keys SET locked_at = now() - interval '1 min', ask_after = now()")
    [lost] = only(of(till), Lost)
    assert (lost.asked, lost.times, lost.under_way, lost.refund_id) == (2, 2, False, None)
    till.pay(key="k")
    found = of(till)
    assert kinds(found) == ["claimed", "lost", "asking", "settled", "event_written"]
    [lost], [asking] = only(found, Lost), only(found, Asking)
    assert (lost.asked, lost.times, asking.asked) == (2, 2, 3)


def test_somebody_who_asks_at_this_moment_is_seen(till: Till, place: Place) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k")
    assert take_over(till.deps, bytes(place.sql.value("SELECT key_hash FROM idempotency_keys")))
    found = of(till)
    assert found.charge.under_way
    assert found.charge.asked == 2
    assert [(lost.asked, lost.times, lost.under_way) for lost in only(found, Lost)] == [(2, 1, True)]
    assert kinds(found) == ["claimed", "asking", "lost"]


def test_what_a_version_before_settled_was_not_lost(till: Till, place: Place) -> None:
    till.pay()
    place.sql.run("ALTER TABLE payments DISABLE TRIGGER USER; UPDATE payments SET asked_ms = NULL")
    assert kinds(of(till)) == ["claimed", "settled", "event_written"]


def test_refunds_each_have_their_own(till: Till) -> None:
    payment_id = shown(till.pay(caller=TRIPS))["payment_id"]
    first = shown(till.refund(payment_id, "10.00", caller=DESK, metadata={"reason": "half the way"}))
    till.gateway.next(Unknown("time-out"), Declined("expired"))
    second = shown(till.refund(payment_id, "20.00", key="r"))
    till.refund(payment_id, "20.00", key="r")
    found = of(till)
    assert [refund.refund_id for refund in found.refunds] == [second["refund_id"], first["refund_id"]]
    assert [(refund.status, refund.asked, refund.agrees) for refund in found.refunds] == [
        ("FAILED", 2, True),
        ("REFUNDED", 1, True),
    ]
    told = [(moment.kind, moment.refund_id) for moment in found.moments if moment.refund_id]
    one, two = first["refund_id"], second["refund_id"]
    kinds_of = lambda refund_id: [kind for kind, each in told if each == refund_id]  # noqa: E731
    assert kinds_of(one) == ["claimed", "asking", "settled", "event_written"]
    assert kinds_of(two) == ["claimed", "asking", "asking", "settled", "event_written"]
    claimed = next(each for each in only(found, Claimed) if each.refund_id == one)
    assert (claimed.actor, claimed.reason, claimed.amount) == (DESK.name, "half the way", Decimal("10.00"))
    assert [each.event_id.rpartition(".")[2] for each in only(found, EventWritten)] == [
        "succeeded",
        "refunded",
        "failed",
    ]


def test_who_settled_it_by_hand_and_why_and_what_the_gateway_says_after(till: Till) -> None:
    till.gateway.next(Unknown("time-out"))
    till.pay(key="k", caller=TRIPS)
    till.gateway.finding = Declined("expired", "pi_1")
    settle_by_hand(till.deps, "1", True, "asha", "the bank said so", force=True)
    found = of(till)
    assert kinds(found) == ["claimed", "asking", "asking", "settled_by_hand", "settled", "event_written"]
    [by_hand] = only(found, SettledByHand)
    assert (by_hand.actor, by_hand.reason, by_hand.succeeded, by_hand.forced) == (
        "asha",
        "the bank said so",
        True,
        True,
    )
    assert by_hand.gateway_said == "declined (expired)"
    assert [asking.actor for asking in only(found, Asking)] == [None, "asha"]
    assert found.charge.agrees is False
    ask_again(till.deps, 1, "ravi")
    found = of(till)
    assert kinds(found)[-2:] == ["asking", "contradicted"]
    assert found.charge.last
    assert (found.charge.last.actor, found.charge.last.said) == ("ravi", "declined")


def test_events_are_delivered_set_aside_or_gone(till: Till, place: Place) -> None:
    till.pay()
    place.sql.run("UPDATE outbox SET refused_at = now(), refusals = 5, refusal = 'no', next_attempt_at = 'infinity'")
    [written], [aside] = only(of(till), EventWritten), only(of(till), EventSetAside)
    assert written.next_attempt_at is None
    assert (aside.refusals, aside.refusal) == (5, "no")
    place.sql.run("UPDATE outbox SET refused_at = NULL, delivered_at = now()")
    assert kinds(of(till))[-2:] == ["event_written", "event_delivered"]
    place.sql.run("TRUNCATE outbox, idempotency_keys")
    assert kinds(of(till)) == ["claimed", "asking", "settled"]


def test_a_dispute_is_told_once_and_its_events_as_all_are(till: Till, place: Place) -> None:
    till.pay(amount="150.00")
    charge_id = place.sql.value("SELECT gateway_id FROM payments")
    for status in ("OPEN", "LOST"):
        follow_dispute(
            till.deps,
            Ring("scripted", "dispute", "du_1", 1, 0, 0.0),
            a_dispute_fact(charge_id=charge_id, status=status),
        )
    found = of(till)
    assert (
        kinds(found).count("dispute_opened"),
        kinds(found).count("dispute_over"),
        kinds(found).count("claimed"),
    ) == (1, 1, 1)
    written = [moment.event_id for moment in found.moments if moment.kind == "event_written"]
    assert written[-2:] == ["du_1.opened", "du_1.lost"]


def test_a_row_of_the_seed_was_imported(till: Till, place: Place) -> None:
    for status in ("SUCCESS", "PENDING"):
        found = of(till, a_payment(place.sql, gateway=None, status=status))
        assert [each.imported for each in only(found, Claimed)] == [True]
        assert kinds(found) == ["claimed"]
        assert (found.gateway, found.charge.next_asking_at) == (None, None)


@pytest.mark.parametrize(
    ("recorded", "account"),
    [("acct_1/live#key-abc", "acct_1/live"), ("key-abc", None), (None, None), ("scripted", None)],
)
def test_an_account_is_named_where_it_has_a_name_and_never_by_its_key(
    till: Till, place: Place, recorded: str | None, account: str | None
) -> None:
    assert of(till, a_payment(place.sql, gateway_account=recorded)).account == account


def test_of_very_many_the_newest_are_there_and_the_others_counted(
    till: Till, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "REFUNDS", 2)
    monkeypatch.setattr(reading, "ASKINGS", 3)
    payment_id = shown(till.pay())["payment_id"]
    for _ in range(4):
        till.refund(payment_id, "1.00")
    for _ in range(5):
        ask_again(till.deps, payment_id, "asha")
    place.sql.run(
        "INSERT INTO gateway_askings (payment_id, refund_id, asked, step, how, said, duration_ms)"
        " SELECT %s, refund, 1, step, 'find', 'succeeded', 1 FROM unnest(ARRAY[1, 4]) AS refund, generate_series(2, 6) AS step",
        (payment_id,),
    )
    found = of(till)
    assert [refund.refund_id for refund in found.refunds] == [4, 3]
    assert (found.refunds_left_out, found.askings_left_out) == (2, 2 + 2 + 5)
    assert [
        (each.refund_id, each.step) for each in sorted(only(found, Asking), key=lambda a: (a.refund_id or 0, a.step))
    ] == [
        *((None, step) for step in (4, 5, 6)),
        (3, 1),
        *((4, step) for step in (4, 5, 6)),
    ]
    assert {moment.refund_id for moment in found.moments} == {None, 3, 4}
    assert only(found, Lost) == []


@pytest.mark.parametrize("happened", [1, 5, 6])
def test_it_begins_with_the_claim_however_much_happened_since(
    till: Till, monkeypatch: pytest.MonkeyPatch, happened: int
) -> None:
    monkeypatch.setattr(reading, "HAPPENED", happened)
    payment_id = shown(till.pay(caller=TRIPS))["payment_id"]
    for _ in range(2):
        till.refund(payment_id, "1.00")
    [first] = [each for each in only(of(till), Claimed) if each.refund_id is None]
    assert (first, first.actor) == (of(till).moments[0], TRIPS.name)


def test_no_payment_has_no_story(till: Till) -> None:
    with pytest.raises(Problem) as refused:
        story(till.database, 1)
    assert refused.value.code == "payment_not_found"
