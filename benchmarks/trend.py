"""What processes hold, looked at every few seconds, and whether it grows."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from statistics import median, quantiles

import psutil

LOOKS_EVERY = 5.0
MIB = 2**20


@dataclass
class Held:
    """What a group of processes held over time: private memory in MiB, descriptors, connections to the database where they
    are counted; each with the moment it was seen."""

    moments: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    descriptors: list[float] = field(default_factory=list)
    connections: list[float] = field(default_factory=list)

    def series(self) -> dict[str, list[float]]:
        """The same in round numbers, with seconds from the first moment on."""
        seconds = [float(round(moment - self.moments[0])) for moment in self.moments]
        memory = [round(value, 1) for value in self.memory]
        series = {"seconds": seconds, "memory": memory, "descriptors": self.descriptors}
        return series | ({"connections": self.connections} if self.connections else {})


class Watch:
    """Looks at groups of processes in a thread of its own, from `with` on; `groups` names those that there are at a moment,
    `connections` counts those of some of them."""

    def __init__(
        self, groups: Callable[[], Mapping[str, list[psutil.Process]]], connections: Callable[[], Mapping[str, float]]
    ) -> None:
        self.held: dict[str, Held] = {}
        self._groups = groups
        self._connections = connections
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_on(self) -> None:
        while not self._over.wait(LOOKS_EVERY):
            connections = self._connections()
            for name, processes in self._groups().items():
                held = self.held.setdefault(name, Held())
                held.moments.append(time.monotonic())
                held.memory.append(sum(map(_private, processes)) / MIB)
                held.descriptors.append(float(sum(map(_descriptors, processes))))
                if name in connections:
                    held.connections.append(connections[name])


def growth(moments: list[float], values: list[float]) -> float:
    """By how much the values of the second half grew, by their trend, as a share of their median. The first half is what a
    process needs to reach its size. The trend is the median of the slopes between all pairs (Theil and Sen), which a few looks
    that are off do not move."""
    half = len(values) // 2
    late, when = values[half:], moments[half:]
    if len(late) < 3:
        return 0.0
    pairs = combinations(zip(when, late, strict=True), 2)
    slope = median((value - earlier) / (moment - before) for (before, earlier), (moment, value) in pairs)
    return slope * (when[-1] - when[0]) / max(1.0, median(late))


def more(values: list[float]) -> float:
    """How much more there were in the second half than in the first, as a share, by what four in five looks do not exceed. For
    what comes and goes: connections are replaced within minutes, all at about the same time, and a new one grows until then."""
    half = len(values) // 2
    if half < 2:
        return 0.0
    before, after = (quantiles(part, n=5, method="inclusive")[-1] for part in (values[:half], values[half:]))
    return (after - before) / max(1.0, before)


def _private(process: psutil.Process) -> float:
    """Bytes that are this process's alone: what PostgreSQL's share among themselves counts for none of them."""
    with suppress(OSError):
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
        return 1024 * sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_"))
    return 0.0


def _descriptors(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        return process.num_fds()
    return 0
