"""The prefix of a cell's paths at the front door of all cells, which takes it off, and says so in a header."""

from collections.abc import Mapping

from shared.platform.settings import Settings

TOLD = "X-Forwarded-Prefix"


def prefix_of(cell: str) -> str:
    """What stands before every path of the cell of this name; empty where it has none."""
    return f"/cells/{cell}" if cell else ""


def prefix_taken_off(settings: Settings, headers: Mapping[str, str]) -> str:
    """The prefix that a request came with, if it was this cell's own; empty for every other: whoever reaches a function itself
    may write what he likes into the header."""
    own = prefix_of(settings.cell_name)
    return own if own and headers.get(TOLD) == own else ""
