"""Rings: objects of a gateway that are to be read, since something may have become of them."""

from typing import NamedTuple

from shared.gateways.facts import Kind
from shared.platform.database import Database


class By(NamedTuple):
    """The person who has a ring answered, and why, as the audit trail keeps it."""

    actor: str
    reason: str


class Ring(NamedTuple):
    """One object that was rung for. `rings` is how often, and `age` for how long, in seconds; `tries` how often it
    was answered in vain, and `why` the last time. `by`: None where no person has it answered."""

    gateway: str
    kind: Kind
    object_id: str
    rings: int
    tries: int
    age: float
    why: str | None = None
    by: By | None = None


# Why a ring is to be answered again later, as its row and the log have it; None where the books follow what was read.
Left = str | None


def ring(database: Database, gateway: str, kind: Kind, object_id: str) -> None:
    """Rings for an object: it is read soon, once however often it rings. Raises DatabaseUnavailable."""
    database.run_again("ring", gateway=gateway, kind=kind, object_id=object_id)
