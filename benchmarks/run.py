"""`make bench`: takes every figure, or those that ONLY names, and shows each with its goal. None fails a build."""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import machine
from benchmarks.besides import Neighbours
from benchmarks.databases import Databases, server
from benchmarks.figure import Measured, NotMeasured
from benchmarks.image import Image
from benchmarks.measures import charge, cold_start, memory
from benchmarks.report import Results, printed
from benchmarks.stage import Stage

FIGURES: dict[str, Callable[[Stage], Measured]] = {
    "charge": charge.measure,
    "replay": charge.replay,
    "cold-start": cold_start.measure,
    "memory": memory.measure,
}


def main() -> None:
    options = _options()
    results = Results()
    with tempfile.TemporaryDirectory(prefix="bench-") as made, server() as postgres:
        folder = Path(made)
        with Neighbours(folder) as neighbours:
            stage = Stage(
                folder, Image(folder), Databases(postgres), neighbours, options.seconds, options.rounds, options.minutes
            )
            for name in options.only:
                _take(name, stage, results)
    results.write_page(list(FIGURES), [])


def _take(name: str, stage: Stage, results: Results) -> None:
    began = time.monotonic()
    print(f"{name} ...", flush=True)
    stage.databases.settle()
    try:
        measured = FIGURES[name](stage)
    except NotMeasured as why:
        print(f"  not measured: {why}", flush=True)
        return
    results.keep(name, measured, machine.measured())
    for row in measured.rows:
        print(printed(row))
    print(f"  ({time.monotonic() - began:.0f} s)", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures the service beside its references.")
    parser.add_argument("--only", type=_names, default=list(FIGURES), help="figures, parted by commas")
    parser.add_argument("--seconds", type=float, default=5, help="of each side in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=5, help="for which a snapshot is held")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in FIGURES:
            sys.exit(f"ONLY knows no {name}. It is any of: {', '.join(FIGURES)}")
    return names


if __name__ == "__main__":
    main()
