"""Reconciliation finds exactly what differs between the gateway's books and ours, and nothing where nothing does."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.shared.reconciling.conftest import Books

Plant = Callable[[Books, str], Any]


def test_where_nothing_differs_everything_is_matched_and_the_journal_has_the_gateway_s_balance(books: Books) -> None:
    refunded, disputed, won, inquired = (books.pay() for _ in range(4))
    books.till.refund(1, "50.00")
    books.follow()
    books.like.books.refund_in_dashboard(refunded, 2500)
    books.like.books.open_dispute(disputed)
    dispute = books.like.books.open_dispute(won)
    books.like.books.move_dispute(books.like.books.open_dispute(inquired)["id"], "lost")
    books.like.books.open_dispute(books.pay(), inquiry=True)
    books.follow()
    books.like.books.move_dispute(dispute["id"], "won")
    books.follow()
    payout = books.like.books.pay_out(10000)
    books.like.books.payout_fails(payout["id"])
    books.like.books.pay_out(20000)
    books.like.books.take_fee(700)
    run = books.reconcile()
    assert set(books.verdicts()) == {(kind, "matched") for kind in ("charge", "refund", "dispute", "payout", "fee")}
    assert (run.movements, run.differences) == (len(books.found()), 0)
    assert books.receivable() == books.balance()
    assert books.place.sql.value("SELECT sum(bank) FROM ledger_entries") == Decimal(200)


def charge_nobody_s(books: Books, charge: str) -> None:
    books.like.books.charge_elsewhere(15000)


def drop(books: Books, charge: str) -> None:
    books.like.books.drop_movement(charge)


def forget(books: Books, charge: str) -> None:
    drop(books, charge)
    del books.like.books.intents[charge]


def change_what_moved(books: Books, charge: str) -> None:
    [moved] = books.like.books.balance.of(charge)
    books.like.books.change(moved["id"], amount=14000)


def change_amount(books: Books, charge: str) -> None:
    books.like.books.change(charge, amount=14000)


def change_status(books: Books, charge: str) -> None:
    [refund] = books.like.books.refunds.values()
    books.like.books.change(refund["id"], status="failed")


def refund_again(books: Books, charge: str) -> None:
    """A second refund under the reference of one that is settled, of which no event told."""
    [refund] = books.like.books.refunds.values()
    again = books.like.books.new("re", "refund", 1000, "inr", refund["metadata"])
    again |= {"payment_intent": charge, "status": "succeeded"}
    books.like.books.balance.write("refund", again, -1000)


@pytest.mark.parametrize(
    ("plant", "difference", "amounts"),
    [
        (charge_nobody_s, ("charge", "missing_here"), ("150.00", None)),
        (drop, ("charge", "missing_there"), (None, "150.00")),
        (forget, ("charge", "missing_there"), (None, "150.00")),
        (change_what_moved, ("charge", "amount_differs"), ("140.00", "150.00")),
        (change_amount, ("charge", "amount_differs"), ("140.00", "150.00")),
        (change_status, ("refund", "status_differs"), ("-50.00", "-50.00")),
        (refund_again, ("refund", "missing_here"), ("-10.00", None)),
    ],
)
def test_one_planted_difference_is_found_and_nothing_else(
    books: Books, plant: Plant, difference: tuple[str, str], amounts: tuple[str | None, str | None]
) -> None:
    charge = books.pay()
    books.pay()
    books.till.refund(2 if plant is not refund_again else 1, "50.00")
    books.follow()
    plant(books, charge)
    run = books.reconcile()
    assert run.differences == 1
    assert books.differences() == [difference]
    [row] = [row for row in books.found() if row["verdict"] == difference[1]]
    assert (row["their_amount"], row["our_amount"]) == tuple(amount and Decimal(amount) for amount in amounts)
    assert row["why"]


def fail_late(books: Books, charge: str) -> None:
    """Both that it went out and that it came back are right, once the books have it as reversed."""
    books.till.refund(1, "50.00")
    [refund] = books.like.books.refunds.values()
    books.like.books.refund_fails(refund["id"])


def refund_elsewhere(books: Books, charge: str) -> None:
    books.like.books.refund_in_dashboard(charge, 5000)


def dispute(books: Books, charge: str) -> None:
    books.like.books.open_dispute(charge)


def lose(books: Books, charge: str) -> None:
    books.like.books.move_dispute(books.like.books.open_dispute(charge)["id"], "lost")


def win(books: Books, charge: str) -> None:
    books.like.books.move_dispute(books.like.books.open_dispute(charge)["id"], "won")


def pay_late(books: Books, charge: str) -> None:
    """The charge FAILED, is paid all the same, and is given back."""
    books.pay("pm_late")
    books.follow()
    books.like.control({"skip": 3})


def give_back_late_elsewhere(books: Books, charge: str) -> None:
    """The charge FAILED, is paid all the same, and a part of it is given back in the gateway's own pages before we hear."""
    late = books.pay("pm_late")
    books.like.control({"skip": 60})
    books.like.books.refund_in_dashboard(late, 5000)


def pay_late_and_give_back_elsewhere(books: Books, charge: str) -> None:
    """As pay_late, but somebody gives part of it back in the gateway's own pages, where the rest stays."""
    pay_late(books, charge)
    books.like.books.refund_in_dashboard(list(books.like.books.intents)[-1], 5000)


@pytest.mark.parametrize(
    "happen",
    [
        *(fail_late, refund_elsewhere, dispute, lose, win, pay_late),
        *(give_back_late_elsewhere, pay_late_and_give_back_elsewhere),
    ],
)
def test_what_comes_late_is_no_difference_before_it_is_followed_nor_afterwards(books: Books, happen: Plant) -> None:
    happen(books, books.pay())
    books.hear()
    assert books.reconcile().differences == 0
    books.follow()
    books.reconcile()
    assert {verdict for _, verdict in books.verdicts()} == {"matched"}
    assert books.receivable() == books.balance()


def test_a_refund_that_is_pending_over_midnight_is_not_yet_due_and_then_matched(books: Books) -> None:
    books.pay()
    books.like.control({"pending": 1})
    books.till.refund(1, "50.00")
    before, after = books.midnight()
    books.reconcile(before)
    assert ("refund", "not_yet_due") in books.verdicts()
    books.like.control({"calm": True, "skip": 3600})
    books.follow()
    books.reconcile(after)
    assert books.differences() == []
    books.reconcile(before)
    assert {verdict for _, verdict in books.verdicts()} == {"matched"}


def test_what_moved_on_a_day_that_was_never_reconciled_is_not_missing_on_the_next(books: Books) -> None:
    books.like.control(
        {"skip": -86400}
    )  # the gateway's clock is a day behind: it moves yesterday, and we hear of it today
    books.pay()
    books.place.sql.run("UPDATE payments SET created_at = created_at - interval '1 day'")
    books.reconcile()
    assert books.verdicts() == [("charge", "not_yet_due")]
    books.reconcile(books.yesterday())
    books.reconcile()
    assert books.verdicts() == [], "the day before has it"


def test_a_charge_that_is_claimed_before_midnight_and_made_after_it_is_of_the_day_after(books: Books) -> None:
    books.pay()
    books.place.sql.run("UPDATE payments SET created_at = created_at - interval '1 day'")
    assert books.reconcile(books.yesterday()).movements == 0
    books.reconcile()
    assert books.verdicts() == [("charge", "matched")]


def test_what_is_pending_here_is_not_yet_due(books: Books) -> None:
    books.like.control({"broken_after": 1})
    books.till.pay(payment_token="pm_card")
    books.like.control({"calm": True})
    books.reconcile()
    assert books.verdicts() == [("charge", "not_yet_due")]
    books.follow()
    books.reconcile()
    assert books.verdicts() == [("charge", "matched")]


def test_a_second_run_changes_nothing(books: Books) -> None:
    charge = books.pay()
    books.pay()
    books.till.refund(1, "50.00")
    books.like.books.charge_elsewhere(4200)
    drop(books, charge)
    books.like.books.pay_out(5000)
    books.like.books.take_fee(700)
    books.follow()
    books.reconcile()
    before = books.everything()
    books.reconcile()
    assert books.everything() == before
    assert books.place.sql.value("SELECT run FROM reconciliations") == 2


def test_a_movement_that_the_gateway_shows_no_more_is_removed_and_one_that_was_put_right_is_matched(
    books: Books,
) -> None:
    books.pay()
    lost = books.pay()
    nobody_s = books.like.books.charge_elsewhere(4200)
    [dropped] = books.like.books.balance.of(lost)
    drop(books, lost)
    assert books.reconcile().differences == 2
    books.like.books.balance.written.append(dropped)
    drop(books, nobody_s["id"])
    assert books.reconcile().differences == 0
    assert books.verdicts() == [("charge", "matched")] * 2


def test_an_exchanged_charge_is_matched_by_what_was_charged(books: Books) -> None:
    books.like.control({"exchange": {"inr": ["usd", 0.012]}})
    books.pay()
    books.reconcile()
    [row] = books.found()
    assert (row["verdict"], row["currency"], row["their_amount"]) == ("matched", "USD", Decimal("1.80"))
    assert row["why"] == "exchanged from 150.00 INR"
