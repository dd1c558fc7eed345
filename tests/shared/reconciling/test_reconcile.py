"""Reconciliation finds exactly what differs between the gateway's books and ours, and nothing where nothing does."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tests.shared.reconciling.conftest import Books


def test_where_nothing_differs_everything_is_matched_and_the_journal_has_the_gateway_s_balance(books: Books) -> None:
    refunded, disputed, won, inquired = (books.pay() for _ in range(4))
    books.till.refund(1, "50.00")
    books.follow()
    books.like.books.refund_in_dashboard(refunded, 2500)
    books.like.books.open_dispute(disputed)
    dispute = books.like.books.open_dispute(won)
    books.like.books.open_dispute(inquired, inquiry=True)
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


def test_a_charge_that_nobody_here_asked_for_is_missing_here(books: Books) -> None:
    books.pay()
    books.like.books.charge_elsewhere(4200)
    assert books.reconcile().differences == 1
    assert books.differences() == [("charge", "missing_here")]
    [row] = [row for row in books.found() if row["verdict"] == "missing_here"]
    assert (row["their_amount"], row["our_amount"], row["payment_id"]) == (Decimal(42), None, None)


def drop(books: Books, charge: str) -> None:
    books.like.books.drop_movement(charge)


def forget(books: Books, charge: str) -> None:
    drop(books, charge)
    del books.like.books.intents[charge]


@pytest.mark.parametrize("lose", [drop, forget])
def test_a_charge_that_the_gateway_s_books_have_not_is_missing_there(
    books: Books, lose: Callable[[Books, str], None]
) -> None:
    books.pay()
    lose(books, books.pay())
    assert books.reconcile().differences == 1
    assert books.differences() == [("charge", "missing_there")]
    [row] = [row for row in books.found() if row["verdict"] == "missing_there"]
    assert (row["their_amount"], row["our_amount"], row["payment_id"]) == (None, Decimal(150), 2)
