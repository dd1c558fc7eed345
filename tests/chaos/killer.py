"""The storm: one blow after the other, drawn from a shuffled deck, so that every kind comes in every run of some length."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil
import psycopg2

from sql.owner import DatabaseUnavailableError
from tests.chaos.world import Instance, World
from tests.fakes.trips import COMPLETED, Cut
from tests.support.sql import Sql

# How many of each there are in the deck.
DECK = {
    "function killed": 8,
    "worker killed": 6,
    "function frozen": 2,
    "function ended": 1,
    "database killed": 3,
    "database frozen": 1,
    "connections terminated": 2,
    "sink down": 1,
    "trip service cut off": 1,
}
KILLS = ("function killed", "worker killed", "database killed")


class Killer:
    """Strikes until it is stopped; whatever it struck is alive again when `stop` returns."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._choice = random.Random(f"{world.plan.seed}/killer")
        self._deck: list[str] = []
        self._over = threading.Event()
        self._database = threading.Lock()
        self._sink = threading.Lock()
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
        mean = self._world.plan.times.between_blows
        while not self._over.wait(self._choice.uniform(0.2 * mean, 1.8 * mean)):
            if not self._deck:
                self._deck = [kind for kind, count in DECK.items() for _ in range(count)]
                self._choice.shuffle(self._deck)
            self._strike(self._deck.pop())

    def _strike(self, kind: str) -> None:
        """One blow, at something that is not being mended from another."""
        lasts = self._choice.random()
        if kind.startswith(("function", "worker")):
            whole = [each for each in self._world.instances if not each.busy.locked()]
            target = self._choice.choice(whole or [None])
            if target is not None and target.busy.acquire(blocking=False):
                self._note(f"{kind}: {target.name}", kind)
                self._begin(self._blow_on(kind), target.busy, target, lasts)
        elif kind.startswith("sink"):
            if self._sink.acquire(blocking=False):
                self._note(kind, kind)
                self._begin(self._silence_sink, self._sink, lasts)
        elif kind.startswith("trip"):
            self._note(kind, kind)
            self._begin(self._cut_trips, None, lasts)
        elif self._database.acquire(blocking=False):
            self._note(kind, kind)
            self._begin(self._blow_on(kind), self._database, lasts)

    def _note(self, text: str, kind: str) -> None:
        self.blows[kind] += 1
        self._world.say(text)

    def _blow_on(self, kind: str) -> Callable[..., None]:
        blows: dict[str, Callable[..., None]] = {
            "function killed": self._kill,
            "worker killed": self._kill_worker,
            "function frozen": self._freeze,
            "function ended": self._end,
            "database killed": self._kill_database,
            "database frozen": self._freeze_database,
            "connections terminated": self._terminate_connections,
        }
        return blows[kind]

    def _begin(self, blow: Callable[..., None], held: "threading.Lock | None", *arguments: object) -> None:
        """Strikes in a thread of its own, which also mends; `held` is released when the target is whole again."""

        def work() -> None:
            try:
                blow(*arguments)
            except Exception as failure:
                self._world.complain("whatever is killed comes up again", f"{blow.__name__}: {failure!r}"[:2000])
            finally:
                if held is not None:
                    held.release()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self._mending.append(thread)

    def _kill(self, target: Instance, lasts: float) -> None:
        target.up = False
        target.signal(signal.SIGKILL)
        time.sleep(lasts * self._world.plan.times.between_blows)
        target.revive()

    def _kill_worker(self, target: Instance, lasts: float) -> None:
        """As when the kernel picks the worker: the server starts another, and requests meanwhile wait at its door."""
        for worker in psutil.Process(target.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                worker.kill()

    def _freeze(self, target: Instance, lasts: float) -> None:
        """Past the age of a lease. Clients are not told."""
        target.signal(signal.SIGSTOP)
        time.sleep(self._world.plan.times.frozen * (1 + lasts / 4))
        target.signal(signal.SIGCONT)

    def _end(self, target: Instance, lasts: float) -> None:
        """As a new version is rolled out: nothing is sent there any more, and it may finish what it has."""
        target.up = False
        target.signal(signal.SIGTERM)
        target.process.wait(60)
        target.revive()

    def _kill_database(self, lasts: float) -> None:
        self._world.server.kill()
        time.sleep(lasts)
        self._world.server.start()

    def _freeze_database(self, lasts: float) -> None:
        """Nothing answers and nothing is refused, as when a network is cut."""
        frozen = self._world.server.processes()
        for process in frozen:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(self._world.plan.times.statement_timeout * (0.5 + lasts * 1.5))
        for process in frozen:
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def _terminate_connections(self, lasts: float) -> None:
        with (
            suppress(psycopg2.Error, DatabaseUnavailableError),
            Sql(self._world.server.environment()) as administrator,
        ):
            administrator.run(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
            )

    def _silence_sink(self, lasts: float) -> None:
        self._world.sink.down()
        try:
            time.sleep(self._world.plan.times.lock_timeout * (0.5 + lasts))
        finally:
            self._world.sink.up()

    def _cut_trips(self, lasts: float) -> None:
        """For the trips whose fare is being asked for about now, and some to come."""
        trips = range(self._world.next_fare, self._world.next_fare + 20)
        for trip_id in trips:
            self._world.trips.says(trip_id, Cut())
        time.sleep(lasts * self._world.plan.times.between_blows)
        for trip_id in trips:
            self._world.trips.says(trip_id, COMPLETED)
