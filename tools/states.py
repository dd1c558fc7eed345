"""The drawings of docs/states.md, made from the moves in shared/rules/states.py. `python -m tools.states` writes them there."""

import re
from collections.abc import Sequence
from pathlib import Path

from shared.rules.states import DISPUTE_MOVES, PAYMENT_MOVES, REFUND_MOVES, Move

FILE = Path(__file__).parents[1] / "docs" / "states.md"
DRAWN = {"payments": PAYMENT_MOVES, "refunds": REFUND_MOVES, "disputes": DISPUTE_MOVES}


def redrawn(page: str) -> str:
    """The page with what is between its markers made anew. Raises ValueError where one is missing."""
    for name, moves in DRAWN.items():
        begin, end = f"<!-- {name}: made by python -m tools.states -->", f"<!-- end of {name} -->"
        page, places = re.subn(
            f"{re.escape(begin)}.*?{re.escape(end)}", "\n".join([begin, *drawing(moves), end]), page, flags=re.DOTALL
        )
        if places != 1:
            raise ValueError(f"{name} has its place in docs/states.md {places} times, not once")
    return page


def drawing(moves: Sequence[Move]) -> list[str]:
    """Lines of Mermaid: an arrow for each two statuses, with everything that may cause the move."""
    causes: dict[tuple[str, str], list[str]] = {}
    for move in moves:
        causes.setdefault((move.source or "[*]", move.target), []).append(move.cause)
    left = {source for source, _ in causes}
    ends = dict.fromkeys(target for _, target in causes if target not in left)
    return [
        "```mermaid",
        "stateDiagram-v2",
        *(f"    {source} --> {target}: {', '.join(why)}" for (source, target), why in causes.items()),
        *(f"    {status} --> [*]" for status in ends),
        "```",
    ]


if __name__ == "__main__":
    FILE.write_text(redrawn(FILE.read_text(encoding="utf-8")), encoding="utf-8")
