"""What the model works with: a database that breaks off, a publisher without a thread, and what it remembers of workers."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg2

from shared.charging.askings import Askings
from shared.charging.lease import Lease
from shared.events.delivery import EventSink
from shared.events.event import Event
from shared.events.publisher import Publisher
from shared.gateways.protocol import Succeeded
from shared.platform.database import Database, DatabaseUnavailable, Row
from shared.platform.settings import Settings
from shared.web.answers import Answer
from tests.support.till import Died, WatchedDatabase

# The circumstances of a request that nothing happens to.
WELL: dict[str, Any] = {"mood": "well", "accident": None, "delivers": True, "freezes": ""}


class FragileDatabase(WatchedDatabase):
    """Also breaks off at a statement, once, before or after it was carried out; notes what the database would not do."""

    accident: tuple[str, str, bool] | None = None
    refused = ""

    def attempt(self, name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
        if self.accident is None or self.accident[0] != name:
            return self._noting(name, run)
        (_, what, after), self.accident = self.accident, None
        if after:
            self._noting(name, run)
        if what == "dies":
            raise Died(name)
        raise DatabaseUnavailable("the connection broke", passing=what == "breaks")

    def _noting(self, name: str, run: Callable[[], list[Row]]) -> list[Row]:
        try:
            return run()
        except psycopg2.Error as refused:
            self.refused = f"{name}: {refused}"
            raise


class PromptPublisher(Publisher):
    """Delivers in the same thread, unless the process is to die before it comes to that."""

    delivers = True

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(database, settings)
        self.database = database
        self.sink = EventSink(settings)

    def publish(self, event: Event) -> None:
        if self.delivers and self.sink.deliver(event) is None:
            with suppress(DatabaseUnavailable):
                self.database.run("mark_delivered", event_ids=[event.event_id])


@dataclass
class Frozen:
    """A worker that was stopped: with its lease and, where the gateway had answered, with that answer."""

    lease: Lease
    told: Succeeded | None
    askings: Askings


@dataclass
class Asked:
    """What a key came with, and its final answer once the client had it; `expires` (the model's clock, seconds) is set when
    the request is settled, whoever does that."""

    ask: Callable[[], Answer]
    content: tuple[object, ...]
    final: tuple[int, str] | None = None
    expires: float | None = None
