"""Every program that make, the image, Compose, the manifests or a page starts is there."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from local.place import CHECKOUT

FILES = [
    CHECKOUT / "Makefile",
    CHECKOUT / "Dockerfile",
    CHECKOUT / "docker-compose.yml",
    CHECKOUT / "README.md",
    CHECKOUT / "CONTRIBUTING.md",
    *(CHECKOUT / "docs").glob("*.md"),
    *(CHECKOUT / "knative").rglob("*.yaml"),
]
# `python -m x.y`, and `[python, -m, x.y]`; and what local.database is told to run.
MODULE = r"([a-z_]+(?:\.[a-z_]+)+)"
STARTED = (re.compile(rf"-m[\s\"',]+{MODULE}"), re.compile(rf"local\.database {MODULE}"))


def started(path: Path) -> set[str]:
    text = path.read_text(encoding="utf-8")
    return {name for way in STARTED for name in way.findall(text)}


@pytest.mark.parametrize("path", [path for path in FILES if started(path)], ids=lambda path: path.name)
def test_a_program_that_is_started_is_there(path: Path) -> None:
    assert [name for name in started(path) if find_spec(name) is None] == []


def test_make_starts_what_operators_rely_on() -> None:
    assert started(CHECKOUT / "Makefile") >= {
        "local.run",
        "sql.migrate",
        "seed.load",
        "shared.charging.by_hand",
        "shared.events.resend",
        "shared.reconciling.command",
        "local.webhook",
    }
