"""Cells: which one an id is of, and how a list of them is written."""

import pytest

from shared.rules.cells import GREATEST_CELL, IDS_OF_A_CELL, Cell, cell_of, first_id, read_cells

JAVASCRIPT_READS = 2**53 - 1


@pytest.mark.parametrize("cell", [0, 1, 2, GREATEST_CELL])
def test_an_id_says_of_which_cell_it_is(cell: int) -> None:
    first, last = first_id(cell), first_id(cell + 1) - 2
    assert cell_of(first) == cell_of(last) == cell
    assert last - first + 2 == IDS_OF_A_CELL


def test_every_id_of_every_cell_is_read_by_javascript() -> None:
    assert first_id(GREATEST_CELL + 1) - 2 == JAVASCRIPT_READS


def test_the_cell_that_is_the_only_one_counts_from_one() -> None:
    assert first_id(0) == 1


def test_a_list_of_cells_has_a_name_and_a_number_and_perhaps_an_address_of_each() -> None:
    assert read_cells("") == read_cells(" ") == ()
    assert read_cells("mumbai=1, new-delhi=20@10.0.0.2:8082") == (
        Cell("mumbai", 1),
        Cell("new-delhi", 20, "10.0.0.2:8082"),
    )


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a=1,b=1", "a number of its own: 1 is there twice"),
        ("a=1,a=2", "a name of its own: a is there twice"),
        ("a=x", "the number of a cell, from 0 to 8191 after a="),
        ("a=1@nowhere", "the address of a front door after a=1@"),
        ("mumbai=1,any=2", "none of which is called any"),
        ("7=1", "small letters, digits and - in a name"),
    ],
)
def test_a_list_that_is_wrong_says_what_it_must_be(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_cells(text)
