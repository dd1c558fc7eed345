"""Whether functions that nobody struck come through an outage by themselves, without a restart."""

import random
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from itertools import count

from tests.chaos.diary import Diary, Wish, ask_for
from tests.chaos.world import Instance, World, ask

TAKE_PAYMENTS = "after an outage every function takes payments again, without a restart"
ALIVE = "a function answers /healthz at once, whatever its neighbours do"
AT_ONCE = 2.0


class Recovery:
    """`waits`: after which outage a payment took how long, in seconds. `looks`: how often /healthz was asked for."""

    def __init__(self, world: World, diary: Diary) -> None:
        self._world = world
        self._diary = diary
        self._numbers = count(1)
        self._choice = random.Random(f"{world.plan.seed}/recovery")
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.looks = 0

    def expect_payments(self, outage: str) -> None:
        """Each function that takes payments has to take one within `recovered_within`, unless it is struck itself."""
        began = time.monotonic()
        tries = [
            self._payment(each, outage, began) for each in self._world.instances if each.function == "create_payment"
        ]
        with ThreadPoolExecutor(len(tries)) as pool:
            for done in [pool.submit(attempt) for attempt in tries]:
                done.result()

    def _payment(self, instance: Instance, outage: str, began: float) -> Callable[[], None]:
        """In cash, which needs nobody but the Trip Service and the database."""
        key, strikes = f"chaos-after-outage-{next(self._numbers)}", instance.strikes
        body = {"trip_id": self._choice.randint(1, 10**9), "amount": 1.5, "method": "CASH", "metadata": {"key": key}}
        wish = Wish("payment", key, "/payments", body, once=True)

        def attempt() -> None:
            last = None
            with self._diary.lock:
                self._diary.wishes.append(wish)
            while instance.unharmed_since(strikes):
                last = ask_for(self._world, self._diary, wish, wish.body, instance.port)
                waited = time.monotonic() - began
                if last is not None and last.final:
                    wish.final = last
                    with self._diary.lock:
                        self._diary.finished.append(wish)
                        self.waits[outage].append(waited)
                    return
                if waited > self._world.plan.times.recovered_within and instance.unharmed_since(strikes):
                    said = "no answer" if last is None else f"{last.status} {last.code}"
                    self._world.complain(TAKE_PAYMENTS, f"{outage}: {instance.name} after {waited:.1f} s: {said}")
                    return
                time.sleep(0.1)

        return attempt

    def expect_life(self, seconds: float) -> None:
        """For so long, every function that is not struck itself answers /healthz at once."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for instance in self._world.instances:
                self._look(instance)
            time.sleep(0.1)

    def _look(self, instance: Instance) -> None:
        strikes, began = instance.strikes, time.monotonic()
        try:
            status: object = ask(instance.port, "GET", "/healthz", b"", {}, AT_ONCE)[0]
        except (OSError, HTTPException) as failure:
            status = repr(failure)
        took = time.monotonic() - began
        if instance.unharmed_since(strikes):
            self.looks += 1
            if status != 200 or took > AT_ONCE:
                self._world.complain(ALIVE, f"{instance.name}: {status} after {took:.1f} s")
