"""Two cells behind one front door, as `CELLS=mumbai=1,delhi=2 make run` starts them, and what a test may do to one of them."""

import os
import subprocess
import sys

from local.ending import kill
from tests.e2e.service import PATIENCE, TIMES, Service, Started

NUMBERS = {"mumbai": 1, "delhi": 2}
LIST = ",".join(f"{name}={number}" for name, number in NUMBERS.items())


class Cells(Service):
    """One start of both. `processes` and `end` are of all; what is one cell's is asked of `cell(name)`, a Started."""

    patience = 2 * PATIENCE

    def __init__(self, **settings: str) -> None:
        super().__init__(CELLS=LIST, DELHI_CURRENCY="USD", **settings)

    def cell(self, name: str) -> Started:
        return Started(self.folder, NUMBERS[name])

    def kill(self, name: str) -> None:
        """SIGKILL to what runs this cell, which is not what runs the other."""
        runners = [process for process in self.processes("local.cell") if name in process.cmdline()]
        assert runners
        kill(runners)

    def command(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """`python -m local.database` with these words, where both run from."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DB_")}
        return subprocess.run(
            [sys.executable, "-m", "local.database", *words],
            cwd=self.folder,
            env={**kept, "PYTHONPATH": str(self.folder), **TIMES, "CELLS": LIST, **settings},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
