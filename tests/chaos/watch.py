"""Counts the database's server processes while a storm lasts."""

import threading
from contextlib import suppress
from typing import Self

import psycopg2

from tests.chaos.world import World

COUNTS = (
    "SELECT count(*) AS open, count(*) FILTER (WHERE wait_event = 'SyncRep') AS waiting FROM pg_stat_activity"
    " WHERE backend_type = 'client backend'"
)
EVERY = 0.25
FEW = "server processes stay far from max_connections, whatever happens to the standby"
MOST = 130  # two thirds of max_connections; the pools of all functions together hold 45


class Watch:
    """`open`, `waiting`: the most there were, of all and of those that waited for the standby."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)
        self.open = 0
        self.waiting = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self.open > MOST:
            self._world.complain(FEW, f"{self.open} at a time, {self.waiting} waiting for the standby")

    def _work(self) -> None:
        while not self._over.is_set():
            with suppress(psycopg2.Error, TimeoutError), self._world.sql() as sql:
                while not self._over.wait(EVERY):
                    (counts,) = sql.run(COUNTS)
                    self.open = max(self.open, counts["open"])
                    self.waiting = max(self.waiting, counts["waiting"])
            self._over.wait(EVERY)
