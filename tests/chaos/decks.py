"""The kinds of blows, in shuffled decks, so that every kind comes in every storm of some length."""

import random
import threading
from collections import Counter
from collections.abc import Callable

# How many of each there are in the two decks. Of outages there is one at a time in a cell, and the strikes go on meanwhile.
STRIKES = {
    "function killed": 8,
    "worker killed": 6,
    "function frozen": 2,
    "function ended": 1,
    "sink down": 1,
    "trip service cut off": 1,
}
AT_THE_DOORS = {"own front door killed": 2, "front door of cells killed": 1}
OUTAGES = {
    "database killed": 3,
    "database frozen": 1,
    "connections terminated": 1,
    "fail-over": 1,
    "name leads to the standby": 1,
    "no standby": 1,
    "name server silent": 1,
    "network forgets": 1,
}


class Decks:
    """One for the strikes, one for the outages. All cells of a storm are struck from the same, so that two cells take no longer
    until each kind came, and have no more to start again than one."""

    def __init__(self, seed: int, cells: int = 1) -> None:
        self.cells = cells
        self._choice = random.Random(f"{seed}/decks")
        self._strikes = STRIKES | AT_THE_DOORS if cells > 1 else STRIKES
        self._at_hand: dict[bool, list[str]] = {False: [], True: []}
        self._lock = threading.Lock()
        self.blows: Counter[str] = Counter()
        self.all_came = threading.Event()  # both decks were dealt once

    def deal(self, outage: bool, strike: Callable[[str], bool]) -> str | None:
        """The first card that `strike` can carry out now, gone from its deck; None where it can do none of them."""
        with self._lock:
            at_hand = self._at_hand[outage]
            if not at_hand:
                at_hand.extend(self._shuffled(OUTAGES if outage else self._strikes))
            struck = next((kind for kind in at_hand if strike(kind)), None)
            if struck is not None:
                at_hand.remove(struck)
                self.blows[struck] += 1
            if all(self.blows[kind] >= count for kind, count in (self._strikes | OUTAGES).items()):
                self.all_came.set()
            return struck

    def _shuffled(self, deck: dict[str, int]) -> list[str]:
        kinds = [kind for kind, count in deck.items() for _ in range(count)]
        self._choice.shuffle(kinds)
        return kinds
