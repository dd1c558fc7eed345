"""Chromium: the machine's own, else Debian's where it may be installed, else the one that a package of npm ships."""

import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.support.browser import Browser, DoesNotWork
from tests.tools import npm
from tests.tools.kept import NotToBeHad, is_kept, keep

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = Path(__file__).parent / "pinned" / "chromium"
LOCK = PACKAGES / "package-lock.json"
INSTALL = "apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium"
# The shipped one brings the libraries and the fonts that an empty machine lacks.
PROGRAM = """#!/bin/sh
here=$(dirname "$0")
export LD_LIBRARY_PATH="$here/lib" FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/chromium" "$@"
"""
FONTS = '<fontconfig><dir prefix="relative">fonts</dir></fontconfig>\n'
DECOMPRESS = """
require('stream').pipeline(fs.createReadStream(process.argv[1]), zlib.createBrotliDecompress(),
  fs.createWriteStream(process.argv[2]), (trouble) => { if (trouble) throw trouble })
"""


@cache
def chromium() -> str:
    """The path of a Chromium that has shown a page here."""
    if found := _of_the_machine():
        return found
    if not is_kept("chromium", LOCK) and _install() and (found := _of_the_machine()):
        return found
    shipped = _shipped()
    if not works(shipped):
        raise NotToBeHad("Chromium is needed for the receipt's page, and the one that was fetched does not start here")
    return shipped


def works(program: str) -> bool:
    try:
        with Browser(program) as browser:
            return "It works." in browser.look("data:text/html,It works.").dom
    except DoesNotWork:
        return False


def _of_the_machine() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name)) and works(path)), None)


def _install() -> bool:
    """Whether Debian's was installed."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    print("Installing Debian's Chromium (once)", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["sh", "-c", INSTALL], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        print(f"Debian's Chromium could not be installed: {' '.join(done.stderr.split())[-300:]}", flush=True)
    return done.returncode == 0


def _shipped() -> str:
    if platform.machine() != "x86_64":
        raise NotToBeHad(f"No registry ships a Chromium for {platform.machine()}: apt-get install chromium")
    return str(keep("chromium", LOCK, npm.title_of(PACKAGES), _fetch) / "start")


def _fetch(folder: Path) -> None:
    modules = npm.install(PACKAGES, folder)
    packed = modules / "@sparticuz" / "chromium" / "bin"
    _decompress(packed / "chromium.br", folder / "chromium")
    (folder / "chromium").chmod(0o755)
    for name in ("al2023", "fonts", "swiftshader"):
        _decompress(packed / f"{name}.tar.br", packed / f"{name}.tar")
        shutil.unpack_archive(packed / f"{name}.tar", folder)
    shutil.rmtree(modules)
    (folder / "fonts.conf").write_text(FONTS)
    (folder / "start").write_text(PROGRAM)
    (folder / "start").chmod(0o755)


def _decompress(packed: Path, to: Path) -> None:
    subprocess.run([npm.node(), "-e", DECOMPRESS, packed, to], check=True)
