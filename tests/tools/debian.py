"""Programs of Debian's packages, unpacked into a folder of ours: nothing is installed or started, and nobody need be root."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.tools.kept import fetch


def unpack(folder: Path, packages: Sequence[str], *, alone: bool = False) -> None:
    """Fetches these packages, and what is absent of all that they need, and unpacks them into `folder`. `alone`: without what
    they need. Raises NotToBeHad."""
    lists, cache_folder = folder / "apt" / "lists", folder / "apt" / "cache"
    archives = cache_folder / "archives"
    (lists / "partial").mkdir(parents=True)
    (archives / "partial").mkdir(parents=True)
    own = {"Dir::State::lists": lists, "Dir::Cache": cache_folder, "APT::Sandbox::User": "root", "Debug::NoLocking": 1}
    options = ["-qq", *(word for name, value in own.items() for word in ("-o", f"{name}={value}"))]
    fetch("The list of Debian's packages", ["apt-get", "update", *options], folder)
    if alone:
        fetch("Debian's packages", ["apt-get", "download", *options, *packages], archives)
    else:
        wanted = ["--no-install-recommends", "--download-only", "-y", *packages]
        fetch("Debian's packages", ["apt-get", "install", *options, *wanted], folder)
    for package in archives.glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    shutil.rmtree(folder / "apt")
