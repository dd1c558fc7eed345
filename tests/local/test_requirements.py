"""What is installed: enough to run without waiting for what the tests need, every version pinned, every file by its hash."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from local.place import CHECKOUT
from tools import audit

REQUIREMENTS = CHECKOUT / "requirements"
LOCKED = sorted(REQUIREMENTS.glob("*.txt"))
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


def pinned(path: Path) -> dict[str, str]:
    """What a requirements file pins: a distribution's name, and the line that pins it with its hashes."""
    text = path.read_text(encoding="utf-8").replace("\\\n", "")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {normal(line.partition("==")[0]): line for line in lines}


def test_what_the_service_imports_is_installed_with_it() -> None:
    modules = (path for part in PARTS for path in (CHECKOUT / part).rglob("*.py"))
    others = {name for path in modules for name in imported(path)} - sys.stdlib_module_names - set(PARTS)
    distributions = packages_distributions()
    installed = pinned(REQUIREMENTS / "local.txt").keys()
    assert "psycopg2" in others
    assert {name for name in others if installed.isdisjoint(map(normal, distributions.get(name, [])))} == set()


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_every_version_is_pinned_and_every_file_has_its_hash(path: Path) -> None:
    assert pinned(path)
    for line in pinned(path).values():
        assert re.fullmatch(r"[\w.-]+==[\w.]+(\s*;[^-]+)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", line), line


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_nothing_says_where_packages_come_from(path: Path) -> None:
    for file in (path, path.with_suffix(".in")):
        assert not re.search(r"index-url|find-links|trusted-host|https?:", file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", LOCKED, ids=lambda path: path.name)
def test_what_was_asked_for_is_what_is_pinned(path: Path) -> None:
    asked = path.with_suffix(".in").read_text(encoding="utf-8").splitlines()
    names = {normal(match[0]) for line in asked if (match := re.match(r"[A-Za-z][\w.-]*", line))}
    assert names
    assert names <= pinned(path).keys()


def test_what_runs_is_the_same_wherever_it_runs() -> None:
    run, local, test = (pinned(REQUIREMENTS / f"{name}.txt") for name in ("run", "local", "test"))
    assert run.items() <= local.items() <= test.items()


def test_a_file_that_is_not_the_pinned_one_is_not_installed(tmp_path: Path) -> None:
    wheel = tmp_path / "zipp-4.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not what was looked at")
    wanted = tmp_path / "wanted.txt"
    wanted.write_text(pinned(REQUIREMENTS / "run.txt")["zipp"], encoding="utf-8")
    options = ["--quiet", "--no-index", "--no-deps", "--require-hashes", "--find-links", str(tmp_path)]
    pip = [sys.executable, "-m", "pip", "download", *options, "--dest", str(tmp_path / "got"), "-r", str(wanted)]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "HASHES" in done.stderr
    assert not list((tmp_path / "got").glob("*"))


def auditor(tmp_path: Path, script: str) -> str:
    """A program that stands in for pip-audit."""
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o700)
    return str(program)


FLAW = '{"id": "CVE-1", "aliases": ["GHSA-1"], "fix_versions": ["2.0"], "description": ""}'
AUDITS = {
    "clean": ('{"name": "a", "version": "1", "vulns": []}', audit.CLEAN, "1 versions looked up, 0 known"),
    "flawed": (f'{{"name": "a", "version": "1", "vulns": [{FLAW}]}}', audit.FOUND, "a 1: CVE-1 GHSA-1, mended in 2.0"),
    "skipped": (
        '{"name": "a", "skip_reason": "not found"}',
        audit.NOT_AUDITED,
        "no advisory database answers for 1 of",
    ),
    "empty": ("", audit.NOT_AUDITED, "nothing is pinned"),
}


@pytest.mark.parametrize(("versions", "status", "said"), AUDITS.values(), ids=AUDITS)
def test_an_audit_succeeds_only_where_every_version_was_looked_up_and_nothing_is_known(
    versions: str, status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = auditor(tmp_path, f"echo '{{\"dependencies\": [{versions}]}}'")
    assert audit.main(program, ["requirements/run.txt"]) == status
    out, err = capsys.readouterr()
    assert said in (err if status == audit.NOT_AUDITED else out)
    if status == audit.NOT_AUDITED:
        assert len(err.splitlines()) == 1


def test_an_audit_that_reaches_no_database_says_so_in_one_line_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = auditor(tmp_path, "echo 'Traceback' >&2; echo 'ConnectionError: nobody answers' >&2; exit 1")
    assert audit.main(program, ["requirements/run.txt"]) == audit.NOT_AUDITED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Not audited: ")
    assert err.endswith("ConnectionError: nobody answers\n")
    assert len(err.splitlines()) == 1
