"""What the console's pages work with."""

from typing import NamedTuple, Self

from shared.charging.dependencies import Dependencies
from shared.platform.settings import Settings


class Desk(NamedTuple):
    """Made once, at the door, and handed down from there."""

    settings: Settings
    deps: Dependencies

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Opens no connection and starts no thread. Stops the start as a function that charges does."""
        return cls(settings, Dependencies.of(settings))
