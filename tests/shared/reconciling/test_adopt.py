"""What the books lost is entered again, once, whatever became of it since: its client is answered as before, and charged no
more."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest

from shared.gateways.stripe.gateway import Stripe
from shared.late.ring import By, ring
from shared.reconciling import command
from shared.reconciling.adopt import Adoption, adopt
from shared.reconciling.lost_charge import Entered
from shared.reconciling.reconcile import reconcile
from shared.reconciling.run import Run, take
from shared.reconciling.window import Window
from shared.web.answers import Answer
from shared.web.problems import Problem
from tests.fakes.gateway import StripeLike
from tests.support.cluster import EMPTY, Place
from tests.support.gateway import ScriptedGateway
from tests.support.races import at_once
from tests.support.till import Died, Till, shown

Json = dict[str, Any]
BY = By("asha@ops-1", "restored the backup of 6:00")
FOREVER = float("inf")
ALL = None
# What the gateway was not told, and what is of the moment.
OF_A_PAYMENT = {"metadata", "created_at", "updated_at"}
OF_A_REFUND = {"metadata", "created_at", "reason"}


class Shop:
    """A till at a gateway like Stripe's, whose books are lost and restored as they were before the first payment."""

    def __init__(self, till: Till, place: Place, like: StripeLike) -> None:
        self.till, self.place, self.like = till, place, like
        till.gateway = cast(ScriptedGateway, Stripe("sk_test_1", like.url, 5.0, certain_after=3600.0))
        till.change(idempotency_lock_timeout=60.0)

    def pay(self, key: str, token: str = "pm_card", **request: Any) -> Answer:
        """POST /payments by a client who has not got its answer, or not yet."""
        return self.till.pay(key, payment_token=token, **{"driver_id": "driver-7", "metadata": {"seat": 2}} | request)

    def lose(self) -> None:
        self.place.sql.run(EMPTY)

    def reconcile(self) -> Run:
        [gateway] = self.till.deps.gateways.that_keep_books()
        now, around = datetime.now(UTC), timedelta(hours=2)
        window = Window(now - around, now + around, "around now")
        run = take(self.till.deps, gateway, window)
        assert run is not None
        reconcile(run, FOREVER)
        return run

    def adopt(self, names: frozenset[str] | None = ALL) -> list[Entered]:
        return list(adopt(self.reconcile(), Adoption(names, BY)))

    def charged(self) -> int:
        """How often the gateway has charged."""
        return sum(each["status"] == "succeeded" for each in self.like.books.intents.values())

    def charge_ids(self) -> list[str]:
        return list(self.like.books.intents)

    def status(self, payment_id: int) -> str:
        return str(self.place.sql.run("SELECT status FROM payments WHERE payment_id = %s", (payment_id,))[0]["status"])

    def audited(self) -> list[tuple[str, str, int]]:
        rows = self.place.sql.run("SELECT actor, action, payment_id FROM audit_log ORDER BY audit_id")
        return [tuple(row.values()) for row in rows]


@pytest.fixture(scope="module")
def one_like() -> Iterator[StripeLike]:
    with StripeLike() as like:
        yield like


@pytest.fixture
def shop(till: Till, place: Place, one_like: StripeLike) -> Shop:
    one_like.control({"reset": True, "processing_seconds": 3600})
    return Shop(till, place, one_like)


def differs(before: Answer, after: Answer) -> set[str]:
    """In which fields of its body an answer is another."""
    old, new = shown(before), shown(after)
    return {name for name in old | new if old.get(name) != new.get(name)}


@pytest.mark.parametrize("amount", [None, "150.00"])
def test_a_lost_charge_is_entered_and_its_client_answered_as_before(shop: Shop, amount: str | None) -> None:
    shop.till.change(commission_rate=Decimal("0.2"))
    before = shop.pay("key-1", amount=amount)
    shop.lose()
    [entered] = shop.adopt()
    assert (entered.name, entered.payment_id) == (shop.charge_ids()[0], shown(before)["payment_id"])
    after = shop.pay("key-1", amount=amount)
    assert (after.status, after.headers.get("Idempotent-Replayed")) == (201, "true")
    assert differs(before, after) <= OF_A_PAYMENT
    assert shop.charged() == 1
    reference = shown(before)["reference"]
    assert shop.place.sql.value("SELECT event_id FROM outbox") == f"{reference}.succeeded"
    assert shop.place.sql.value("SELECT count(*) FROM payment_receipts") == 1
    assert shop.audited() == [("asha@ops-1", "enter_payment", entered.payment_id)]


def test_the_fare_of_its_trip_is_taken_again(shop: Shop) -> None:
    shop.pay("key-1", amount=None)
    shop.lose()
    shop.adopt()
    with pytest.raises(Problem, match="collected by payment 1"):
        shop.pay("key-2", amount=None)
    assert shop.charged() == 1


@pytest.mark.parametrize("mode", ["", "failed"])
def test_a_lost_refund_is_entered_after_its_payment_and_its_client_answered_as_before(shop: Shop, mode: str) -> None:
    payment_id = shown(shop.pay("key-1"))["payment_id"]
    if mode:
        shop.like.control({mode: 1})
    before = shop.till.refund(payment_id, "50.00", "key-2", metadata={"reason": "too late"})
    shop.lose()
    assert [each.payment_id for each in shop.adopt()][:2] == [1, 1]
    after = shop.till.refund(payment_id, "50.00", "key-2", metadata={"reason": "too late"})
    assert after.status == before.status == (402 if mode else 201)
    if not mode:
        assert differs(before, after) <= OF_A_REFUND
    assert len(shop.like.books.refunds) == 1
    assert shop.place.sql.run("SELECT source, status FROM payment_refunds") == [
        {"source": "client", "status": "FAILED" if mode else "REFUNDED"}
    ]
    assert shop.audited()[1] == ("asha@ops-1", "enter_refund", 1)


def test_a_sweep_that_hears_of_a_lost_refund_first_enters_it_under_its_key_too(shop: Shop) -> None:
    payment_id = shown(shop.pay("key-1"))["payment_id"]
    shop.till.refund(payment_id, "50.00", "key-2")
    shop.lose()
    shop.adopt(frozenset(shop.charge_ids()))
    ring(shop.till.database, "stripe", "refund", next(iter(shop.like.books.refunds)))
    shop.till.sweep()
    assert shop.till.refund(payment_id, "50.00", "key-2").headers.get("Idempotent-Replayed") == "true"
    assert shop.place.sql.value("SELECT sum(amount) FROM payment_refunds") == 50
    assert len(shop.like.books.refunds) == 1


def test_what_somebody_gave_back_there_and_a_bank_disputes_follows(shop: Shop) -> None:
    shop.pay("key-1")
    shop.pay("key-2")
    given_back, disputed = shop.charge_ids()
    shop.like.books.refund_in_dashboard(given_back, 2500)
    shop.like.books.open_dispute(disputed)
    shop.lose()
    shop.adopt()
    assert shop.place.sql.run("SELECT payment_id, source, status FROM payment_refunds") == [
        {"payment_id": 1, "source": "gateway", "status": "REFUNDED"}
    ]
    assert shop.place.sql.run("SELECT payment_id, status FROM payment_disputes") == [
        {"payment_id": 2, "status": "OPEN"}
    ]
    assert ("asha@ops-1", "enter_refund", 1) in shop.audited()
    assert shop.reconcile().differences == 0


def test_a_trip_that_was_declined_and_then_paid_is_answered_so(shop: Shop) -> None:
    declined = shop.pay("key-1", "pm_decline_insufficient_funds", amount=None)
    shop.pay("key-2", amount=None)
    shop.lose()
    assert [each.payment_id for each in shop.adopt()] == [1, 2]
    again = shop.pay("key-1", "pm_decline_insufficient_funds", amount=None)
    assert (again.status, shown(again)["failure_code"]) == (402, shown(declined)["failure_code"])
    assert shop.pay("key-2", amount=None).status == 201
    assert (len(shop.charge_ids()), shop.charged()) == (2, 1)


def test_a_charge_that_is_still_open_is_pending_under_its_key_and_only_read_from_then_on(shop: Shop) -> None:
    assert shop.pay("key-1", "pm_processing").status == 202
    shop.lose()
    [entered] = shop.adopt()
    assert (entered.payment_id, shop.status(1)) == (1, "PENDING")
    assert shop.pay("key-1", "pm_processing").status == 202
    shop.like.control({"skip": 3600})
    assert shop.pay("key-1", "pm_processing").status == 201
    asked = [request for request in shop.like.requests if request[:2] == ("POST", "/v1/payment_intents")]
    assert (len(asked), shop.charged()) == (1, 1)


def test_a_charge_that_waited_for_its_customer_is_called_off(shop: Shop) -> None:
    assert shop.pay("key-1", "pm_customer_never", customer_present=True).status == 202
    shop.lose()
    shop.adopt()
    assert (shop.status(1), shop.charged()) == ("FAILED", 0)


@pytest.mark.parametrize(("key", "amount"), [("key-1", "150.00"), ("key-1", None), ("key-2", None)])
def test_what_was_charged_twice_is_not_entered_and_a_person_is_told_once(
    shop: Shop, key: str, amount: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    shop.pay("key-1", amount=amount)
    shop.lose()
    again = shop.pay(key, amount=amount)
    for _ in range(2):
        [refused] = shop.adopt()
        assert (refused.name, refused.payment_id) == (shop.charge_ids()[0], None)
        assert "AND THIS WAS PAID TOO" in refused.said
    assert shop.audited() == [("asha@ops-1", "contradiction", shown(again)["payment_id"])]
    assert caplog.messages.count("the gateway contradicts what is stored") == 1
    assert shop.place.sql.value("SELECT count(*) FROM payments") == 1


def test_while_it_is_not_known_whether_it_was_charged_twice_nothing_is_said_of_that(shop: Shop) -> None:
    shop.pay("key-1", amount=None)
    shop.lose()
    shop.pay("key-2", "pm_processing", amount=None)
    [refused] = shop.adopt()
    assert "PENDING" in refused.said
    assert shop.audited() == []


def test_where_another_payment_has_its_id_by_now_it_has_a_new_one_and_that_is_said(shop: Shop) -> None:
    shop.pay("key-1")
    shop.lose()
    shop.pay("key-2", trip_id=102)
    [entered] = shop.adopt()
    assert (entered.payment_id, "it was payment 1, which is another's by now" in entered.said) == (2, True)
    assert shown(shop.pay("key-1"))["payment_id"] == 2
    assert shop.place.sql.value("SELECT gateway_said FROM audit_log").endswith("of payment 1")


EDITED: dict[str, Json] = {
    "whose key": {"key_hash": ""},
    "no key": {"key_hash": "x" * 64},
    "no trip": {"trip_id": "trip 7"},
    "cash": {"method": "CASH"},
    "half a fare": {"fare": '{"base_fare":5}'},
    "a commission of more": {"commission": "9000.00"},
    "a commission of nobody": {"driver_id": "", "commission": "1.00"},
    "not our reference": {"reference": "ORDER-1"},
}


@pytest.mark.parametrize("edited", EDITED)
def test_what_somebody_changed_at_the_gateway_is_not_taken_for_what_was_told(shop: Shop, edited: str) -> None:
    shop.pay("key-1")
    [charge_id] = shop.charge_ids()
    metadata = {**shop.like.books.intents[charge_id]["metadata"], **EDITED[edited]}
    shop.like.books.change(charge_id, metadata={name: value for name, value in metadata.items() if value})
    shop.lose()
    assert [each.payment_id for each in shop.adopt() if each.name == charge_id] in ([], [None])
    assert shop.place.sql.value("SELECT count(*) FROM payments") == 0
    assert shop.reconcile().differences == 1


def test_an_id_that_somebody_made_up_uses_up_no_others(shop: Shop) -> None:
    shop.pay("key-1")
    [charge_id] = shop.charge_ids()
    metadata = shop.like.books.intents[charge_id]["metadata"] | {"payment_id": str(2**63 - 1)}
    shop.like.books.change(charge_id, metadata=metadata)
    shop.lose()
    assert [each.payment_id for each in shop.adopt()] == [1]
    assert shown(shop.pay("key-2"))["payment_id"] == 2


def test_only_what_is_named_is_entered_by_whichever_of_its_names(shop: Shop) -> None:
    answers = [shown(shop.pay(f"key-{number}")) for number in range(1, 4)]
    first, second, _ = shop.charge_ids()
    shop.lose()
    movement = (
        next(
            row["movement"]
            for row in shop.place.sql.run("SELECT movement, object_id FROM reconciled_movements")
            if row["object_id"] == second
        )
        if shop.reconcile().differences
        else ""
    )
    assert [each.payment_id for each in shop.adopt(frozenset({first, "pi_unheard_of"}))] == [1, None]
    assert [each.payment_id for each in shop.adopt(frozenset({movement}))] == [2]
    assert [each.payment_id for each in shop.adopt(frozenset({answers[2]["reference"]}))] == [3]


def test_others_charges_of_the_same_account_are_left_alone(shop: Shop) -> None:
    shop.like.books.charge_elsewhere(4200, metadata={"reference": "ORDER-7"})
    assert shop.adopt() == []


def test_what_another_cell_did_with_the_same_account_is_its_to_enter(shop: Shop) -> None:
    shop.till.change(cell=2)
    shop.till.refund(shown(shop.pay("key-1"))["payment_id"], "50.00", "key-2")
    shop.lose()
    shop.till.change(cell=0)
    [charge_id], [refund_id] = shop.like.books.intents, shop.like.books.refunds
    assert shop.adopt() == []
    said = "it is of cell 2, which enters its own"
    assert shop.adopt(frozenset({charge_id, refund_id})) == [
        Entered(name, None, said) for name in (charge_id, refund_id)
    ]
    for kind, name in (("charge", charge_id), ("refund", refund_id)):
        ring(shop.till.database, "stripe", kind, name)
    shop.till.sweep()
    written = "SELECT (SELECT count(*) FROM payments) + (SELECT count(*) FROM gateway_rings) AS count"
    assert shop.place.sql.run(written) == [{"count": 0}]
    shop.till.change(cell=2)
    assert len(shop.adopt()) == 2


@pytest.mark.parametrize("statement", ["enter_payment", "enter_refund"])
def test_who_dies_half_way_leaves_the_rest_to_sweeps_and_to_the_next(shop: Shop, statement: str) -> None:
    payment_id = shown(shop.pay("key-1"))["payment_id"]
    shop.till.refund(payment_id, "50.00", "key-2")
    shop.lose()
    shop.till.database.dies_after = statement
    with pytest.raises(Died):
        shop.adopt()
    shop.till.database.dies_after = ""
    shop.place.sql.run("UPDATE idempotency_keys SET ask_after = now(), locked_at = NULL WHERE answer_status IS NULL")
    shop.till.sweep()
    shop.adopt()
    assert shop.pay("key-1").status == shop.till.refund(payment_id, "50.00", "key-2").status == 201
    assert (shop.charged(), len(shop.like.books.refunds)) == (1, 1)
    assert shop.place.sql.value("SELECT refunded_amount FROM payments") == 50
    assert shop.reconcile().differences == 0


def test_of_many_at_once_who_enter_it_one_does(shop: Shop) -> None:
    payment_id = shown(shop.pay("key-1"))["payment_id"]
    shop.till.refund(payment_id, "50.00", "key-2")
    shop.lose()
    run = shop.reconcile()
    at_once(
        *[lambda: list(adopt(run, Adoption(ALL, BY)))] * 3, lambda: [Entered("sweep", None, str(shop.till.sweep()))]
    )
    shop.place.sql.run("UPDATE gateway_rings SET ask_after = now()")
    shop.till.sweep()
    assert shop.place.sql.value("SELECT count(*) FROM payments") == 1
    assert shop.place.sql.run("SELECT source, amount FROM payment_refunds") == [{"source": "client", "amount": 50}]
    assert shop.pay("key-1").status == shop.till.refund(payment_id, "50.00", "key-2").status == 201
    assert (shop.charged(), len(shop.like.books.refunds)) == (1, 1)


@pytest.mark.parametrize(
    "typed", [["--adopt=all"], ["--adopt=all", "--reason=\udcff"], ["--adopt=all", "--reason=r", "--actor=\udcff"]]
)
def test_who_enters_something_says_why_in_words(typed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["make reconcile", *typed])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == command.NOT_DONE
