"""The charts, as SVG: throughput against clients, latency against clients, cost against table size and against time."""

import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measured import Measured
from local.place import CHECKOUT
from tests.tools.kept import NotToBeHad, fetch, keep

REQUIREMENTS = CHECKOUT / "requirements" / "bench.txt"
Points = Sequence[dict[str, float]]


class Chart(NamedTuple):
    """What is drawn of some points: along one of their numbers, a line for each of others."""

    title: str
    of: str
    along: str
    title_along: str
    lines: dict[str, str]


CHARTS = {
    "throughput": Chart(
        "Charges a second",
        "charges a second",
        "clients",
        "clients",
        {"create_payment, one process": "function", "pgbench, the same statements": "pgbench"},
    ),
    "latency": Chart(
        "How long a charge takes", "milliseconds", "clients", "clients", {"median": "p50", "90 %": "p90", "99 %": "p99"}
    ),
    "cost": Chart(
        "What a charge costs, by table size",
        "processor milliseconds",
        "payments",
        "payments, as many keys, as many events",
        {"PostgreSQL": "postgres", "function": "function"},
    ),
    "snapshot": Chart(
        "What a charge costs PostgreSQL while a snapshot is held",
        "by what it costs without one",
        "minutes",
        "minutes for which it is held",
        {"PostgreSQL": "cost"},
    ),
}


def draw(figures: Iterable[Measured], folder: Path) -> list[str]:
    """Writes a chart for each of those that there are points for, and gives the names of the files. None where pygal cannot be
    had, which is said."""
    points = {name: drawn for measured in figures for name, drawn in measured.points.items()}
    wanted = [name for name in CHARTS if points.get(name)]
    try:
        pygal = _pygal()
    except NotToBeHad as trouble:
        print(f"No charts: {trouble}")
        return []
    for name in wanted:
        (folder / f"{name}.svg").write_bytes(_drawn(pygal, name, points[name]))
    return [f"{name}.svg" for name in wanted]


def _drawn(pygal: Any, name: str, points: Points) -> bytes:
    chart = CHARTS[name]
    drawn = pygal.Line(
        title=chart.title,
        y_title=chart.of,
        x_title=chart.title_along,
        x_labels=[f"{round(point[chart.along], 1):,}".removesuffix(".0") for point in points],
        style=pygal.style.CleanStyle,
        legend_at_bottom=True,
        legend_at_bottom_columns=3,
        include_x_axis=True,
        js=[],
        width=720,
        height=420,
    )
    drawn.uuid = name  # not by chance: the same figures make the same file
    for line, key in chart.lines.items():
        drawn.add(line, [point[key] for point in points])
    rendered: bytes = drawn.render()
    return rendered


def _pygal() -> Any:
    folder = keep("charts", REQUIREMENTS, "what draws the charts", _install)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.import_module("pygal.style")
    return importlib.import_module("pygal")


def _install(folder: Path) -> None:
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    fetch("pygal", [*pip, "--target", str(folder), "--requirement", str(REQUIREMENTS)], folder)
