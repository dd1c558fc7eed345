"""`make bench`: takes every figure, or those that ONLY names, and shows each with its goal. None fails a build."""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import charts, machine
from benchmarks.besides import Neighbours
from benchmarks.databases import Databases, server
from benchmarks.image import Image
from benchmarks.measured import Measured
from benchmarks.measures import (
    charge,
    cold_start,
    events,
    front_door,
    guarded,
    instances,
    listing,
    memory,
    metrics,
    size,
    snapshot,
    vacuum,
)
from benchmarks.report import Results, printed
from benchmarks.stage import Stage

FIGURES: dict[str, Callable[[Stage], Measured]] = {
    "charge": charge.measure,
    "replay": charge.replay,
    "cold-start": cold_start.measure,
    "guarded": guarded.measure,
    "memory": memory.measure,
    "metrics": metrics.measure,
    "size": size.measure,
    "vacuum": vacuum.measure,
    "snapshot": snapshot.measure,
    "listing": listing.measure,
    "instances": instances.measure,
    "front-door": front_door.measure,
    "events": events.measure,
}


# Not taken unless they are named: they keep results of their own, and take long.
OTHERS = {"storm": "benchmarks.storm", "load": "benchmarks.soak"}


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing is left running
    results = Results()
    ours = [name for name in options.only if name in FIGURES]
    if ours:
        with tempfile.TemporaryDirectory(prefix="bench-") as made, server() as postgres:
            folder = Path(made)
            with Neighbours(folder) as neighbours:
                image, databases = Image(folder), Databases(postgres)
                stage = Stage(folder, image, databases, neighbours, options.seconds, options.rounds, options.minutes)
                for name in ours:
                    _take(name, stage, results)
    for name in options.only:
        if name in OTHERS:
            subprocess.run([sys.executable, "-m", OTHERS[name]], check=False)
    results.write_page(list(FIGURES), charts.draw(map(results.of, results.figures), results.folder))


def _take(name: str, stage: Stage, results: Results) -> None:
    began, taken = time.monotonic(), machine.taken()
    print(f"{name} ...", flush=True)
    stage.databases.settle()
    try:
        measured = FIGURES[name](stage)
    except Exception as why:
        # A figure that cannot be taken is none; the others are taken all the same.
        print(f"  not measured: {str(why) or repr(why)}", flush=True)
        return
    results.keep(name, measured, taken)
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
        if name not in FIGURES and name not in OTHERS:
            sys.exit(f"ONLY knows no {name}. It is any of: {', '.join([*FIGURES, *OTHERS])}")
    return names


if __name__ == "__main__":
    main()
