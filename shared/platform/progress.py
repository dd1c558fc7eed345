"""How far a job came that goes on at another time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Done:
    """How many rows a job of a sweep dealt with, and whether it ended at its bounds with more of them to do."""

    count: int
    more: bool = False
