"""curl: the machine's own. No registry ships it, so a machine without it gets a stand-in that sends what curl would."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from tests.tools.kept import KEPT

STAND_IN = Path(__file__).with_name("curl_stand_in.py")


def curl() -> str:
    """The program's path; from here on it is on the PATH too."""
    if found := shutil.which("curl"):
        return found
    folder = KEPT / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"curl.{os.getpid()}"
    made.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I -S {shlex.quote(str(STAND_IN))} "$@"\n')
    made.chmod(0o755)
    made.rename(folder / "curl")
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{folder}"
    return str(folder / "curl")
