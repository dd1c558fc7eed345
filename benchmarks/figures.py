"""Figures of one run, printed, and kept as benchmarks/results/NAME.json and NAME.md.

The JSON has `name`, `title`, `at` (UTC), `machine`, `options`, and `figures`: each with `figure`, `value`, `unit`, and where
there is one `goal`, which the value may not exceed, and whether it `held`; and `series`, what was seen over time, by name.
"""

import json
import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil

from local.place import CHECKOUT

RESULTS = CHECKOUT / "benchmarks" / "results"


@dataclass(frozen=True)
class Figure:
    """A figure; `goal` is the most that it may be."""

    name: str
    value: float
    unit: str
    goal: float | None = None

    @property
    def held(self) -> bool:
        return self.goal is None or self.value <= self.goal


def write(
    name: str, title: str, options: dict[str, Any], figures: list[Figure], series: dict[str, Any] | None = None
) -> None:
    """Prints them and writes both files."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    content = {
        "name": name,
        "title": title,
        "at": at,
        "machine": machine(),
        "options": options,
        "figures": [_row(figure) for figure in figures],
        **({"series": series} if series else {}),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content) + "\n", encoding="utf-8")
    lines = [
        f"## {title}",
        "",
        f"{at}, {machine()}",
        "",
        "| figure | value | goal | held |",
        "| --- | --- | --- | --- |",
    ]
    for figure in figures:
        goal = "" if figure.goal is None else f"≤ {_text(figure.goal, figure.unit)}"
        held = "" if figure.goal is None else "yes" if figure.held else "**no**"
        lines.append(f"| {figure.name} | {_text(figure.value, figure.unit)} | {goal} | {held} |")
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines), flush=True)


def machine() -> str:
    """The machine in a line, and how busy it is by now."""
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, load {os.getloadavg()[0]:.1f}, {system}"


def _row(figure: Figure) -> dict[str, Any]:
    row: dict[str, Any] = {"figure": figure.name, "value": round(figure.value, 4), "unit": figure.unit}
    return row if figure.goal is None else row | {"goal": figure.goal, "held": figure.held}


def _text(value: float, unit: str) -> str:
    number = f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"
    return f"{number} {unit}".strip()
