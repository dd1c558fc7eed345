"""What must hold of two cells after a storm, whatever died in either: each gives out its own, and nothing is in both."""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from shared.rules.cells import cell_of
from tests.chaos.accounts import Books
from tests.chaos.report import Account

Across = Callable[[Sequence[Account]], Iterator[str]]


def ids_of_the_cell(accounts: Sequence[Account]) -> Iterator[str]:
    for account in accounts:
        number = account.cell.number
        ends = f"-{number}" if number else ""
        for row in [*account.books.payments.values(), *account.books.refunds.values()]:
            given = row.get("refund_id", row["payment_id"])
            if cell_of(given) != number or cell_of(row["payment_id"]) != number:
                yield f"{account.cell.name}: {given}, of payment {row['payment_id']}, is not of cell {number}"
            elif row["reference"].count("-") != 2 + bool(number) or not row["reference"].endswith(ends):
                yield f"{account.cell.name}: {row['reference']} does not end in {ends or 'no cell'}"


def never_alike(accounts: Sequence[Account]) -> Iterator[str]:
    for one, other in combinations(accounts, 2):
        for what, both in (
            ("payment", one.books.payments.keys() & other.books.payments.keys()),
            ("refund", one.books.refunds.keys() & other.books.refunds.keys()),
            ("reference", _references(one.books) & _references(other.books)),
        ):
            yield from (f"{what} {each} is in {one.cell.name} and {other.cell.name}" for each in sorted(both))


def _references(books: Books) -> set[str]:
    return {row["reference"] for row in [*books.payments.values(), *books.refunds.values()]}


def charged_in_its_own(accounts: Sequence[Account]) -> Iterator[str]:
    """By its number, which no other cell's trips have, and by the gateways, each an account of one cell's alone."""
    for account in accounts:
        for row in account.books.payments.values():
            if row["trip_id"] not in account.trips:
                yield f"{account.cell.name}: {row['reference']}, {row['status']}, of trip {row['trip_id']}"
    for one, other in combinations(accounts, 2):
        charged = one.books.gateway["charges"].keys() & other.books.gateway["charges"].keys()
        yield from (f"{reference} at the gateways of both" for reference in sorted(charged))


def keys_are_a_cells(accounts: Sequence[Account]) -> Iterator[str]:
    """A key that went astray is not used up there."""
    for one in accounts:
        for other in accounts:
            if one is not other:
                yield from (
                    f"{wish.key} of {one.cell.name} is known in {other.cell.name}"
                    for wish in one.books.wishes
                    if other.books.key_of(wish)
                )


ACROSS: dict[str, Across] = {
    "every id and reference bears the cell that gave it out": ids_of_the_cell,
    "no id and no reference is in two cells": never_alike,
    "a trip of one cell is never charged in another": charged_in_its_own,
    "an idempotency key is known in its own cell alone": keys_are_a_cells,
}


def check_across(accounts: Sequence[Account]) -> dict[str, list[str]]:
    """What breaks each of them, by its name; empty where nothing does."""
    return {name: list(check(accounts)) for name, check in ACROSS.items()}
