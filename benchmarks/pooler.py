"""Debian's PgBouncer before a database of this machine, as `knative/components/pgbouncer` configures it."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

import psutil

from benchmarks.programs import library_path, program
from local.place import CHECKOUT
from local.ports import HOST, pick
from tests.support.cluster import Place

CONFIGURATION = CHECKOUT / "knative" / "components" / "pgbouncer" / "pgbouncer.ini"
SECRET = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"  # noqa: S105 - a question


class Pooler:
    """PgBouncer on a free port, with `server_connections` to the database of `place`.

    `hashed`: it is given the role's SCRAM secret in place of its password, so that a login costs it next to nothing. With the
    password a PgBouncer before 1.25 derives the secret anew at each login.
    """

    def __init__(self, place: Place, server_connections: int, *, hashed: bool, clients: int = 0) -> None:
        self.port = pick(1)[0]
        account = place.server.account
        self._folder = Path(tempfile.mkdtemp(prefix="pooler-", dir=place.server.folder))
        user, word = place.environment["DB_USER"], place.environment["DB_PASS"]
        users = self._folder / "userlist.txt"
        users.write_text(f'"{user}" "{place.sql.value(SECRET, (user,)) if hashed else word}"\n', encoding="utf-8")
        configuration = self._folder / "pgbouncer.ini"
        configuration.write_text(self._configured(place, users, server_connections, clients), encoding="utf-8")
        for path in (self._folder, users, configuration):
            shutil.chown(path, account.uid, account.gid)
        identity: dict[str, Any] = (
            {"user": account.uid, "group": account.gid, "extra_groups": []} if account.switch else {}
        )
        self._log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [program("pgbouncer"), str(configuration)],
            env=os.environ | library_path(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            cwd="/",
            **identity,
        )
        self._await_listening()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def processor(self) -> float:
        """Seconds of processor time until now."""
        return sum(psutil.Process(self._process.pid).cpu_times()[:2])

    def logins(self) -> int:
        """How many clients have asked to be let in until now."""
        return self.log().count("login attempt")

    def log(self) -> str:
        return (self._folder / "log").read_text(encoding="utf-8", errors="replace")

    def _configured(self, place: Place, users: Path, server_connections: int, clients: int) -> str:
        """The component's file, but for where things are, and how many."""
        leads = f"host={HOST} port={place.server.port} dbname={place.name}"
        changes = {
            r"^payments = .*": f"{place.name} = {leads}",
            r"^listen_addr = .*": f"listen_addr = {HOST}",
            r"^listen_port = .*": f"listen_port = {self.port}",
            r"^auth_file = .*": f"auth_file = {users}",
            r"^default_pool_size = .*": f"default_pool_size = {server_connections}",
        }
        if clients:
            changes[r"^max_client_conn = .*"] = f"max_client_conn = {clients}"
        text = CONFIGURATION.read_text(encoding="utf-8")
        for line, other in changes.items():
            text, found = re.subn(line, other, text, flags=re.MULTILINE)
            assert found == 1, line
        return text

    def _await_listening(self) -> None:
        deadline = time.monotonic() + 10
        while "process up" not in self.log():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)
