"""The storm over one cell: one blow after the other, drawn from shuffled decks."""

import random
import threading
from collections import Counter
from collections.abc import Callable

from tests.chaos.blows import ON_A_FUNCTION, ON_A_NEIGHBOUR
from tests.chaos.decks import Decks
from tests.chaos.diary import Diary
from tests.chaos.outages import Outages
from tests.chaos.recovery import Recovery
from tests.chaos.world import World

OUTAGE_NEXT = 0.8  # how likely an outage is the next blow, where none is going on
KILLS = (
    "function killed",
    "worker killed",
    "database killed",
    "fail-over",
    "no standby",
    "own front door killed",
    "front door of cells killed",
)


class Killer:
    """Strikes until it is stopped; whatever it struck is alive again when `stop` returns."""

    def __init__(self, world: World, diary: Diary, decks: Decks) -> None:
        self._world = world
        self._decks = decks
        self.recovery = Recovery(world, diary)
        self._outages = Outages(world, self.recovery).blows
        self._choice = random.Random(f"{world.plan.seed}/{world.keys}/killer")
        self._over = threading.Event()
        self._database = threading.Lock()
        self._neighbours = {kind: threading.Lock() for kind in ON_A_NEIGHBOUR}
        self._mending: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._work, name="killer", daemon=True)
        self.blows: Counter[str] = Counter()

    @property
    def kills(self) -> int:
        """How often something got a SIGKILL."""
        return sum(self.blows[kind] for kind in KILLS)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        for mending in self._mending:
            mending.join()

    def _work(self) -> None:
        mean = self._world.plan.times.between_blows * self._decks.cells
        while not self._over.wait(self._choice.uniform(0.2 * mean, 1.8 * mean)):
            outage = not self._database.locked() and self._choice.random() < OUTAGE_NEXT
            struck = self._decks.deal(outage, self._strike)
            if struck is not None:
                self.blows[struck] += 1

    def _strike(self, kind: str) -> bool:
        """One blow, in a thread of its own, unless what it would strike is still being mended from another."""
        lasts = self._choice.random()
        if kind in ON_A_FUNCTION:
            return self._strike_function(kind, lasts)
        if kind in ON_A_NEIGHBOUR:
            blow, neighbour = ON_A_NEIGHBOUR[kind], self._neighbours[kind]
            return self._begin(kind, kind, neighbour, lambda: blow(self._world, lasts))
        return self._begin(kind, kind, self._database, lambda: self._outages[kind](lasts))

    def _strike_function(self, kind: str, lasts: float) -> bool:
        whole = [each for each in self._world.instances if not each.busy.locked()]
        if not whole:
            return False
        target = self._choice.choice(whole)

        def blow() -> None:
            with target.being_struck():
                ON_A_FUNCTION[kind](self._world, target, lasts)

        return self._begin(kind, f"{kind}: {target.name}", target.busy, blow)

    def _begin(self, kind: str, text: str, held: threading.Lock, blow: Callable[[], None]) -> bool:
        """`held` is released when the target is whole again."""
        if not held.acquire(blocking=False):
            return False
        self._world.say(text)

        def work() -> None:
            try:
                blow()
            except Exception as failure:
                self._world.complain("whatever is killed comes up again", f"{kind}: {failure!r}"[:2000])
            finally:
                held.release()

        thread = threading.Thread(target=work, name=kind, daemon=True)
        thread.start()
        self._mending.append(thread)
        return True
