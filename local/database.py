"""Runs a command on the database: `python -m local.database sql.migrate`.

On the one that DB_* names; without DB_HOST on the embedded one, which a migration makes where there is none. It is started
for as long as the command takes unless `make run` runs it already. The exit status is the command's, and 2 where it could not
be run.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from typing import NoReturn

from local import place, shell, system
from local.ports import pick
from local.postgres import ClusterError, Postgres
from shared.platform.settings import read_settings
from sql.owner import DatabaseUnavailableError

NOT_RUN = 2
MIGRATION = "sql.migrate"


def main() -> None:
    module, *arguments = sys.argv[1:]
    operator = {name: value for name, value in os.environ.items() if name == "OPERATOR"}
    try:
        shell.keep_what_is_ours()
        settings = read_settings()
    except SystemExit as wrong:
        _end(str(wrong))
    if settings.cells and not os.environ.get("CELL") and not os.environ.get("DB_HOST"):
        each = " or ".join(f"CELL={cell.number} for {cell.name}" for cell in settings.cells)
        _end(f"Each cell of CELLS has a database of its own. Say which is meant: {each}.")
    if module != MIGRATION and not os.environ.get("DB_HOST") and _has_none():
        _end(f"There is no database in {place.shown(place.DATA)} yet: make run makes it, or make migrate.")
    with ExitStack() as ending:
        try:
            database = {} if os.environ.get("DB_HOST") else _embedded(ending)
        except ClusterError as reason:
            _end(f"{reason} ({place.DATA}/postgres.log may tell more)")
        except (DatabaseUnavailableError, place.DataUnusableError, OSError) as reason:
            _end(" ".join(str(reason).split()))
        sys.exit(_run(module, arguments, database | operator))


def _has_none() -> bool:
    """Whether no start has made a database here. Where that cannot be seen, the attempt to use one will say why."""
    try:
        return "postgres" not in os.listdir(place.DATA)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _end(why: str) -> NoReturn:
    print(why, file=sys.stderr)
    sys.exit(NOT_RUN)


def _embedded(ending: ExitStack) -> dict[str, str]:
    """The settings of the embedded database's owner, once it takes connections."""
    try:
        ending.enter_context(place.alone())
    except place.AlreadyRunningError:
        postgres = Postgres(place.DATA, Postgres(place.DATA, 0).running_port())
        postgres.wait()
    else:
        place.end_left_over()
        postgres = Postgres(place.DATA, pick(1)[0])
        postgres.create()
        ending.callback(postgres.stop)
        postgres.start()
        postgres.create_database(system.DATABASE)
    return system.embedded_settings(postgres)


def _run(module: str, arguments: list[str], settings: Mapping[str, str]) -> int:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, env={**os.environ, **settings}, check=False).returncode  # noqa: S603 - a module of ours


if __name__ == "__main__":
    main()
