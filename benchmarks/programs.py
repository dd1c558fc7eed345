"""The programs that measure and stand beside: wrk, nginx, PgBouncer. The machine's own, else Debian's, kept in `.tools`.

Debian's packages are unpacked there and not installed: nothing is started, nobody need be root, and `make clean` has them gone.
"""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.tools.debian import unpack
from tests.tools.kept import NotToBeHad, keep

PACKAGES = Path(__file__).with_name("debian.txt")
FOLDERS = ("usr/bin", "usr/sbin")
SYSTEM = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")
MODULES = "usr/lib/nginx/modules"


@cache
def program(name: str) -> str:
    """The path of a program. Ends this process with one clear line where it can neither be found nor fetched."""
    if found := shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *SYSTEM])):
        return found
    for folder in FOLDERS:
        path = unpacked() / folder / name
        if path.exists():
            return str(path)
    sys.exit(f"make bench needs {name}, which Debian's packages did not bring. Install it, and run this again.")


@cache
def nginx_module(name: str) -> str:
    """The path of a module of nginx, from the same place as nginx itself."""
    found = Path("/") / MODULES / name
    return str(found if found.exists() else unpacked() / MODULES / name)


def library_path() -> dict[str, str]:
    """What a program of ours needs in its environment to find the libraries that came with it."""
    root = Path(__file__).parent.parent / ".tools" / "debian"
    folders = [str(path) for path in root.glob("usr/lib/*-linux-gnu")] if root.exists() else []
    return {"LD_LIBRARY_PATH": os.pathsep.join(folders)} if folders else {}


@cache
def unpacked() -> Path:
    """Debian's packages, unpacked. Ends this process with one clear line where they cannot be had."""
    try:
        return keep("debian", PACKAGES, "wrk, nginx and PgBouncer from Debian's packages", _unpack)
    except (NotToBeHad, OSError, subprocess.CalledProcessError) as trouble:
        sys.exit(
            f"make bench needs wrk, nginx (with its echo module) and pgbouncer, and could not fetch them: {trouble}."
            f" As root: apt-get install {' '.join(PACKAGES.read_text(encoding='ascii').split())}"
        )


def _unpack(folder: Path) -> None:
    unpack(folder, PACKAGES.read_text(encoding="ascii").split())
