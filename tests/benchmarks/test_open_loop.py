"""Load that is late where the service is, and never less."""

import asyncio
import time
from itertools import pairwise

import pytest

from benchmarks import open_loop


def test_requests_are_meant_to_begin_evenly_however_long_one_holds_up_the_others() -> None:
    meant: list[float] = []

    async def ask(intended: float) -> None:
        meant.append(intended)
        if len(meant) == 5:
            time.sleep(0.1)  # a stall of everything, the clients too

    assert asyncio.run(open_loop.run(ask, rate=200, seconds=0.25)) == 0
    assert len(meant) == 50
    assert [later - earlier for earlier, later in pairwise(meant)] == pytest.approx([0.005] * 49)


def test_a_service_that_answers_nothing_is_not_asked_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_loop, "MOST_UNDER_WAY", 10)
    asked = 0

    async def load() -> int:
        answered = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, answered.set)

        async def ask(_: float) -> None:
            nonlocal asked
            asked += 1
            await answered.wait()

        return await open_loop.run(ask, rate=200, seconds=0.2)

    assert asyncio.run(load()) == 30
    assert asked == 10
