"""The first answer of a process, told from all others."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.platform.unavailable import DatabaseUnavailable
from shared.web.cold_start import BOUNDS, ColdStart


class Counted:
    """A database that keeps what it is told, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self._failure = failure

    def run(self, name: str, **parameters: Any) -> None:
        self.told.append((name, parameters))
        if self._failure:
            raise self._failure


def test_of_many_first_answers_at_once_one_is_the_first() -> None:
    start = ColdStart("health", None)
    with ThreadPoolExecutor(8) as together:
        found = list(together.map(start.ended_by, [0.25] * 200))
    [seconds] = [each for each in found if each is not None]
    assert seconds > 0.25


@pytest.mark.parametrize(("seconds", "up_to"), [(0.0, 0.25), (0.25, 0.25), (0.3, 0.5), (11.0, float("inf"))])
def test_a_start_is_counted_under_the_smallest_bound_that_holds_it(seconds: float, up_to: float) -> None:
    counts = Counted()
    ColdStart("health", counts).over(seconds)
    assert counts.told == [("note_cold_start", {"function": "health", "up_to": up_to, "seconds": seconds})]


@pytest.mark.parametrize("failure", [DatabaseUnavailable("gone"), RuntimeError("a bug")])
def test_a_start_that_cannot_be_counted_raises_nothing(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    ColdStart("health", Counted(failure)).over(1.0)
    assert [record.message for record in caplog.records] == ["start not counted"]


def test_a_function_without_a_database_counts_nothing() -> None:
    ColdStart("notify", None).over(1.0)


def test_what_waited_for_the_first_answer_is_done_whether_the_start_was_counted_or_not() -> None:
    done: list[str] = []
    ColdStart("notify", Counted(RuntimeError("down")), lambda: done.append("then")).over(1.0)
    assert done == ["then"]


def test_the_bounds_hold_every_start() -> None:
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert BOUNDS[-1] == float("inf")
