"""Two PostgreSQL servers: a primary and its synchronous standby, which takes over when the primary is lost."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.ports import HOST, pick
from local.postgres import OWNER, Postgres, write_private
from tests.support.sql import Sql

NAME = "standby"
FOLLOWS_WITHIN = 30.0
# A standby looks for its primary again after 5 s by default.
QUICK = {"wal_retrieve_retry_interval": "100ms"}

CAUGHT_UP = (
    "SELECT EXISTS (SELECT FROM pg_stat_replication"
    " WHERE application_name = %s AND state = 'streaming' AND sync_state = 'sync' AND flush_lsn >= %s)"
)


class Server(Postgres):
    """One of the two."""

    def ask(self, text: str, parameters: Any = None) -> Any:
        """The first column of the first row, as the owner, on a connection of its own. Raises psycopg2.Error."""
        with Sql(self.environment()) as sql:
            return sql.value(text, parameters)

    def follow(self, primary: "Server") -> None:
        """Becomes a running standby of `primary`, a fresh copy of it: what it held before is gone. It may have been killed
        with commits that nobody else has."""
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)
        write_private(self.folder / "postgres-password", primary.password)
        fresh = tempfile.mkdtemp(prefix="new-", dir=self.folder)
        try:
            if self.account.switch:
                os.chown(fresh, self.account.uid, self.account.gid)
            self._copy(primary, f"{fresh}/postgres")
            os.rename(f"{fresh}/postgres", self.folder / "postgres")
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        self.start()

    def _copy(self, primary: "Server", folder: str) -> None:
        place = f"host={HOST} port={primary.port} user={OWNER} application_name={NAME}"
        command = [str(self.bin / "pg_basebackup"), "-D", folder, "-d", place, "-R", "--checkpoint=fast", "--no-sync"]
        identity = self._identity()
        identity["env"] = identity["env"] | {"PGPASSWORD": primary.password}
        done = subprocess.run(command, capture_output=True, check=False, cwd="/", **identity)
        if done.returncode:
            raise RuntimeError(f"pg_basebackup failed: {' '.join(done.stderr.decode(errors='replace').split())}")
        with open(f"{folder}/postgresql.auto.conf", "a", encoding="utf-8") as settings:
            settings.write("synchronous_standby_names = ''\n")  # once it is promoted it has none at first


class Pair:
    """`primary` takes writes, each on `standby`'s disk before it is acknowledged; `fail_over` changes the two about."""

    def __init__(self, primary: Server, standby: Server) -> None:
        self.primary = primary
        self.standby = standby

    def fail_over(self) -> None:
        """The standby becomes the primary, without a standby until `rejoin`. The old primary has been killed, or is
        killed here: two primaries would both take payments."""
        self.primary.kill()
        assert self.standby.ask("SELECT pg_promote(true, 30)"), "the standby was not promoted"
        self.primary, self.standby = self.standby, self.primary

    def rejoin(self) -> None:
        """The server that is not the primary follows it; from now on every commit waits for it."""
        self.standby.follow(self.primary)
        with Sql(self.primary.environment()) as sql:
            sql.run(f"ALTER SYSTEM SET synchronous_standby_names = '{NAME}'")
            sql.run("SELECT pg_reload_conf()")
        self.catch_up()

    def catch_up(self) -> None:
        """Waits until the standby has all that anybody has seen of the primary by now. Before this a fail-over might lose
        it: a commit whose wait for the standby was cut short (a killed server, a terminated connection) is seen at once."""
        deadline = time.monotonic() + FOLLOWS_WITHIN
        with Sql(self.primary.environment()) as sql:
            reached = sql.value("SELECT pg_current_wal_flush_lsn()")
            while not sql.value(CAUGHT_UP, (NAME, reached)):
                assert time.monotonic() < deadline, f"the standby does not follow within {FOLLOWS_WITHIN} s"
                time.sleep(0.02)


@contextmanager
def pair(**options: str) -> Iterator[Pair]:
    """A primary and a standby that has caught up, as durable as in production; gone with their data afterwards."""
    with Server.temporary(fsync=True, **QUICK, **options) as primary:
        assert isinstance(primary, Server)
        standby = Server(primary.folder / "other", pick(1)[0], primary.options)
        servers = Pair(primary, standby)
        try:
            servers.rejoin()
            yield servers
        finally:
            standby.kill()
