"""What a charge, a refund and a sweep work with."""

from typing import NamedTuple, Self

from shared.events.publisher import Publisher
from shared.gateways.registry import Gateways
from shared.platform.database import Database
from shared.platform.settings import Settings


class Dependencies(NamedTuple):
    """Made once, at the door of a function that moves money, and handed down from there."""

    settings: Settings
    database: Database
    gateways: Gateways
    publisher: Publisher

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Opens no connection and starts no thread: a server may fork after it. Stops the start where the gateway that is
        chosen lacks its settings."""
        database = Database(settings)
        return cls(settings, database, Gateways.of(settings), Publisher(database, settings))
