"""Calls at the same moment, for races with real threads."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shared.web.problems import Problem

Given = TypeVar("Given")


def at_once(*calls: Callable[[], Given]) -> list[Given | Problem]:
    """Calls all at the same moment, each in a thread of its own; what they gave, or the refusal, in order."""
    barrier = threading.Barrier(len(calls))

    def work(call: Callable[[], Given]) -> Given | Problem:
        barrier.wait(20)
        try:
            return call()
        except Problem as problem:
            return problem

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(work, calls))
