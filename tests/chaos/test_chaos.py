"""The chaos test in the suite: a short storm, with every time-out as short as the settings allow."""

import os
import random

from tests.chaos.plan import SUITE, Plan
from tests.chaos.run import chaos_of_cells


def test_nothing_is_lost_and_nothing_is_charged_twice_whatever_dies_in_either_of_two_cells() -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    report = chaos_of_cells(Plan(seconds=20, seed=seed, times=SUITE, clients=10))
    assert not report.violations, f"seed {seed}: make chaos CELLS=2 SEED={seed}"
    killed = report.blows["function killed"] + report.blows["worker killed"]
    assert killed >= 3, f"only {report.blows}"
    assert report.blows["database killed"] >= 2, f"only {report.blows}"
    for kind in (
        "fail-over",
        "name server silent",
        "network forgets",
        "own front door killed",
        "front door of cells killed",
    ):
        assert report.blows[kind] >= 1, f"only {report.blows}"
    assert report.forgotten >= 1, "no connection was idle for long enough to be forgotten"
    assert report.astray >= 3, "hardly any request came to the wrong cell"
    assert report.payments >= 20, f"only {report.payments} payments in the storm"
