"""A migration is applied while functions of the version before go on."""

import threading
from collections.abc import Callable, Iterable

from sql import migrate
from tests.support.sql import Sql

# Of each worker, after the migration: by then what it made is used.
TURNS_AFTER = 20


def migrate_beside(database: dict[str, str], role: dict[str, str], steps: Iterable[Callable[[Sql], object]]) -> None:
    """Migrates a database while each step is taken over and over, on a thread and a connection of its own, as `role` (DB_*
    settings). What one raises fails the test."""
    migrated, failures = threading.Event(), list[BaseException]()

    def work(step: Callable[[Sql], object]) -> None:
        after = 0
        try:
            with Sql(database | role) as own:
                while after < TURNS_AFTER:
                    after += migrated.is_set()
                    step(own)
        except BaseException as failure:
            failures.append(failure)

    workers = [threading.Thread(target=work, args=(step,)) for step in steps]
    for worker in workers:
        worker.start()
    try:
        migrate.migrate(database)
    finally:
        migrated.set()
        for worker in workers:
            worker.join()
    assert failures == []
