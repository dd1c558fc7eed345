"""What stands behind the front door of cells in its tests: doors of cells that say which they are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local import front_door_cells
from local.front_door import ACCESS
from local.front_door_access import ANSWERS
from local.front_door_cells import CLUSTERS
from local.ports import pick
from shared.rules.cells import IDS_OF_A_CELL, Cell
from tests.local.doors import HOST, Door, Function, started


def id_of(cell: int, count: int = 5) -> int:
    """An id that this cell gave out."""
    return cell * IDS_OF_A_CELL + count


def cells_at(doors: Mapping[Cell, int]) -> list[Cell]:
    """The list that names each cell with its port of this machine."""
    return [Cell(cell.name, cell.number, f"{HOST}:{port}") for cell, port in doors.items()]


@contextmanager
def before(
    folder: Path, cells: list[Cell], functions: Mapping[str, Function], changes: Mapping[str, str] | None = None
) -> Iterator[Door]:
    """The real front door of these cells. `changes` are of words of what depends on the list."""
    (port,) = pick(1)
    bootstrap = front_door_cells.write(folder, port, cells)
    for path in (folder / ACCESS / name for name in (CLUSTERS, ANSWERS)):
        text = path.read_text(encoding="utf-8")
        for word, other in (changes or {}).items():
            text = text.replace(word, other)
        path.write_text(text, encoding="utf-8")
    with started(folder, bootstrap, Door(port, dict(functions), folder / "logs" / "log")) as door:
        yield door
