"""The table: printed, and kept under benchmarks/results as JSON and Markdown, each figure with when and where it was taken."""

import json
from pathlib import Path
from typing import Any

from benchmarks.measured import Measured, Row, short

RESULTS = Path(__file__).parent / "results"
HEAD = "| figure | measured | goal | reached | ours | beside |\n| --- | --- | --- | --- | --- | --- |"
# Benchmarks that keep results of their own beside these.
OTHERS = ("storm", "soak")
OTHERS_HEAD = "| figure | measured | goal | reached |\n| --- | --- | --- | --- |"


class Results:
    """What was measured last of each figure. A run of some figures leaves the others as they were."""

    def __init__(self, folder: Path = RESULTS) -> None:
        self.folder = folder
        self._json = folder / "latest.json"
        stored = json.loads(self._json.read_text(encoding="utf-8")) if self._json.exists() else {}
        self.figures: dict[str, dict[str, Any]] = stored

    def keep(self, name: str, measured: Measured, taken: dict[str, str]) -> None:
        """Writes a figure as soon as it is there, so that a run that is cut short keeps what it has."""
        self.figures[name] = taken | measured.as_json()
        self.folder.mkdir(exist_ok=True)
        self._json.write_text(json.dumps(self.figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def write_page(self, order: list[str], charts: list[str]) -> None:
        """latest.md: the table, when and on what each figure was taken, and the charts."""
        there = [name for name in order if name in self.figures]
        lines = [
            "# Results of `make bench`",
            "",
            "What each figure means: [docs/benchmarks.md](../../docs/benchmarks.md).",
            "",
        ]
        lines += [HEAD, *(line(row) for name in there for row in self.of(name).rows), ""]
        lines += _of_others(self.folder)
        lines += [
            "| taken | figures (load of the machine before each) |",
            "| --- | --- |",
            *_when(self.figures, there),
            "",
        ]
        lines += [f"![{Path(chart).stem}]({chart})" for chart in charts]
        (self.folder / "latest.md").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def of(self, name: str) -> Measured:
        return Measured.from_json(self.figures[name])


def line(row: Row) -> str:
    """One row in Markdown."""
    reached = {None: "–", True: "yes", False: "**no**"}[row.reached]
    return f"| {row.what} | {row.value} {row.unit} | {row.goal or '–'} | {reached} | {row.ours} | {row.beside} |"


def printed(row: Row) -> str:
    """One row for a terminal."""
    reached = {None: "", True: f"goal {row.goal}: reached", False: f"goal {row.goal}: NOT REACHED"}[row.reached]
    beside = "" if row.beside == "–" else f", beside {row.beside}"
    return f"  {row.what}: {row.value} {row.unit}  {reached}\n      {row.ours}{beside}"


def _of_others(folder: Path) -> list[str]:
    """What the storm and the soak came to when they ran last: those of their figures that have a goal."""
    lines: list[str] = []
    for name in OTHERS:
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        stored = json.loads(path.read_text(encoding="utf-8"))
        lines += [f"[{stored['title']}]({name}.md), {stored['at'][:10]}:", "", OTHERS_HEAD]
        for figure in stored["figures"]:
            if "goal" in figure:
                value, goal = f"{short(figure['value'])} {figure['unit']}", f"≤ {short(figure['goal'])}"
                lines.append(f"| {figure['figure']} | {value} | {goal} | {'yes' if figure['held'] else '**no**'} |")
        lines.append("")
    return lines


def _when(figures: dict[str, dict[str, Any]], names: list[str]) -> list[str]:
    """Figures of one run, revision and machine in one line."""
    together: dict[str, list[str]] = {}
    for name in names:
        taken = figures[name]
        where = f"{taken['at'][:10]}, {taken['revision']}: {taken['machine']}; {taken['system']}; {taken['versions']}"
        together.setdefault(where, []).append(f"{name} ({taken['load']})")
    return [f"| {where} | {', '.join(those)} |" for where, those in together.items()]
