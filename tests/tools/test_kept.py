"""A tool is fetched once, again when its pin changes, and is never there by half."""

import sys
import threading
from pathlib import Path

import pytest

from tests.tools import kept
from tests.tools.kept import NotToBeHad, fetch, is_kept, keep


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT", tmp_path / "tools")


@pytest.fixture
def pin(tmp_path: Path) -> Path:
    pin = tmp_path / "pin"
    pin.write_text("hammer 1")
    return pin


class Smith:
    """Makes hammers; counts them."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, folder: Path) -> None:
        self.made += 1
        (folder / "hammer").write_text(str(self.made))


def test_a_tool_is_fetched_once_and_that_is_said(pin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    smith = Smith()
    folder = keep("hammer", pin, "hammer 1", smith)
    assert keep("hammer", pin, "hammer 1", smith) == folder
    assert (folder / "hammer").read_text() == "1"
    assert capsys.readouterr().out == "Fetching hammer 1 (once)\n"


def test_another_pin_is_another_tool(pin: Path) -> None:
    smith = Smith()
    keep("hammer", pin, "hammer 1", smith)
    pin.write_text("hammer 2")
    assert not is_kept("hammer", pin)
    folder = keep("hammer", pin, "hammer 2", smith)
    assert (folder / "hammer").read_text() == "2"


def test_what_was_cut_off_is_begun_again(pin: Path) -> None:
    def cut_off(folder: Path) -> None:
        (folder / "half a hammer").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keep("hammer", pin, "hammer 1", cut_off)
    assert not is_kept("hammer", pin)
    folder = keep("hammer", pin, "hammer 1", Smith())
    assert not (folder / "half a hammer").exists()
    assert (folder / "hammer").exists()


def test_those_who_want_it_at_once_wait_for_the_one_who_fetches(pin: Path) -> None:
    smith = Smith()
    others = [threading.Thread(target=keep, args=("hammer", pin, "hammer 1", smith)) for _ in range(4)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    assert smith.made == 1


def test_a_registry_that_refuses_is_quoted_in_one_line(tmp_path: Path) -> None:
    program = "import sys; print('npm warn old\\nnpm error code ENOTFOUND\\nusage: …', file=sys.stderr); sys.exit(1)"
    with pytest.raises(NotToBeHad, match=r"^hammer 1 could not be fetched; .*\? npm error code ENOTFOUND$"):
        fetch("hammer 1", [sys.executable, "-c", program], tmp_path)
