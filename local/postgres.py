"""Embedded PostgreSQL 18: a cluster in a folder, run in the foreground on the loopback address.

For the tests a throw-away server is `with Postgres.temporary() as server`; `server.environment()` has its DB_* settings.
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import psutil

from local import ending
from local.account import (
    MAJOR,
    PLAIN_TEMPORARY,
    REACHABLE,
    Account,
    account_name,
    binaries,
    make_reachable,
    reachable,
    shell_proof,
    unprivileged,
)
from local.ports import HOST, pick
from sql.owner import FINAL, DatabaseUnavailableError, connect

OWNER = "postgres"
LOCALE = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
# What fails is in the server's log without its text and the rows that it was about: there are values in both, such as what lets
# act for a customer. knative/ and docker-compose.yml say the same.
WITHOUT_VALUES = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}
DURABLE: Mapping[str, str] = {}
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
# A password that is nobody's need not be slow to guess: two thirds of what a login costs are its 4,096 rounds.
QUICK_LOGIN = {"scram_iterations": "1"}


class ClusterError(Exception):
    """The cluster cannot be made or run as it is; the message is one line and says what to do."""


class Postgres:
    """One server: its data in `folder`/postgres, its owner's password in `folder`/postgres-password (for the caller only)."""

    def __init__(self, folder: Path, port: int, options: Mapping[str, str] = DURABLE) -> None:
        self.folder = folder
        self.port = port
        self.options = dict(options)
        self.account: Account = unprivileged()
        self.bin = binaries(self.account)
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def temporary(cls, fsync: bool = False, **options: str) -> Iterator["Postgres"]:
        """A new server on a free port, gone with its data afterwards. `options` are settings of postgresql.conf."""
        account = unprivileged()
        parent = Path(tempfile.gettempdir())
        folder = Path(
            tempfile.mkdtemp(prefix="payments-", dir=parent if reachable(parent / "x", account) else PLAIN_TEMPORARY)
        )
        folder.chmod(0o711)
        server = cls(folder, pick(1)[0], {**(DURABLE if fsync else FAST | QUICK_LOGIN), **options})
        try:
            server.create(sync=fsync)
            server.start()
            yield server
        finally:
            server.kill()
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def data(self) -> Path:
        """Where the cluster is. A folder that the server's account cannot reach stays empty but for a link to one it can."""
        return (self.folder / "postgres").resolve()

    @property
    def password(self) -> str:
        return (self.folder / "postgres-password").read_text(encoding="ascii")

    def environment(self, database: str = "postgres") -> dict[str, str]:
        """The DB_* settings of the owner of one of its databases."""
        place = {"DB_HOST": HOST, "DB_PORT": str(self.port), "DB_NAME": database}
        return {**place, "DB_USER": OWNER, "DB_PASS": self.password}

    def create(self, sync: bool = True) -> bool:
        """Makes the cluster where there is none, whole or not at all; says whether it did. Raises ClusterError."""
        if self.data.exists():
            self._refuse_what_cannot_run()
            return False
        self.folder.mkdir(exist_ok=True)
        home = self._home()
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=home))
        try:
            self._initdb(fresh, sync)
            (fresh / "postgres").rename(home / "postgres")
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return True

    def _refuse_what_cannot_run(self) -> None:
        """What PostgreSQL itself would say to its log alone, or after half a minute of silence."""
        owner = account_name(self.data.stat().st_uid)
        if owner != account_name(self.account.uid):
            raise ClusterError(
                f"{self.data} belongs to {owner}, and PostgreSQL would run as {self.account.name}. Run make as its owner,"
                f" or set it aside: mv '{self.folder}' '{self.folder}-of-{owner}'"
            )
        if not reachable(self.data / "base", self.account):
            raise ClusterError(
                f"PostgreSQL's account, {self.account.name}, cannot enter {self.data}: a folder above it is closed to it."
            )
        try:
            version = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise ClusterError(f"{self.data} is no whole cluster of PostgreSQL's: set it aside, with mv.") from None
        if version != MAJOR:
            raise ClusterError(
                f"{self.data} was made by PostgreSQL {version}, and this is {MAJOR}. To keep its payments, dump them with"
                f" pg_dump of {version}; to start anew: mv '{self.folder}' '{self.folder}-{version}'"
            )

    def _home(self) -> Path:
        """The folder that holds the cluster: ours, or one outside where the server's account cannot reach ours."""
        if reachable(self.folder / "postgres", self.account):
            return self.folder
        home = REACHABLE / f"data-{sha256(os.fsencode(self.folder.resolve())).hexdigest()[:16]}"
        shutil.rmtree(home, ignore_errors=True)  # of a folder that was deleted here since
        make_reachable()
        home.mkdir()
        home.chmod(0o711)
        link = self.folder / "postgres"
        link.unlink(missing_ok=True)
        link.symlink_to(home / "postgres")
        return home

    def _initdb(self, fresh: Path, sync: bool) -> None:
        """Makes the cluster in `fresh`/postgres, and the owner's password."""
        password = secrets.token_urlsafe(24)
        write_private(self.folder / "postgres-password", password)
        # The server's account has to read it once, and may not read ours.
        once = write_private(fresh / "password", password)
        if self.account.switch:
            os.chown(once, self.account.uid, self.account.gid)
            os.chown(fresh, self.account.uid, self.account.gid)
        arguments = ["-D", str(fresh / "postgres"), "-U", OWNER, *LOCALE]
        arguments += ["--auth=scram-sha-256", f"--pwfile={once}", *([] if sync else ["--no-sync"])]
        arguments += [f"--set={name}={self.options[name]}" for name in QUICK_LOGIN if name in self.options]
        with shell_proof(self.bin) as programs:
            command = [str(programs / "initdb"), *arguments]
            done = subprocess.run(command, capture_output=True, check=False, cwd="/", **self._identity())  # noqa: S603 - the wheel's initdb
        if done.returncode:
            raise ClusterError(f"initdb failed: {' '.join(done.stderr.decode(errors='replace').split())}")

    def command(self) -> list[str]:
        """What runs the server in the foreground; SIGINT is its fast shutdown."""
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            # A socket's path may be no longer than 107 bytes, and a checkout's can be.
            "unix_socket_directories": "",
            "max_connections": "200",
            "log_timezone": "UTC",
            "timezone": "UTC",
            "dynamic_shared_memory_type": "posix",
            **WITHOUT_VALUES,
            **self.options,
        }
        switches = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.bin / "postgres"), "-D", str(self.data), *switches]

    def start(self) -> None:
        """Starts the server and waits until it takes connections. Raises ClusterError where it ends instead."""
        self.clear()
        with (self.folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the wheel's server
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **self._identity()
            )
        self.wait()

    def wait(self, seconds: float = 30, ended: Callable[[], bool] | None = None) -> None:
        """Until it takes connections, if only to read. Raises ClusterError as soon as it has `ended`, and after that many
        seconds sql.owner.DatabaseUnavailableError."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                connect(self.environment(), min(seconds, 0.5), target_session_attrs="any").close()
                return
            except DatabaseUnavailableError as refused:
                if (ended or self._has_ended)():
                    raise ClusterError("PostgreSQL does not start") from None
                if time.monotonic() >= deadline or any(words in str(refused) for words in FINAL):
                    raise

    def _has_ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> None:
        """A clean, fast shutdown."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)
            self._process = None

    def kill(self) -> None:
        """SIGKILL to every process of the server, as when the machine's memory runs out."""
        ending.kill(self._standing_still())
        if self._process:
            self._process.wait(timeout=30)
            self._process = None

    def restart(self) -> None:
        """Starts again on the same port, cleanly or after `kill`."""
        self.stop()
        self.start()

    def running_port(self, seconds: float = 30) -> int:
        """The port of the server that runs in this folder. Raises DatabaseUnavailableError where none comes up in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                lines = (self.data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
                return int(lines[3])
            except (OSError, IndexError, ValueError):
                time.sleep(0.05)
        raise DatabaseUnavailableError(f"No server runs in {self.folder}.")

    def processes(self) -> list[psutil.Process]:
        """Whatever works in this cluster's folder: PostgreSQL overwrites the environment that would tell."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.cwd() == str(self.data):
                    found.append(process)
            except psutil.Error:
                continue  # it ended meanwhile, or is another user's
        return found

    def _standing_still(self) -> list[psutil.Process]:
        """All of them, stopped first: whoever connects meanwhile has the server start another process, and one that outlives
        the others may wait for what they held for ever."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        return self.processes()

    def clear(self) -> None:
        """Ends what a killed start left over, and forgets its lock file: its number may be another process's by now."""
        ending.kill(self._standing_still())
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def create_database(self, name: str) -> bool:
        """Makes an empty database where there is none of that name; says whether it did."""
        owner = connect(self.environment())
        try:
            with owner.cursor() as cursor:
                cursor.execute("SELECT FROM pg_database WHERE datname = %s", [name])
                if cursor.rowcount:
                    return False
                cursor.execute(f'CREATE DATABASE "{name}"')
                return True
        finally:
            owner.close()

    def _identity(self) -> dict[str, Any]:
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}
        if not self.account.switch:
            return {"env": environment}
        return {"env": environment, "user": self.account.uid, "group": self.account.gid, "extra_groups": []}


def write_private(path: Path, text: str) -> Path:
    """A new file that only its owner can read."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return path
