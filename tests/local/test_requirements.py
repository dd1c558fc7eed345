"""What `make run` installs is enough to run: it does not wait for what the tests need."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from local.place import CHECKOUT

PARTS = ("functions", "local", "seed", "shared", "sql")


def imported(path: Path) -> Iterator[str]:
    """The packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def normal(name: str) -> str:
    """A distribution's name as packaging tools compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_what_the_service_imports_is_installed_with_it() -> None:
    pinned = {
        normal(line.partition("==")[0])
        for name in ("run.txt", "local.txt")
        for line in (CHECKOUT / "requirements" / name).read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    modules = (path for part in PARTS for path in (CHECKOUT / part).rglob("*.py"))
    others = {name for path in modules for name in imported(path)} - sys.stdlib_module_names - set(PARTS)
    distributions = packages_distributions()
    assert "psycopg2" in others
    assert {name for name in others if pinned.isdisjoint(map(normal, distributions.get(name, [])))} == set()
