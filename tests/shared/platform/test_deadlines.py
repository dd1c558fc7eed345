"""What is waited for too long is cut, and nothing else."""

import threading
import time

import pytest

from shared.platform.deadlines import Deadlines


class Waits:
    """Somebody who waits, and notes when that was cut."""

    def __init__(self) -> None:
        self.was_cut = threading.Event()
        self.at = 0.0

    def cut(self) -> None:
        self.at = time.monotonic()
        self.was_cut.set()


def test_a_wait_that_is_overdue_is_cut_and_knows_it() -> None:
    deadlines, wait = Deadlines(), Waits()
    deadlines.begin(wait, time.monotonic() + 0.05)
    assert wait.was_cut.wait(10)
    assert not deadlines.end(wait)


def test_a_wait_that_ended_in_time_is_never_cut() -> None:
    deadlines, ended, other = Deadlines(), Waits(), Waits()
    soon = time.monotonic() + 0.1
    deadlines.begin(ended, soon)
    assert deadlines.end(ended)
    deadlines.begin(other, soon + 0.05)
    assert other.was_cut.wait(10)
    assert not ended.was_cut.is_set()


def test_the_nearest_deadline_counts_whichever_was_told_first() -> None:
    deadlines, later, sooner = Deadlines(), Waits(), Waits()
    began = time.monotonic()
    deadlines.begin(later, began + 600)
    deadlines.begin(sooner, began + 0.1)
    assert sooner.was_cut.wait(10)
    assert sooner.at >= began + 0.1
    assert not later.was_cut.is_set()
    assert deadlines.end(later)


def test_a_wait_that_begins_overdue_is_cut_at_once() -> None:
    deadlines, wait = Deadlines(), Waits()
    deadlines.begin(wait, time.monotonic() - 1)
    assert wait.was_cut.wait(10)


@pytest.mark.parametrize("next_deadline", [0.05, 600], ids=["sooner", "later"])
def test_where_the_machine_gives_no_thread_the_very_next_wait_asks_again(
    monkeypatch: pytest.MonkeyPatch, next_deadline: float
) -> None:
    deadlines, first, second = Deadlines(), Waits(), Waits()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        deadlines.begin(first, time.monotonic() + 0.1)
    deadlines.begin(second, time.monotonic() + next_deadline)
    assert first.was_cut.wait(10)
    assert second.was_cut.wait(10 if next_deadline < 1 else 0) == (next_deadline < 1)
