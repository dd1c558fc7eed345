"""How a client comes to the functions of one cell: the front door of all cells, in each form that names one, or its own."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.rules.cells import Cell
from tests.chaos.doors import Door

HOST_NAME = "pay.example.com"


@dataclass(frozen=True)
class Way:
    """Where a request is sent, and what it says of the cell that it is for."""

    port: int
    prefix: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Doors:
    """The front doors by which one comes to a cell."""

    cell: Cell
    own: Door
    of_cells: Door

    def way(self, choice: random.Random, path: str) -> Way:
        """Any way that leads there; a path with an id needs no name."""
        port = self.of_cells.port
        ways = [
            Way(port, headers={"Payment-Cell": self.cell.name}),
            Way(port, headers={"Payment-Cell": str(self.cell.number)}),
            Way(port, prefix=f"/cells/{self.cell.name}"),
            Way(port, prefix=f"/cells/{self.cell.name}/v1"),
            Way(port, headers={"Host": f"{self.cell.name}.{HOST_NAME}"}),
            Way(self.own.port),
            Way(self.own.port, headers={"Payment-Cell": self.cell.name}),
        ]
        if path.removeprefix("/payments/") != path:
            ways.append(Way(port))
        return choice.choice(ways)

    def stray(self, choice: random.Random, other: "Doors") -> Way:
        """A way that leads to another cell, or to this one by the name of the other."""
        return choice.choice([other.way(choice, ""), Way(self.own.port, headers={"Payment-Cell": other.cell.name})])
