"""Refunds that were rung for: whatever the gateway says of one, and in whichever order, the books follow it once."""

from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from typing import Any, cast

import pytest

from shared.charging.lease import take_over
from shared.gateways.facts import ChargeFact, Fact, Kind, RefundFact
from shared.gateways.protocol import Unknown
from shared.gateways.stripe.gateway import Stripe
from shared.late.made_elsewhere import PATIENCE
from shared.late.refund import follow_refund
from shared.late.ring import Left, Ring
from shared.web.problems import Problem
from tests.fakes.gateway import StripeLike
from tests.sql.test_totals import totals_equal_the_tables
from tests.support.cluster import Place
from tests.support.gateway import ScriptedGateway
from tests.support.races import at_once
from tests.support.till import Died, Till, WatchedDatabase, shown

STATUSES = {"succeeded": "succeeded", "failed": "failed", "canceled": "failed"}
BALANCES = "SELECT status, reserved_amount, refunded_amount, reversed_amount FROM payments WHERE payment_id = %s"
GONE_WRONG = (
    "SELECT refund_id, outcome, reason, gateway_id FROM audit_log WHERE action = 'contradiction' ORDER BY audit_id"
)


class Reading(Stripe):
    """Stripe, which shows of its charges what a test says."""

    shows: Fact | Unknown | None = None

    def read(self, kind: Kind, gateway_id: str, timeout: float) -> Fact | Unknown | None:
        return self.shows


class Desk:
    """A till whose payments are charged at a gateway like Stripe's, and somebody who refunds in that gateway's own pages."""

    def __init__(self, till: Till, place: Place, fake: StripeLike) -> None:
        self.till, self.place, self.fake = till, place, fake
        self.stripe = Reading("sk_test_1", fake.url, 5.0, certain_after=3600.0)
        till.gateway = cast(ScriptedGateway, self.stripe)
        till.change(idempotency_lock_timeout=60.0)
        self.payment_id = int(shown(till.pay(amount="100.00", payment_token="pm_card_visa"))["payment_id"])
        self.charge_id = next(iter(fake.books.intents))

    def give_back(self, amount: str, mode: str = "") -> str:
        """A refund that is made in the gateway's own pages; its id."""
        units = str(int(Decimal(amount) * 100))
        return str(self.fake.books.create_refund([("payment_intent", self.charge_id), ("amount", units)], mode)["id"])

    def becomes(self, refund_id: str, status: str) -> None:
        self.fake.books.refunds[refund_id] |= {"status": status, "failure_reason": "expired_or_canceled_card"}

    def read(self, refund_id: str) -> RefundFact:
        refund = self.fake.books.refund(refund_id)
        return RefundFact(
            refund_id,
            refund["metadata"].get("reference"),
            refund["payment_intent"],
            STATUSES.get(refund["status"], "pending"),  # type: ignore[arg-type]
            Decimal(refund["amount"]) / 100,
            "INR",
            refund.get("failure_reason"),
            refund,
        )

    def follow(self, fact: RefundFact | str, tries: int = 0) -> Left:
        fact = self.read(fact) if isinstance(fact, str) else fact
        return follow_refund(self.till.deps, Ring("stripe", "refund", fact.gateway_id, 1, tries, 0.0), fact)

    def newest(self) -> str:
        return list(self.fake.books.refunds)[-1]

    def balances(self) -> tuple[str, Decimal, Decimal, Decimal]:
        return tuple(self.place.sql.run(BALANCES, (self.payment_id,))[0].values())  # type: ignore[return-value]

    def refunds(self) -> list[tuple[str, str, Decimal]]:
        rows = self.place.sql.run("SELECT source, status, amount FROM payment_refunds ORDER BY refund_id")
        return [tuple(row.values()) for row in rows]  # type: ignore[misc]

    def contradictions(self) -> list[dict[str, Any]]:
        return self.place.sql.run(GONE_WRONG)

    def events(self) -> list[str]:
        rows = self.place.sql.run("SELECT type FROM outbox ORDER BY created_at")
        return [row["type"].removeprefix("com.ridehailing.").removesuffix(".v1") for row in rows][1:]

    def rung(self) -> list[tuple[str, str]]:
        return [tuple(row.values()) for row in self.place.sql.run("SELECT kind, object_id FROM gateway_rings")]  # type: ignore[misc]

    def balanced(self) -> bool:
        """Whether the books say of the money that went back what the gateway says."""
        self.till.sweep()
        totals_equal_the_tables(self.place.sql)
        went_back = sum(each["amount"] for each in self.fake.books.refunds.values() if each["status"] == "succeeded")
        _, reserved, refunded, _ = self.balances()
        of_rows = self.place.sql.value("SELECT coalesce(sum(amount), 0) FROM payment_refunds WHERE status = 'REFUNDED'")
        return bool(reserved == 0 and refunded == of_rows == Decimal(went_back) / 100)


@pytest.fixture(scope="module")
def one_fake() -> Iterator[StripeLike]:
    with StripeLike() as fake:
        yield fake


@pytest.fixture
def desk(till: Till, place: Place, one_fake: StripeLike) -> Desk:
    one_fake.control({"reset": True, "processing_seconds": 3600})
    return Desk(till, place, one_fake)


def pending(desk: Desk, amount: str = "60.00") -> tuple[str, str]:
    """A refund of ours that the gateway has not carried out yet: its id there, and its key."""
    desk.fake.control({"pending": 1})
    assert desk.till.refund(desk.payment_id, amount, key="k").status == 202
    desk.fake.control({"calm": True})
    return desk.newest(), "k"


@pytest.mark.parametrize("held", [False, True])
def test_a_pending_refund_that_succeeded_is_settled_whoever_holds_its_lease(desk: Desk, held: bool) -> None:
    refund_id, key = pending(desk)
    if held:
        desk.place.sql.run("UPDATE idempotency_keys SET locked_at = now() WHERE answer_status IS NULL")
    desk.becomes(refund_id, "succeeded")
    assert desk.follow(refund_id) is None
    answer = desk.till.refund(desk.payment_id, "60.00", key=key)
    assert (answer.status, shown(answer)["status"], shown(answer)["source"]) == (201, "REFUNDED", "client")
    assert desk.follow(refund_id) is None
    assert desk.refunds() == [("client", "REFUNDED", 60)]
    assert desk.events() == ["payment.refunded"]
    assert desk.balanced()


def test_a_pending_refund_that_failed_is_settled_by_whoever_holds_its_lease(desk: Desk) -> None:
    refund_id, key = pending(desk)
    desk.becomes(refund_id, "failed")
    key_hash = desk.place.sql.value("SELECT key_hash FROM idempotency_keys WHERE answer_status IS NULL")
    assert take_over(desk.till.deps, bytes(key_hash))
    assert desk.follow(refund_id) == "somebody is asking about it"
    desk.place.sql.run("UPDATE idempotency_keys SET locked_at = NULL")
    assert desk.follow(refund_id) is None
    assert shown(desk.till.refund(desk.payment_id, "60.00", key=key))["failure_code"] == "expired_or_canceled_card"
    assert desk.events() == ["refund.failed"]
    assert desk.balanced()


def test_a_refund_that_is_pending_there_too_waits(desk: Desk) -> None:
    refund_id, _ = pending(desk)
    assert desk.follow(refund_id) is None
    assert desk.balances() == ("SUCCESS", 60, 0, 0)


def test_a_refund_is_known_by_its_reference_before_its_name_is_written_down(desk: Desk) -> None:
    desk.fake.control({"lose": 1})
    assert desk.till.refund(desk.payment_id, "60.00").status == 202
    desk.fake.control({"calm": True})
    assert desk.place.sql.value("SELECT gateway_id FROM payment_refunds") is None
    assert desk.follow(desk.newest()) is None
    assert desk.refunds() == [("client", "REFUNDED", 60)]
    assert desk.place.sql.value("SELECT gateway_id FROM payment_refunds") == desk.newest()


def test_a_refund_that_came_back_is_the_payments_again_and_the_first_answer_stays(desk: Desk) -> None:
    first = desk.till.refund(desk.payment_id, key="k")
    assert desk.balances() == ("REFUNDED", 0, 100, 0)
    desk.becomes(desk.newest(), "failed")
    for _ in range(2):
        assert desk.follow(desk.newest()) is None
    assert desk.balances() == ("SUCCESS", 0, 0, 100)
    [refund] = desk.place.sql.run("SELECT * FROM payment_refunds")
    assert (refund["status"], refund["failure_code"]) == ("REVERSED", "expired_or_canceled_card")
    assert refund["reversed_at"] > refund["updated_at"], "when it was given back stays"
    assert desk.till.refund(desk.payment_id, key="k") == first.replayed()
    assert desk.events() == ["payment.refunded", "refund.reversed"]
    [event] = desk.place.sql.run("SELECT * FROM outbox WHERE type LIKE '%%reversed%%'")
    assert event["event_id"] == f"{refund['reference']}.reversed"
    assert (event["data"]["status"], event["data"]["refund"]["status"]) == ("SUCCESS", "REVERSED")
    [entry] = desk.place.sql.run("SELECT * FROM audit_log")
    assert (entry["action"], entry["refund_id"], entry["gateway_id"]) == (
        "reverse_refund",
        refund["refund_id"],
        desk.newest(),
    )
    assert desk.balanced()
    assert desk.till.refund(desk.payment_id).status == 201, "what came back may be given back again"
    assert desk.balances() == ("REFUNDED", 0, 100, 100)


def test_a_refund_that_is_said_to_be_given_back_after_it_came_back_is_read_again_and_then_a_persons(desk: Desk) -> None:
    desk.till.refund(desk.payment_id, "60.00")
    desk.becomes(desk.newest(), "failed")
    desk.follow(desk.newest())
    desk.becomes(desk.newest(), "succeeded")
    assert desk.follow(desk.newest(), tries=0) is not None
    assert desk.contradictions() == []
    assert desk.follow(desk.newest(), tries=1) is None
    assert [each["reason"].split(",")[0] for each in desk.contradictions()] == ["stored as REVERSED"]


def test_a_refund_of_the_gateways_own_pages_is_entered_and_settled(desk: Desk) -> None:
    refund_id = desk.give_back("30.00")
    for _ in range(2):
        assert desk.follow(refund_id) is None
        assert desk.refunds() == [("gateway", "REFUNDED", 30)]
    assert desk.balances() == ("SUCCESS", 0, 30, 0)
    assert desk.events() == ["payment.refunded"]
    [entry] = desk.place.sql.run("SELECT action, gateway_id FROM audit_log")
    assert entry == {"action": "enter_refund", "gateway_id": refund_id}
    assert desk.balanced()
    desk.becomes(refund_id, "failed")
    assert desk.follow(refund_id) is None
    assert desk.refunds() == [("gateway", "REVERSED", 30)]
    assert desk.balanced()


def test_a_refund_of_the_gateways_own_pages_that_is_not_final_is_reserved_until_it_is(desk: Desk) -> None:
    refund_id = desk.give_back("30.00", "pending")
    assert desk.follow(refund_id) is None
    assert desk.balances() == ("SUCCESS", 30, 0, 0)
    desk.becomes(refund_id, "failed")
    assert desk.follow(refund_id) is None
    assert desk.refunds() == [("gateway", "FAILED", 30)]
    assert desk.balanced()


def test_a_refund_of_the_gateways_own_pages_that_failed_is_none(desk: Desk) -> None:
    assert desk.follow(desk.give_back("30.00", "failed")) is None
    assert desk.refunds() == []


@pytest.mark.parametrize("dies", ["dies_after", "dies_before"])
def test_whoever_dies_between_entering_and_settling_leaves_it_to_a_sweep(desk: Desk, dies: str) -> None:
    refund_id, database = desk.give_back("30.00"), desk.till.database
    setattr(database, dies, "enter_refund" if dies == "dies_after" else "settle_refund")
    with pytest.raises(Died):
        desk.follow(refund_id)
    setattr(database, dies, "")
    assert desk.balances() == ("SUCCESS", 30, 0, 0)
    desk.place.sql.run("UPDATE idempotency_keys SET locked_at = NULL, ask_after = now() WHERE answer_status IS NULL")
    assert desk.balanced()
    assert desk.follow(refund_id) is None
    assert desk.refunds() == [("gateway", "REFUNDED", 30)]


def test_what_succeeded_after_all_is_noted_and_entered_beside_what_is_stored(desk: Desk) -> None:
    refund_id, _ = pending(desk)
    desk.becomes(refund_id, "failed")
    desk.follow(refund_id)
    desk.becomes(refund_id, "succeeded")
    for _ in range(2):
        assert desk.follow(refund_id) is None
    assert desk.refunds() == [("client", "FAILED", 60), ("gateway", "REFUNDED", 60)]
    [noted] = desk.contradictions()
    assert (noted["outcome"], noted["gateway_id"]) == ("succeeded", refund_id)
    assert desk.balanced()
    desk.becomes(refund_id, "failed")
    assert desk.follow(refund_id) is None
    assert desk.refunds() == [("client", "FAILED", 60), ("gateway", "REVERSED", 60)]


def test_a_second_refund_under_one_reference_is_noted_and_entered(desk: Desk) -> None:
    desk.till.refund(desk.payment_id, "30.00")
    second = desk.read(desk.give_back("30.00"))
    of_ours = second._replace(reference=desk.place.sql.value("SELECT reference FROM payment_refunds"))
    assert desk.follow(of_ours._replace(status="failed")) is None, "it says nothing of the first"
    assert desk.follow(of_ours) is None
    assert desk.refunds() == [("client", "REFUNDED", 30), ("gateway", "REFUNDED", 30)]
    assert len(desk.contradictions()) == 1
    assert desk.balanced()


def test_what_has_no_room_yet_is_entered_once_the_refund_that_reserved_it_failed(desk: Desk) -> None:
    ours, _ = pending(desk, "80.00")
    desk.becomes(ours, "failed")  # at the gateway; here it is still reserved
    refund_id = desk.give_back("30.00")
    assert desk.follow(refund_id) == "its payment has not as much left"
    assert desk.follow(ours) is None
    assert desk.follow(refund_id, tries=1) is None
    assert desk.refunds() == [("client", "FAILED", 80), ("gateway", "REFUNDED", 30)]
    assert desk.contradictions() == []
    assert desk.balanced()


def test_what_has_no_room_rings_for_the_refund_that_came_back(desk: Desk) -> None:
    desk.till.refund(desk.payment_id, "100.00")
    ours = desk.newest()
    desk.becomes(ours, "failed")
    refund_id = desk.give_back("100.00")
    assert desk.follow(refund_id) is not None
    assert desk.rung() == [("refund", ours)]
    assert desk.follow(ours) is None
    assert desk.follow(refund_id, tries=1) is None
    assert desk.refunds() == [("client", "REVERSED", 100), ("gateway", "REFUNDED", 100)]
    assert desk.balanced()


def test_what_exceeds_its_payment_for_good_is_a_persons(desk: Desk) -> None:
    desk.till.refund(desk.payment_id, "80.00")
    fact = desk.read(desk.give_back("20.00"))._replace(amount=Decimal("20.01"))
    assert desk.follow(fact, tries=PATIENCE - 1) is not None
    assert desk.contradictions() == []
    for tries in (PATIENCE, PATIENCE + 1):
        assert desk.follow(fact, tries=tries) is not None
    [noted] = desk.contradictions()
    assert (noted["refund_id"], noted["gateway_id"]) == (None, fact.gateway_id)
    assert desk.balances() == ("SUCCESS", 0, 80, 0)


@pytest.mark.parametrize("other", [{"amount": Decimal("59.00")}, {"currency": "USD"}])
def test_a_refund_of_ours_of_another_amount_is_a_persons(desk: Desk, other: dict[str, Any]) -> None:
    refund_id, _ = pending(desk)
    assert desk.follow(desk.read(refund_id)._replace(status="succeeded", **other)) is None
    assert desk.balances() == ("SUCCESS", 60, 0, 0)
    assert len(desk.contradictions()) == 1


def test_a_refund_in_another_currency_than_its_payment_is_a_persons(desk: Desk) -> None:
    assert desk.follow(desk.read(desk.give_back("30.00"))._replace(currency="USD")) is None
    assert (desk.refunds(), len(desk.contradictions())) == ([], 1)


def a_charge(desk: Desk, reference: str | None) -> ChargeFact:
    return ChargeFact(desk.charge_id, reference, "succeeded", Decimal(100), "INR", None, {})


def test_a_charge_whose_name_is_not_known_yet_is_rung_for(desk: Desk) -> None:
    refund_id = desk.give_back("30.00")
    reference = desk.place.sql.value("SELECT reference FROM payments")
    desk.place.sql.run("ALTER TABLE payments DISABLE TRIGGER USER; UPDATE payments SET gateway_id = NULL")
    desk.stripe.shows = a_charge(desk, reference)
    assert desk.follow(refund_id) is not None
    assert desk.rung() == [("charge", desk.charge_id)]
    desk.stripe.shows = Unknown("time-out")
    assert desk.follow(refund_id) == "time-out"


@pytest.mark.parametrize("reference", [None, "PAY-of-somebody-else", "not shown"])
def test_a_refund_of_a_charge_that_is_not_ours_is_dropped(desk: Desk, reference: str | None) -> None:
    fact = desk.read(desk.give_back("30.00"))._replace(charge_id="pi_another")
    desk.stripe.shows = None if reference == "not shown" else a_charge(desk, reference)
    assert desk.follow(fact) is None
    assert (desk.refunds(), desk.rung()) == ([], [])


def test_a_refund_of_a_charge_that_was_paid_late_waits_for_what_becomes_of_that(desk: Desk) -> None:
    till, charge_id = desk.till, desk.charge_id
    assert till.pay(trip_id=102, payment_token="pm_decline").status == 402
    late = desk.place.sql.value("SELECT gateway_id FROM payments WHERE status = 'FAILED'")
    fact = desk.read(desk.give_back("30.00"))._replace(charge_id=late)
    assert late != charge_id
    assert desk.follow(fact) == "its charge is FAILED here"
    assert desk.rung() == [("charge", late)]
    desk.place.sql.run("UPDATE payments SET late_charge_id = gateway_id WHERE status = 'FAILED'")
    assert desk.follow(fact) is None, "given back here, too: what went in and out is in no book"
    assert desk.refunds() == []


def test_a_refund_of_a_late_charge_that_came_back_touches_no_amount_and_is_a_persons(desk: Desk) -> None:
    desk.till.pay(trip_id=102, payment_token="pm_decline")
    sql = desk.place.sql
    payment = sql.run("SELECT * FROM payments WHERE status = 'FAILED'")[0]
    sql.run("UPDATE payments SET late_charge_id = gateway_id WHERE status = 'FAILED'")
    sql.run(
        "INSERT INTO payment_refunds (payment_id, amount, status, reference, source, charge_id, gateway_id)"
        " VALUES (%s, 150, 'PENDING', 'REF-late', 'late_payment', %s, 're_late')",
        (payment["payment_id"], payment["gateway_id"]),
    )
    sql.run("UPDATE payment_refunds SET status = 'REFUNDED'")
    fact = RefundFact("re_late", "REF-late", payment["gateway_id"], "failed", Decimal(150), "INR", "lost_card", {})
    for _ in range(2):
        assert desk.follow(fact) is None
    assert desk.refunds() == [("late_payment", "REVERSED", 150)]
    after = sql.run("SELECT * FROM payments WHERE status = 'FAILED'")[0]
    assert (after["refunded_amount"], after["reversed_amount"], after["updated_at"]) == (0, 0, payment["updated_at"])
    assert (len(desk.contradictions()), desk.events()[-1]) == (1, "refund.reversed")
    totals_equal_the_tables(sql)


def test_what_is_disputed_cannot_be_given_back_and_the_refusal_says_so(desk: Desk) -> None:
    desk.till.refund(desk.payment_id, "30.00")
    desk.place.sql.run("UPDATE payments SET disputed_amount = 60")
    for amount, code in (("10.01", "refund_exceeds_payment"), ("70.00", "refund_exceeds_payment")):
        with pytest.raises(Problem, match=r"10\.00 .* of which 60\.00 is disputed") as refused:
            desk.till.refund(desk.payment_id, amount)
        assert refused.value.code == code
    assert shown(desk.till.refund(desk.payment_id))["refund_amount"] == 10
    desk.place.sql.run("UPDATE payments SET disputed_amount = 100")
    with pytest.raises(Problem, match=r"of which 100\.00 is disputed") as refused:
        desk.till.refund(desk.payment_id)
    assert refused.value.code == "payment_not_refundable"
    assert desk.place.sql.value("SELECT (refund_json(r, p) ->> 'remaining_amount')::numeric FROM payments p"
                                " JOIN payment_refunds r USING (payment_id) LIMIT 1") == 0  # fmt: skip
    assert desk.follow(desk.give_back("30.00")) is None, "what was given back at the gateway was"
    assert desk.balanced()


@pytest.fixture
def busy(desk: Desk) -> Iterator[Desk]:
    """A desk with enough connections for all of a race to be in the database at once."""
    desk.till.database = WatchedDatabase(desk.place.settings(db_pool_size=16))
    yield desk
    desk.till.database.close()


def test_entered_by_many_at_once_it_is_entered_once(busy: Desk) -> None:
    fact = busy.read(busy.give_back("30.00"))
    at_once(*[partial(busy.follow, fact)] * 12)
    assert busy.follow(fact) is None
    assert busy.refunds() == [("gateway", "REFUNDED", 30)]
    assert (busy.events(), busy.contradictions()) == (["payment.refunded"], [])
    assert busy.balanced()


def test_reversed_by_many_at_once_it_is_reversed_once_while_others_are_claimed_and_settled(busy: Desk) -> None:
    busy.till.refund(busy.payment_id, "40.00")
    busy.becomes(busy.newest(), "failed")
    back = busy.read(busy.newest())
    ended = at_once(*[partial(busy.follow, back)] * 6, *[partial(busy.till.refund, busy.payment_id, "20.00")] * 6)
    assert ended.count(None) >= 1
    assert sorted(busy.events()).count("refund.reversed") == 1
    status, _, refunded, came_back = busy.balances()
    assert came_back == 40
    assert (status == "REFUNDED") == (refunded == 100)
    assert busy.balanced()


def test_entered_while_ours_are_claimed_no_more_is_given_back_than_there_is(busy: Desk) -> None:
    facts = [busy.read(busy.give_back("30.00")) for _ in range(2)]
    at_once(
        *[partial(busy.follow, fact) for fact in facts * 3],
        *[partial(busy.till.refund, busy.payment_id, "20.00") for _ in range(6)],
    )
    for fact in facts:
        assert busy.follow(fact, tries=1) is None
    assert sorted(busy.refunds())[-2:] == [("gateway", "REFUNDED", 30)] * 2
    assert busy.contradictions() == []
    assert busy.balanced()
