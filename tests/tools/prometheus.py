"""Prometheus and its promtool: the machine's own, else Debian's, kept in `.tools`."""

import shutil
import subprocess
from pathlib import Path

from tests.tools.debian import unpack
from tests.tools.kept import NotToBeHad, keep

PACKAGE = Path(__file__).with_name("prometheus.txt")


def prometheus() -> str:
    """The server's path."""
    return _program("prometheus")


def promtool() -> str:
    """The path of what checks rules and metrics."""
    return _program("promtool")


def _program(name: str) -> str:
    found = shutil.which(name)
    return found or str(keep("prometheus", PACKAGE, "Debian's Prometheus", _fetch) / "usr" / "bin" / name)


def _fetch(folder: Path) -> None:
    try:
        unpack(folder, ["prometheus"], alone=True)
    except (OSError, subprocess.CalledProcessError) as trouble:
        raise NotToBeHad(
            f"Debian's package could not be unpacked: {trouble}; put prometheus and promtool on the PATH"
        ) from None
