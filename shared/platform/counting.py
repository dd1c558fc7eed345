"""What this process counts of its own work, for whoever scrapes it (shared/platform/exposition.py). Each figure stands beside
what it counts.

To count is a lock and an addition, and needs no library: no start and no payment waits for one.
"""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from threading import Lock
from typing import NamedTuple

# Seconds: from what a warm answer takes to what a client waits for at most.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

# The values of a figure's labels. There are few of each: nothing that a caller makes up.
Labels = tuple[str, ...]


class Counts:
    """How often something happened, by labels."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self._counted: dict[Labels, int] = {}
        self._lock = Lock()
        counts.append(self)

    def count(self, *labels: str) -> None:
        """Once more, of these labels."""
        with self._lock:
            self._counted[labels] = self._counted.get(labels, 0) + 1

    def read(self) -> Mapping[Labels, int]:
        with self._lock:
            return dict(self._counted)


class Took(NamedTuple):
    """`at_most` counts for each of BOUNDS, and at its end without a bound, what took no longer; `seconds` is all of it."""

    at_most: list[int]
    seconds: float


class Durations:
    """How long something took, by labels."""

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name, self.meaning, self.labels = name, meaning, labels
        self._counted: dict[Labels, tuple[list[int], list[float]]] = {}
        self._lock = Lock()
        durations.append(self)

    def note(self, seconds: float, *labels: str) -> None:
        """Once more, of these labels, and it took so long."""
        place = bisect_left(BOUNDS, seconds)
        with self._lock:
            if labels not in self._counted:
                self._counted[labels] = [0] * (len(BOUNDS) + 1), [0.0]
            numbers, total = self._counted[labels]
            numbers[place] += 1
            total[0] += seconds

    def read(self) -> Mapping[Labels, Took]:
        with self._lock:
            return {
                labels: Took(list(accumulate(numbers)), sum(total))
                for labels, (numbers, total) in self._counted.items()
            }


class PoolUse(NamedTuple):
    """Connections to the database: how many there may be, how many are held, and how many wait to be used."""

    size: int
    in_use: int
    idle: int


# All that there are: of what this process has loaded.
counts: list[Counts] = []
durations: list[Durations] = []
