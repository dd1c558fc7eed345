"""Where each cell of a checkout keeps what it makes, and which processes are its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from local import place
from local.place import CHECKOUT, MARKER

SLEEP = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)"]


@pytest.mark.parametrize(
    ("environment", "below"),
    [
        ({}, ".data"),
        ({"CELL": "0"}, ".data"),
        ({"CELL": "0", "CELLS": "mumbai=0,delhi=2"}, ".data"),
        ({"CELL": "12"}, ".data/cells/12"),
        ({"CELL": "2", "CELLS": "mumbai=1,delhi=2"}, ".data/cells/2"),
        ({"CELLS": "mumbai=1,delhi=2"}, ".data/cells"),
        ({"CELLS": " "}, ".data"),
        ({"CELL": "../.."}, ".data"),
        ({"CELL": "9999"}, ".data"),
    ],
)
def test_each_cell_has_a_folder_of_its_own_and_so_has_what_they_have_in_common(
    environment: dict[str, str], below: str
) -> None:
    assert place.folder(environment) == CHECKOUT / below


def test_what_another_cell_left_over_is_none_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(place, "CHECKOUT", tmp_path)
    monkeypatch.setattr(place, "OF_CELL_0", tmp_path)
    cells = ({}, {"CELL": "0"}, {"CELL": "1"}, {"CELL": "2"}, {"CELLS": "mumbai=1,delhi=2"})
    started = [subprocess.Popen(SLEEP, env={MARKER: str(tmp_path), **cell}, stdout=subprocess.PIPE) for cell in cells]
    try:
        for process in started:
            assert process.stdout
            process.stdout.readline()
        for folder, own in (
            (tmp_path, started[:2]),
            (tmp_path / "cells" / "2", started[3:4]),
            (tmp_path / "cells", started[4:]),
        ):
            monkeypatch.setattr(place, "DATA", folder)
            assert [process.pid for process in place.left_over()] == [process.pid for process in own]
    finally:
        for process in started:
            process.kill()
            process.communicate()


def test_the_supervisor_of_each_cell_listens_at_a_path_of_its_own_that_is_short_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deep = Path("/", *["d" * 50] * 2)
    paths = set()
    for folder in (deep, deep / "cells", deep / "cells" / "1", deep / "cells" / "2"):
        monkeypatch.setattr(place, "DATA", folder)
        monkeypatch.setattr(place, "RUN", folder / "run")
        paths.add(place.socket_path())
    assert len(paths) == 4
    assert all(len(str(path)) < 100 for path in paths)
