"""The page about states is what the table of moves says."""

import re

import pytest

from local.place import CHECKOUT
from shared.rules.states import DISPUTE_MOVES, PAYMENT_MOVES, REFUND_MOVES, Move
from tools.states import FILE, redrawn

PAGE = FILE.read_text(encoding="utf-8")
PARTS = dict(zip(("A payment", "A refund", "A dispute"), PAGE.split("\n## ")[1:], strict=True))


def test_the_drawings_are_made_from_the_table() -> None:
    assert redrawn(PAGE) == PAGE


def test_a_page_without_a_place_for_a_drawing_is_refused() -> None:
    with pytest.raises(ValueError, match="refunds"):
        redrawn(PAGE.replace("<!-- end of refunds -->", ""))


@pytest.mark.parametrize(
    ("part", "moves"), [("A payment", PAYMENT_MOVES), ("A refund", REFUND_MOVES), ("A dispute", DISPUTE_MOVES)]
)
def test_every_cause_has_its_line_with_the_statement_that_makes_the_move(part: str, moves: tuple[Move, ...]) -> None:
    lines = dict(re.findall(r"^- \*\*(.+?)\*\* \(`(.+?)`", PARTS[part], re.MULTILINE))
    assert lines == {move.cause: move.statement or "seed/load.py" for move in moves}


def test_every_statement_that_makes_a_move_is_there() -> None:
    named = {move.statement for move in PAYMENT_MOVES + REFUND_MOVES + DISPUTE_MOVES if move.statement}
    assert named <= {path.stem for path in (CHECKOUT / "sql" / "statements").glob("*.sql")}
