"""Whoever calls, as far as a token tells."""

from collections.abc import Set
from typing import NamedTuple


class Caller(NamedTuple):
    """Who asks: a subject is the same only together with its issuer. `permissions`: what it may do here."""

    issuer: str
    subject: str
    permissions: Set[str]

    @property
    def name(self) -> str:
        """As it is stored and logged: issuer and subject, with a blank in between."""
        return f"{self.issuer} {self.subject}"
