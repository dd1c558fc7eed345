"""What the code calls by a name is explained on a page: settings, figures, messages of the log, problem codes."""

import json
import re
from dataclasses import fields

import pytest

from local.place import CHECKOUT
from shared.platform.settings import Settings

MESSAGE = r"\blog\.(?:info|warning|error|exception|critical)\(\s*\"([^\"]+)\""


def in_code(pattern: str, *folders: str) -> list[str]:
    """What a pattern finds in the Python files of these folders."""
    files = [file for folder in folders for file in (CHECKOUT / folder).rglob("*.py")]
    return [found for file in files for found in re.findall(pattern, file.read_text(encoding="utf-8"))]


FIGURES = [
    *in_code(r"\"((?:payment|outbox|gateway)_\w+)\"", "functions/metrics"),
    *in_code(r"\b(?:Counts|Durations)\(\s*\"(\w+)\"", "shared"),
    *in_code(r"\"(payment_pool_\w+)\"", "shared/platform"),
]


def problem_codes() -> list[str]:
    contract = json.loads((CHECKOUT / "functions" / "health" / "openapi.json").read_text(encoding="utf-8"))
    codes: list[str] = contract["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]
    return codes


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("operations.md", [setting.name.upper() for setting in fields(Settings)]),
        ("operations.md", FIGURES),
        ("operations.md", in_code(MESSAGE, "functions", "shared", "local")),
        ("api.md", problem_codes()),
    ],
    ids=["settings", "figures", "messages of the log", "problem codes"],
)
def test_every_name_is_explained(page: str, names: list[str]) -> None:
    text = (CHECKOUT / "docs" / page).read_text(encoding="utf-8")
    assert len(names) >= 10
    for name in names:
        assert f"`{name}`" in text, name


def test_no_other_figure_is_explained() -> None:
    text = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = text.partition("\n## Figures\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"`((?:payment|outbox|gateway)_\w+)`", section)) == set(FIGURES)
