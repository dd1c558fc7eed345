"""Charges after an hour's worth of them without a vacuum, with statistics that have seen no PENDING payment."""

from benchmarks import sizes
from benchmarks.measured import Measured, at_least
from benchmarks.stage import Stage, compared

CLIENTS = 8
BEFORE = 1_000_000


def measure(stage: Stage) -> Measured:
    """A database of a million payments after that hour, and one at its start, by turns."""
    ours, beside = [], []
    start = stage.databases.kept(f"payments_{BEFORE}", sizes.payments(BEFORE))
    hour = stage.databases.kept("hour", sizes.hour, template=start)
    with (
        stage.databases.place(start) as fresh,
        stage.databases.place(hour) as old,
        stage.charging(fresh) as at_the_start,
        stage.charging(old) as after_the_hour,
    ):
        for _ in range(stage.rounds):
            ours.append(after_the_hour.ours(CLIENTS)[0])
            beside.append(at_the_start.ours(CLIENTS)[0])
    what = f"charge without vacuum, after {sizes.HOUR:,} charges"
    return Measured([compared(what, ours, beside, "at the start", at_least(0.9))])
