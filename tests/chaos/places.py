"""Where a storm rages: the only cell, or several, each with trips of its own; and the Trip Service that all of them ask."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.rules.cells import GREATEST_CELL, Cell
from tests.fakes.trips import COMPLETED, Says, TripServer

TRIPS_OF_A_CELL = 10**12
UNKNOWN_TRIP = 404  # in each cell


@dataclass(frozen=True)
class Place:
    """One cell, or the only one: how many instances each function has, and what the functions are told of cells."""

    instances: Mapping[str, int]
    cell: Cell | None = None
    first_trip: int = 0  # no trip of its own has a lower number
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.cell.name if self.cell else ""


ALONE = Place({"create_payment": 3, "create_refund": 2, "charge_trip": 1, "gateway_webhook": 2, "sweep": 2})
INSTANCES_OF_A_CELL = {"create_payment": 2, "create_refund": 1, "charge_trip": 1, "gateway_webhook": 1, "sweep": 1}


def two_cells(seed: int) -> tuple[Place, ...]:
    """Mumbai and Delhi, by numbers that the seed draws: side by side, with cell 0, or with the last cell there can be."""
    numbers = random.Random(f"{seed}/cells").choice([(1, 2), (0, 12), (3, GREATEST_CELL)])
    cells = [Cell(name, number) for name, number in zip(("mumbai", "delhi"), numbers, strict=True)]
    listed = ",".join(f"{cell.name}={cell.number}" for cell in cells)
    return tuple(
        Place(
            INSTANCES_OF_A_CELL,
            cell,
            order * TRIPS_OF_A_CELL,
            {"CELL": str(cell.number), "CELL_NAME": cell.name, "CELLS": listed},
        )
        for order, cell in enumerate(cells)
    )


class Trips(TripServer):
    """The platform's Trip Service. Where there are several cells, it says which one a trip is in, by name or by number."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = places
        super().__init__()

    def completed(self, trip_id: int) -> object:
        order, number = divmod(trip_id, TRIPS_OF_A_CELL)
        if number == UNKNOWN_TRIP:
            return Says(404)
        cell = self._places[order].cell
        if cell is None:
            return COMPLETED
        return COMPLETED | {"cell": cell.name if number % 2 else cell.number}
