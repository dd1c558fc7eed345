"""The server that everything is measured on, kept under `.data/bench`, and the databases that figures begin with."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from itertools import count

import psutil

from benchmarks import processor
from local.place import CHECKOUT, DATA
from local.ports import pick
from local.postgres import Postgres
from sql.owner import connect
from tests.support.cluster import ROLE, Place

FOLDER = DATA / "bench"
MIGRATIONS = CHECKOUT / "sql" / "migrations"
HISTORY = "history"

Fill = Callable[[Postgres, str], None]


@contextmanager
def server() -> Iterator[Postgres]:
    """The server, with its settings as they come: fsync is on. Ends this process where another run has it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("make bench runs already from this checkout.")
        postgres = Postgres(FOLDER, pick(1)[0])
        postgres.create()
        postgres.start()
        try:
            yield postgres
        finally:
            postgres.stop()


def migrate(server: Postgres, name: str) -> None:
    """Brings a database to the current schema, as an operator does."""
    environment = {"PATH": os.environ["PATH"], **server.environment(name), **ROLE}
    command = [sys.executable, "-m", "sql.migrate"]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.DEVNULL)


def migrations() -> list[str]:
    """What the schema is made of: each migration's number, and a hash of its text."""
    return [
        f"{path.name[:4]}:{sha256(path.read_bytes()).hexdigest()[:12]}" for path in sorted(MIGRATIONS.glob("*.sql"))
    ]


def _load_history(server: Postgres, name: str) -> None:
    environment = {"PATH": os.environ["PATH"], **server.environment(name)}
    command = [sys.executable, "-m", "seed.load"]
    subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.DEVNULL)


class Databases:
    """What lies on the server. `history` has the 350 payments of the seed. What an earlier run made is migrated where its
    schema is the beginning of today's, and otherwise made anew."""

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._numbers = count(1)
        for name in self._names():
            if name.startswith("copy_"):
                self._drop(name)
        self.kept(HISTORY, _load_history)

    def kept(self, name: str, fill: Fill, template: str = HISTORY) -> str:
        """The name of a database that stays for later runs; where there is none, or another
        schema's, a copy of the template is filled."""
        wanted, stored = migrations(), self._comment(name)
        if stored is not None and stored != wanted[: len(stored)]:
            self._drop(name)
            stored = None
        if stored is None:
            making = f"making_{name}"
            if making in self._names():
                self._drop(making)
            self._run(f"CREATE DATABASE {making}" + (f" TEMPLATE {template}" if name != HISTORY else ""))
            migrate(self.server, making)
            fill(self.server, making)
            self.settle()
            self._run(f"ALTER DATABASE {making} RENAME TO {name}")
        elif stored != wanted:
            migrate(self.server, name)
        self._run(f"COMMENT ON DATABASE {name} IS '{' '.join(wanted)}'")
        return name

    @contextmanager
    def copy(self, template: str = HISTORY) -> Iterator[Place]:
        """A copy that is gone afterwards."""
        name = f"copy_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        place = Place(self.server, name)
        try:
            yield place
        finally:
            place.sql.close()
            self._drop(name)

    @contextmanager
    def place(self, name: str) -> Iterator[Place]:
        """A database that is kept, as it is."""
        place = Place(self.server, name)
        try:
            yield place
        finally:
            place.sql.close()

    def seconds(self) -> float:
        """Processor seconds of PostgreSQL so far, all its processes together."""
        return processor.seconds([self._postmaster()])

    def settle(self) -> None:
        """Writes out what earlier figures left to be written, so that it burdens none of the next."""
        self._run("CHECKPOINT")

    def _postmaster(self) -> psutil.Process:
        number = (self.server.data / "postmaster.pid").read_text(encoding="ascii").split()[0]
        return psutil.Process(int(number))

    def _names(self) -> list[str]:
        return [str(row[0]) for row in self._run("SELECT datname FROM pg_database WHERE NOT datistemplate")]

    def _comment(self, name: str) -> list[str] | None:
        rows = self._run(
            f"SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = '{name}'"
        )
        return str(rows[0][0]).split() if rows else None

    def _drop(self, name: str) -> None:
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, text: str) -> list[tuple[object, ...]]:
        with closing(connect(self.server.environment())) as owner, owner.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute(text)
            return [] if cursor.description is None else cursor.fetchall()
