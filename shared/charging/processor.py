"""What a charge, a refund and a sweep work with."""

from dataclasses import dataclass

from shared.events.publisher import Publisher
from shared.gateways.protocol import Gateway
from shared.platform.database import Database


@dataclass(frozen=True)
class Processor:
    """What a charge, a refund and a sweep work with."""

    database: Database
    gateway: Gateway
    publisher: Publisher
