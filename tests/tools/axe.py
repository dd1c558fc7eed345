"""axe-core, which finds what keeps people out of a page."""

import shutil
from pathlib import Path

from tests.tools import npm
from tests.tools.kept import keep

PACKAGES = Path(__file__).parent / "pinned" / "axe"


def axe() -> str:
    """The path of its script."""
    return str(keep("axe", PACKAGES / "package-lock.json", npm.title_of(PACKAGES), _fetch) / "axe.min.js")


def _fetch(folder: Path) -> None:
    modules = npm.install(PACKAGES, folder)
    (modules / "axe-core" / "axe.min.js").rename(folder / "axe.min.js")
    shutil.rmtree(modules)
