"""The house: every room says what it is for and nothing else, and no file grows beyond what one reads in a sitting."""

import ast
import tomllib

import pytest

from local.place import CHECKOUT

SHARED = CHECKOUT / "shared"
ROOMS = sorted(path.name for path in SHARED.iterdir() if (path / "__init__.py").exists())
LONGEST = 250  # lines


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_in_three_lines_what_it_is_for_and_what_it_may_use(room: str) -> None:
    text = (SHARED / room / "__init__.py").read_text(encoding="utf-8")
    [statement] = ast.parse(text).body
    assert isinstance(statement, ast.Expr)
    said = ast.get_docstring(ast.parse(text)) or ""
    assert "May use" in said
    assert len(said.splitlines()) == 3


def test_every_room_has_its_floor() -> None:
    contracts = tomllib.loads((CHECKOUT / "layers.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    floors = next(contract["layers"] for contract in contracts if contract.get("containers") == ["shared"])
    assert sorted(room.strip() for floor in floors for room in floor.split("|")) == ROOMS


def test_no_file_is_longer_than_one_reads_in_a_sitting() -> None:
    files = [*SHARED.rglob("*.py"), *(CHECKOUT / "functions").rglob("*.py")]
    lengths = {str(path.relative_to(CHECKOUT)): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}
