"""What the head of every page leads to: the sections of the console, and the same section of the other cells."""

from typing import NamedTuple
from urllib.parse import urlencode

from shared.web.call import Call
from shared.web.cell_prefix import prefix_of

HOME = "/console"
SECTIONS = {
    HOME: "Today",
    "/console/payments": "Payments",
    "/console/reconciliation": "Reconciliation",
    "/console/attention": "Needs attention",
}


class Beside(NamedTuple):
    """A cell, and the address there of the section that a page is of."""

    cell: str
    address: str
    is_here: bool


def beside(call: Call) -> list[Beside]:
    """Each cell, this one too; none where there is but one. A period is one in every cell; what else an address asks for, such
    as a payment, is only in its own."""
    if len(call.cells) < 2:
        return []
    section = next((path for path in reversed(SECTIONS) if f"{call.path}/".startswith(f"{path}/")), HOME)
    query = f"?{urlencode(call.query)}" if call.query and call.path == HOME else ""
    return [
        Beside(cell.name, f"{prefix_of(cell.name)}{section}{query}", prefix_of(cell.name) == call.base)
        for cell in call.cells
    ]
