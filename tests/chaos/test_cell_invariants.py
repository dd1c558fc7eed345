"""What would be wrong of two cells is found: planted in accounts of a payment each, where nothing is."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.rules.cells import Cell, first_id
from tests.chaos.cell_invariants import ACROSS, check_across
from tests.chaos.places import TRIPS_OF_A_CELL
from tests.chaos.report import Account


def account(number: int) -> Any:
    """Of a cell that took one payment, of a trip of its own, and gave it back."""
    payment_id, ends = first_id(number), f"-{number}" if number else ""
    payment = {"payment_id": payment_id, "reference": f"PAY-20261127-{number}{ends}", "status": "REFUNDED"}
    refund = {"payment_id": payment_id, "refund_id": payment_id, "reference": f"REF-20261127-{number}{ends}"}
    keys = {f"key-{number}"}
    books = SimpleNamespace(
        payments={payment_id: payment | {"trip_id": number * TRIPS_OF_A_CELL + 7}},
        refunds={payment_id: refund},
        gateway={"charges": {payment["reference"]: {}}},
        wishes=[SimpleNamespace(key=key) for key in keys],
        keys=keys,
        key_of=lambda wish: wish.key if wish.key in keys else None,
    )
    trips = range(number * TRIPS_OF_A_CELL, (number + 1) * TRIPS_OF_A_CELL)
    return SimpleNamespace(cell=Cell(f"cell-{number}", number), books=books, trips=trips)


def broken(*accounts: Any) -> set[str]:
    return {name for name, found in check_across(cast("list[Account]", accounts)).items() if found}


def give_an_id_of_another(one: Any, other: Any) -> None:
    payment = one.books.payments.pop(first_id(0)) | {"payment_id": first_id(2) + 1}
    one.books.payments[payment["payment_id"]] = payment


def forget_the_cell_in_a_reference(one: Any, other: Any) -> None:
    other.books.refunds[first_id(2)]["reference"] = "REF-20261127-2"


def give_the_same_reference(one: Any, other: Any) -> None:
    for each in one, other:
        for payment in each.books.payments.values():
            payment["reference"] = "PAY-20261127-2-2"


def charge_in_both(one: Any, other: Any) -> None:
    other.books.gateway["charges"] |= one.books.gateway["charges"]


def charge_another_cells_trip(one: Any, other: Any) -> None:
    one.books.payments[first_id(0)]["trip_id"] = 2 * TRIPS_OF_A_CELL


def use_up_anothers_key(one: Any, other: Any) -> None:
    one.books.keys.add("key-2")


ITS_OWN, ALIKE, CHARGED, KEYS = ACROSS


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert broken(account(0), account(2)) == set()


@pytest.mark.parametrize(
    ("plant", "found"),
    [
        (give_an_id_of_another, {ITS_OWN}),
        (forget_the_cell_in_a_reference, {ITS_OWN}),
        (give_the_same_reference, {ITS_OWN, ALIKE}),
        (charge_in_both, {CHARGED}),
        (charge_another_cells_trip, {CHARGED}),
        (use_up_anothers_key, {KEYS}),
    ],
)
def test_what_is_wrong_between_two_cells_is_found(plant: Callable[[Any, Any], None], found: set[str]) -> None:
    one, other = account(0), account(2)
    plant(one, other)
    assert broken(one, other) == found
