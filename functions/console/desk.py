"""What the console's pages work with."""

from typing import NamedTuple, Self

from functions.console.entrance import Entrance
from shared.charging.dependencies import Dependencies
from shared.platform.settings import Settings


class Desk(NamedTuple):
    """Made once, at the door, and handed down from there."""

    settings: Settings
    deps: Dependencies
    entrance: Entrance

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Opens no connection and starts no thread. Stops the start as a function that charges does, and where people cannot
        sign in as the settings say."""
        return cls(settings, Dependencies.of(settings), Entrance.of(settings))
