"""Cells: cities that share nothing, each with a database of its own. The number of a cell is in every id that it gives out."""

import re
from collections.abc import Iterable
from typing import NamedTuple

# An id has the number of its cell above its lowest forty bits: room for a million million payments, a hundred years of thirty
# million a day; and no id of the last cell is above 2^53 - 1, as far as JavaScript reads whole numbers exactly (RFC 8259, 6).
IDS_OF_A_CELL = 2**40
GREATEST_CELL = 2**13 - 1

# A label of a host name, for a cell is found by that too; and no number, since a cell is also called by its own.
NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
# What means something else where a cell's name may stand: all cells, whichever answers, the namespace of their front door, and
# the first label of hosts that name no cell.
NO_NAMES = frozenset({"all", "any", "cells", "localhost", "payment-service"})


class Cell(NamedTuple):
    """One of several cells. `address`: the HOST:PORT of its own front door, where it is known; else empty."""

    name: str
    number: int
    address: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """Host and port of that address, which is known."""
        host, _, port = self.address.rpartition(":")
        return host, int(port)


def cell_of(number: int) -> int:
    """The number of the cell that gave out this payment or refund id."""
    return number // IDS_OF_A_CELL


def first_id(cell: int) -> int:
    """The first id that a cell gives out. All others are greater, and less than the first of the next cell less one."""
    return cell * IDS_OF_A_CELL + 1


def read_number(text: str) -> int:
    """The number of a cell as it is written. Raises ValueError."""
    if not re.fullmatch(r"0|[1-9][0-9]{0,3}", text) or int(text) > GREATEST_CELL:
        raise ValueError(f"the number of a cell, from 0 to {GREATEST_CELL}")
    return int(text)


def read_cells(text: str) -> tuple[Cell, ...]:
    """The list of all cells: NAME=NUMBER, or NAME=NUMBER@HOST:PORT where its own front door is to be found, parted by commas.

    Raises ValueError with what it must be.
    """
    cells = tuple(_read(each.strip()) for each in text.split(",")) if text.strip() else ()
    for what, given in (("name", [cell.name for cell in cells]), ("number", [str(cell.number) for cell in cells])):
        twice = _twice(given)
        if twice:
            raise ValueError(f"a list in which each cell has a {what} of its own: {twice} is there twice")
    return cells


def _read(text: str) -> Cell:
    name, _, rest = text.partition("=")
    number, _, address = rest.partition("@")
    if not NAME.fullmatch(name):
        raise ValueError(
            "NAME=NUMBER, parted by commas, such as mumbai=1,delhi=2: small letters, digits and - in a name"
        )
    if name in NO_NAMES:
        raise ValueError(f"a list of cells, none of which is called {name}, which means something else")
    try:
        found = read_number(number)
    except ValueError as wrong:
        raise ValueError(f"NAME=NUMBER, parted by commas, with {wrong} after {name}=") from None
    if "@" in rest and not re.fullmatch(r"[A-Za-z0-9.-]+:[0-9]{1,5}", address):
        raise ValueError(f"NAME=NUMBER@HOST:PORT, with the address of a front door after {name}={number}@")
    return Cell(name, found, address)


def _twice(given: Iterable[str]) -> str:
    seen: set[str] = set()
    for each in given:
        if each in seen:
            return each
        seen.add(each)
    return ""
