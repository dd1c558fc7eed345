"""Where the tests' tools are kept: `.tools` in the checkout, each in a folder of its own, made once from what pins it."""

import fcntl
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
KEPT = CHECKOUT / ".tools"
# A slow line may take long for the largest, and a registry that never answers is to end some time.
FETCHED_WITHIN = 900


class NotToBeHad(Exception):
    """A tool can neither be found nor fetched; the text says why, and what to do."""


def keep(name: str, pin: Path, title: str, make: Callable[[Path], None]) -> Path:
    """The tool's folder. `make` fills it where it is absent, or was made from another `pin`. Runs side by side wait for each
    other; one that is cut off leaves nothing that is taken for whole."""
    folder, new = KEPT / name, KEPT / f"{name}.new"
    KEPT.mkdir(exist_ok=True)
    with (KEPT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_kept(name, pin):
            print(f"Fetching {title} (once)", flush=True)
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            make(new)
            shutil.copyfile(pin, new / "made-from")
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
    return folder


def is_kept(name: str, pin: Path) -> bool:
    made_from = KEPT / name / "made-from"
    return made_from.exists() and made_from.read_bytes() == pin.read_bytes()


def fetch(title: str, command: Sequence[str | Path], folder: Path) -> None:
    """Runs a registry's client. Raises NotToBeHad with what it said."""
    try:
        done = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCHED_WITHIN
        )
    except subprocess.TimeoutExpired:
        raise NotToBeHad(f"{title} could not be fetched within {FETCHED_WITHIN} s") from None
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines()]
        reasons = [line for line in said if line.lower().startswith(("error", "npm error"))] or said
        raise NotToBeHad(f"{title} could not be fetched; does this machine reach a registry? {'; '.join(reasons[:4])}")
