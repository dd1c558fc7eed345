"""What the front door of all cells tells a cell: that it is meant, and the prefix of its paths, which is taken off."""

from collections.abc import Mapping

from shared.platform.settings import Settings

# What a caller, or the front door of cells, asks for: a cell's name or number. RFC 9110, 15.5.20.
CELL_HEADER = "Payment-Cell"


def prefix_of(cell: str) -> str:
    """What stands before every path of the cell of this name; empty where it has none."""
    return f"/cells/{cell}" if cell else ""


def base_of(settings: Settings, headers: Mapping[str, str]) -> str:
    """What stands before this cell's paths where a request was sent to, and is to stand before those that it is told: this
    cell's own prefix or nothing, whatever somebody who reaches a function itself writes into the headers.

    A path with an id in it finds its cell without the prefix; those that it leads to do not, unless the host names the cell.
    """
    own = prefix_of(settings.cell_name)
    if not own:
        return ""
    found_by_front_door = headers.get(CELL_HEADER) in settings.cell_names
    found_by_id = len(settings.cells) > 1 and found_by_front_door and settings.cell_name not in _first_labels(headers)
    return own if headers.get("X-Forwarded-Prefix") == own or found_by_id else ""


def _first_labels(headers: Mapping[str, str]) -> set[str]:
    hosts = ",".join(headers.get(name, "") for name in ("Host", "X-Forwarded-Host")).lower()
    return {host.strip().partition(":")[0].partition(".")[0] for host in hosts.split(",")}
