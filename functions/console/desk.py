"""What the console's pages work with."""

from typing import TYPE_CHECKING, NamedTuple, Self

from functions.console.entrance import Entrance
from shared.charging.dependencies import Dependencies
from shared.platform.settings import Settings

if TYPE_CHECKING:
    from shared.reading.words import Words


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

    @property
    def words(self) -> "Words":
        """Money and time in words for people."""
        from shared.reading.words import Words  # Babel: no start waits for it

        return Words(self.settings)
