"""What must hold of the ledger and of its reconciliation: books that balance, whatever died while they were written."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from tests.chaos.accounts import Books, Row, cents
from tests.chaos.invariants import invariant
from tests.chaos.late_invariants import INVARIANTS
from tests.support.outcomes import CHARGED

__all__ = ["INVARIANTS"]  # with those of this file

OURS = ("gateway_receivable", "cash_with_drivers", "bank")
ACCOUNTS = (*OURS, "revenue", "refunds", "disputes", "fees", "drivers_payable", "late_payments")
HELD = ("OPEN", "LOST")
Moved = tuple[int | None, str]


@invariant("every entry of the ledger sums to zero, and all of them are its balances")
def balances(books: Books) -> Iterator[str]:
    entries = books.tables["entries"]
    yield from (f"{entry}" for entry in entries if sum(entry[account] for account in ACCOUNTS))
    summed = _sums(entries)
    for kept in ("ledger_counted", "ledger_moves"):
        if _sums(books.tables[kept]) != summed:
            yield f"{kept}: {_sums(books.tables[kept])}, and the entries: {summed}"


@invariant("every movement that is settled has its entry, of its amount, and nothing else has one")
def entries_of_movements(books: Books) -> Iterator[str]:
    """What the gateway took and paid out, and what was given back there of a charge that was paid late, is booked by
    reconciliation, and belongs to no row of ours."""
    booked: dict[Moved, Decimal] = {}
    for entry in books.tables["entries"]:
        if entry["movement"].startswith("dispute "):
            named = entry["movement"].rpartition(" ")[0]
        elif entry["movement"].startswith(("fee ", "payout ", "given back ")):
            continue
        else:
            named = entry["movement"]
        booked[entry["payment_id"], named] = booked.get((entry["payment_id"], named), Decimal()) + _came_in(entry)
    due = dict(_due(books))
    for moved in sorted(booked.keys() | due.keys(), key=str):
        if booked.get(moved, Decimal()) != due.get(moved, Decimal()):
            yield f"{moved}: booked {booked.get(moved)}, and the tables say {due.get(moved)}"


@invariant("the ledger's income is that of the tables")
def income(books: Books) -> Iterator[str]:
    of_entries = -sum(_account(books, account) for account in ("revenue", "drivers_payable", "refunds", "disputes"))
    of_tables = sum(
        row["amount"] - row["refunded_amount"] for row in books.payments.values() if row["status"] in CHARGED
    )
    of_tables -= sum(row["amount"] for row in books.tables["disputes"] if row["status"] in HELD)
    if of_entries != of_tables:
        yield f"{of_entries}, and the tables {of_tables}"


@invariant("once reconciled, what is with the gateway is its balance")
def gateway_balance(books: Books) -> Iterator[str]:
    kept: Counter[str] = Counter()
    for entry in books.tables["entries"]:
        kept[entry["currency"].lower()] += cents(entry["gateway_receivable"])
    if +kept != Counter({currency: amount for currency, amount in books.gateway["balance"].items() if amount}):
        yield f"{dict(kept)} in the ledger, at the gateway {books.gateway['balance']}"


def _due(books: Books) -> Iterator[tuple[Moved, Decimal]]:
    """What came in by each movement that the tables tell of; below zero went out."""
    for payment_id, payment in books.payments.items():
        if payment["status"] in CHARGED:
            yield (payment_id, "charge"), payment["amount"]
    for refund_id, refund in books.refunds.items():
        payment_id, amount = refund["payment_id"], refund["amount"]
        if refund["source"] == "late_payment":
            yield (payment_id, f"late charge {refund_id}"), amount
        if refund["status"] in ("REFUNDED", "REVERSED"):
            yield (payment_id, f"refund {refund_id}"), -amount
        if refund["status"] == "REVERSED":
            yield (payment_id, f"reversal {refund_id}"), amount
    for dispute in books.tables["disputes"]:
        held = dispute["amount"] if dispute["status"] in HELD else Decimal()
        yield (dispute["payment_id"], f"dispute {dispute['gateway_id']}"), -held


def _came_in(entry: Row) -> Decimal:
    return sum((entry[account] for account in OURS), Decimal())


def _account(books: Books, account: str) -> Decimal:
    return sum((entry[account] for entry in books.tables["entries"]), Decimal())


def _sums(rows: list[Row]) -> dict[tuple[str, str], list[Decimal]]:
    """By currency and gateway, account by account."""
    sums: dict[tuple[str, str], list[Decimal]] = {}
    for row in rows:
        of = sums.setdefault((row["currency"], row["gateway"]), [Decimal()] * len(ACCOUNTS))
        of[:] = [kept + row[account] for kept, account in zip(of, ACCOUNTS, strict=True)]
    return {of: amounts for of, amounts in sums.items() if any(amounts)}
