"""What `make bench` is asked for."""

import subprocess
import sys

import pytest

from benchmarks.run import FIGURES, OTHERS
from local.place import CHECKOUT


def test_a_figure_that_there_is_none_of_is_refused_with_those_that_there_are() -> None:
    command = [sys.executable, "-m", "benchmarks.run", "--only", "charge,speed"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("ONLY knows no speed. It is any of: charge, replay, cold-start")


@pytest.mark.parametrize("name", [*FIGURES, *OTHERS])
def test_every_figure_is_explained_on_its_page(name: str) -> None:
    assert f"`{name}`" in (CHECKOUT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
