"""The table of the figures, as it is kept."""

from pathlib import Path

from benchmarks import machine
from benchmarks.measured import Measured, Row, Spread, at_least, at_most
from benchmarks.report import Results, printed

TAKEN = {
    "at": "2026-11-26T11:00:00+00:00",
    "revision": "abc",
    "load": "0.3",
    "machine": "two cores",
    "system": "Linux",
    "versions": "Python",
}


def a_figure(what: str, value: float) -> Measured:
    return Measured([Row(what, Spread.of([value]), "×", "300/s", "pgbench 600/s", at_least(0.6))])


def test_a_run_of_one_figure_leaves_the_others_as_they_were(tmp_path: Path) -> None:
    Results(tmp_path).keep("charge", a_figure("charge throughput", 0.5), TAKEN)
    later = Results(tmp_path)
    later.keep("replay", a_figure("replay throughput", 0.6), TAKEN | {"revision": "def"})
    assert later.of("charge") == a_figure("charge throughput", 0.5)
    later.write_page(["charge", "replay", "never taken"], ["throughput.svg"])
    page = (tmp_path / "latest.md").read_text(encoding="utf-8")
    assert "| charge throughput | 0.50 × | ≥ 0.60 | **no** | 300/s | pgbench 600/s |" in page
    assert "| replay throughput | 0.60 × | ≥ 0.60 | yes | 300/s | pgbench 600/s |" in page
    assert "2026-11-26, abc: two cores; Linux; Python | charge (0.3) |" in page
    assert "2026-11-26, def: two cores; Linux; Python | replay (0.3) |" in page
    assert "![throughput](throughput.svg)" in page


def test_figures_of_one_run_share_a_line_that_says_where_they_were_taken(tmp_path: Path) -> None:
    results = Results(tmp_path)
    for name in ("charge", "replay"):
        results.keep(name, a_figure(name, 0.5), TAKEN)
    results.write_page(["charge", "replay"], [])
    assert "Python | charge (0.3), replay (0.3) |" in (tmp_path / "latest.md").read_text(encoding="utf-8")


def test_a_terminal_is_told_loudly_where_a_goal_is_not_reached() -> None:
    row = Row("memory", Spread.of([1.7]), "×", "54 MiB", "one line 31 MiB", at_most(1.35))
    assert "goal ≤ 1.35: NOT REACHED" in printed(row)
    assert "beside one line 31 MiB" in printed(row)


def test_it_is_known_what_a_figure_was_taken_on() -> None:
    measured = machine.taken()
    assert set(measured) == set(TAKEN)
    assert "PostgreSQL 18" in measured["versions"]
    assert "gunicorn" in measured["versions"]
    assert "absent" not in measured["versions"]
