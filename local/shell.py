"""What a start keeps of the shell that it is typed in. Where CELLS has several cells, DELHI_CURRENCY is CURRENCY for the cell
`delhi` alone (and `-` in a name is `_`); a setting without a cell's name is for all."""

import os
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper

from local.surroundings import PLAIN, known, taken
from shared.platform.settings import SettingError, stop
from shared.rules.cells import Cell, read_cells

# What makes a cell the one it is, and the one address of all of them.
OF_NO_CELL = frozenset({"CELL", "CELL_NAME", "CELLS", "SERVICE_PORT"})


def keep_what_is_ours() -> None:
    """Rids this process of the rest: libpq reads the environment by itself. What it prints shows in any terminal. Ends it with
    one line where something is set for a cell that cannot be."""
    try:
        kept = ours(os.environ)
    except SettingError as wrong:
        stop(str(wrong))
    os.environ.clear()
    os.environ.update(kept)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def ours(shell: Mapping[str, str]) -> dict[str, str]:
    """The settings of the cell that CELL means, its own in the place of those of all. Without CELL, those of all cells of
    CELLS, as they are: each cell is to find its own among them. Raises SettingError."""
    cells = _cells(shell)
    own = settings_of_each(shell, cells)
    meant = shell.get("CELL")
    if meant:
        if cells and meant not in {str(cell.number) for cell in cells}:
            raise SettingError(f"CELL is {meant}, and CELLS has no cell of that number")
        return taken({**shell, **next((own[cell] for cell in cells if str(cell.number) == meant), {})})
    if len(cells) > 1 and shell.get("DB_HOST"):
        each = ", ".join(f"{prefix(cell)}DB_HOST" for cell in cells)
        raise SettingError(f"DB_HOST would be the database of all cells, and no two have the same: set {each}")
    return taken(shell) | {prefix(cell) + name: value for cell in cells for name, value in own[cell].items()}


def settings_of_each(shell: Mapping[str, str], cells: Sequence[Cell]) -> dict[Cell, dict[str, str]]:
    """What the shell sets for each cell alone. Raises SettingError where a name begins as a cell's and goes on as none."""
    own: dict[Cell, dict[str, str]] = {cell: {} for cell in cells}
    for name, value in shell.items():
        # The longest first: NEW_DELHI_CURRENCY may be of `new-delhi` beside `new`.
        named = sorted((cell for cell in cells if name.startswith(prefix(cell))), key=prefix, reverse=True)
        if not named or known(name):
            continue
        cell = next((cell for cell in named if _is_a_setting(name.removeprefix(prefix(cell)))), named[0])
        setting = name.removeprefix(prefix(cell))
        if not _is_a_setting(setting):
            raise SettingError(
                f"{name} is set, and {setting or 'this'} is no setting that {cell.name} can have of its own"
            )
        own[cell][setting] = value
    return own


def prefix(cell: Cell) -> str:
    """With what the names of a cell's own settings begin."""
    return f"{cell.name.upper().replace('-', '_')}_"


def _is_a_setting(name: str) -> bool:
    return known(name) and name not in PLAIN | OF_NO_CELL


def _cells(shell: Mapping[str, str]) -> tuple[Cell, ...]:
    try:
        return read_cells(shell.get("CELLS", ""))
    except ValueError:
        return ()  # whoever reads the settings says what is wrong
