"""`CELLS=mumbai=1,delhi=2 make run` where one of the cells cannot start, and where the whole is killed before it is up."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from local import cells
from local.foreground import CannotStartError
from local.supervisor import Supervisor
from tests.local.checkouts import Copy, Running, await_that

CELLS = "mumbai=1,delhi=2"


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    with Copy.below("checkout ") as copied:
        yield copied


def test_a_cell_that_cannot_start_is_named_in_one_line_with_the_reason_and_nothing_stays(copy: Copy) -> None:
    cluster = copy.folder / ".data" / "cells" / "2" / "postgres"
    cluster.mkdir(parents=True)
    refused = copy.run(CELLS=CELLS)
    assert refused.wait() == 1
    assert refused.lines[-1].startswith(f"delhi does not start: {cluster} ")
    assert [line for line in refused.lines if "delhi" in line] == refused.lines[-1:]
    assert copy.processes() == []
    cluster.rmdir()


def test_who_asks_a_cell_that_was_never_there_is_told_so_and_nothing_is_made(copy: Copy) -> None:
    asked = Running(copy, {"CELL": "3"}, [sys.executable, "-m", "local.database", "shared.charging.by_hand"])
    assert asked.wait() == 2
    assert asked.lines == ["There is no database in .data/cells/3 yet: make run makes it, or make migrate.\n"]
    assert not (copy.folder / ".data" / "cells" / "3").exists()


def test_when_what_runs_all_cells_is_killed_they_end_too(copy: Copy) -> None:
    running = copy.run(CELLS=CELLS)
    await_that(lambda: len(copy.processes("local.supervisord")) == 3)
    os.kill(running.process.pid, signal.SIGKILL)
    running.wait()
    await_that(lambda: copy.processes() == [])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"DELHI_CURRENCY": "Dollars"},
            "delhi: CURRENCY must be a three-letter ISO 4217 code in capitals, such as INR",
        ),
        ({"DELHI_FOO": "1"}, "DELHI_FOO is set, and FOO is no setting that delhi can have of its own"),
        ({"CELLS": "mumbai=1@here:1,delhi=2"}, "CELLS has an address for mumbai: make run gives each cell one itself"),
    ],
)
def test_what_is_set_wrong_for_a_cell_is_one_line_before_anything_is_made(
    copy: Copy, wrong: dict[str, str], said: str
) -> None:
    refused = copy.run(**{"CELLS": CELLS, **wrong})
    assert refused.wait() == 1
    assert refused.lines == [f"payment-service cannot start: {said}\n"]


def test_what_a_cell_says_is_shown_under_its_name_as_whole_lines_and_why_it_cannot_start_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cells, "LOG", tmp_path)
    log = tmp_path / "cell_delhi.log"
    log.write_text("of an earlier start\n")
    with cells.Voice("delhi", 6) as voice, log.open("a", encoding="utf-8") as said:

        def says(text: str) -> str:
            said.write(text)
            said.flush()
            voice.show()
            return capsys.readouterr().out

        assert says('{"level": "INFO", "message": "One') == ""
        assert says('."}\n{"level": "CRITICAL", "message": "No."}\n') == "delhi   One.\n"
        assert (voice.up, voice.why) == (False, "No.")
        assert says('{"level": "INFO", "message": "Answers at x"}\n') == "delhi   Answers at x\n"
        assert voice.up
        no = '{"level": "CRITICAL", "message": "No."}\n'
        assert says(no + "{}\n") == "delhi   No.\ndelhi   \n"
        assert says(no + no) == "", "it is tried again every two seconds"
        assert says(no.replace("No", "Never") + no) == "delhi   Never.\ndelhi   No.\n"
        assert says('{"level": "INFO", "message": "Answers at x"}\n' + no) == "delhi   Answers at x\ndelhi   No.\n"


@pytest.mark.parametrize(
    ("silent", "named"), [(True, "delhi does not start: see "), (False, "front_door does not start")]
)
def test_what_runs_and_never_is_up_is_waited_for_no_longer_than_a_start_may_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, silent: bool, named: str
) -> None:
    monkeypatch.setattr(cells, "LOG", tmp_path)
    monkeypatch.setattr(cells, "START_PATIENCE", 0.01)
    monkeypatch.setattr(cells, "answers", lambda *_: False)
    running = Mock(Supervisor, states=lambda: {"cell_delhi": "RUNNING", "front_door": "RUNNING"})
    with cells.Voice("delhi", 6) as voice:
        voice.up = not silent
        with pytest.raises(CannotStartError, match=named):
            cells._wait_until_up(running, [voice], 1)
