"""How the tests' own gateway fails, and what its customers and banks do: shares of all there is, drawn from a seed.

Every choice is drawn from the seed, what it is about (an idempotency key, an event) and how often that came, so the order of
requests decides nothing.
"""

import hashlib
from collections import Counter

from tests.fakes.stripe_charges import CUSTOMERS
from tests.fakes.stripe_disputes import AFTERWARDS

DELIVERY = ("drop", "lose", "garbage", "busy", "refused", "broken", "broken_after", "slow", "hold")
OF_CHARGES = ("processing", "authenticate", "unpaid", "meanwhile", "decline", "late")
OF_REFUNDS = ("pending", "pending_failed", "failed", "canceled", "requires_action", "comes_back")
OF_WEBHOOKS = ("webhook_lost", "webhook_late", "webhook_repeated", "webhook_reordered", "webhook_forged")
ALL = DELIVERY + OF_CHARGES + OF_REFUNDS + CUSTOMERS + AFTERWARDS + OF_WEBHOOKS


class Modes:
    """`shares`: of each mode, from 0 to 1. `tries`: how often each key came."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.shares: dict[str, float] = {}
        self.tries: Counter[str] = Counter()

    def choose(self, key: str, token: str) -> set[str]:
        """The modes that this request gets: those of its payment method, and those that its number draws."""
        self.tries[key] += 1
        number = self.tries[key]
        modes = self.drawn(key, number)
        named = token.removeprefix("pm_").removesuffix("_always")
        known = named in DELIVERY + OF_CHARGES or named.startswith("decline_")
        if known and (number == 1 or token.endswith("_always") or named not in DELIVERY):
            modes.add(named)
        return modes

    def drawn(self, key: str, number: int = 0) -> set[str]:
        """What becomes of a charge is drawn once; what becomes of its answer, at each try."""
        return {
            mode
            for mode, share in self.shares.items()
            if self.draw(mode, f"{key}|{number if mode in DELIVERY else 0}") < share
        }

    def draw(self, what: str, about: str) -> float:
        """From 0 to 1, below 1."""
        return int.from_bytes(hashlib.sha256(f"{self.seed}|{what}|{about}".encode()).digest()[:8]) / 2**64
