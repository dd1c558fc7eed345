"""A connection of a pool, as a request has it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared.platform.database import Database
from shared.platform.database.connection import Connection


@contextmanager
def held(database: Database, seconds: float = 10) -> Iterator[Connection]:
    """One that was there within so many seconds, given back afterwards."""
    connection = database._pool.take(time.monotonic() + seconds)
    try:
        yield connection
    finally:
        database._pool.give_back(connection)
