"""Whether functions that nobody struck come through an outage by themselves, without a restart."""

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from itertools import count

from tests.chaos.diary import Answered, Diary, Wish, ask_for
from tests.chaos.processes import Instance, ask
from tests.chaos.ways import Way
from tests.chaos.world import World

TAKE_PAYMENTS = "after an outage every function takes payments again, without a restart"
ALIVE = "a function answers /healthz at once, whatever its neighbours do"
REFUSED = "while commits do not return, a function refuses at once"
ONE_PAYS = "of connections that the network forgot, one payment at most takes notice"
AT_ONCE = 2.0
CROWD = 12

Whole = dict[Instance, int]  # functions, with how often each had been struck at some moment


class Recovery:
    """`waits`: after which outage a payment took how long, in seconds. `looks`: how often /healthz was asked for."""

    def __init__(self, world: World, diary: Diary) -> None:
        self._world = world
        self._diary = diary
        self._numbers = count(1)
        self._choice = random.Random(f"{world.plan.seed}/recovery")
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.looks = 0

    @contextmanager
    def witness(self) -> Iterator[None]:
        """While this lasts, one function that takes payments is struck by nobody."""
        payers = [each for each in self._world.instances if each.function == "create_payment"]
        while not (spared := self._choice.choice(payers)).busy.acquire(blocking=False):
            time.sleep(0.05)
        try:
            yield
        finally:
            spared.busy.release()

    def whole(self) -> Whole:
        return {each: each.strikes for each in self._world.instances}

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
        wish, strikes = self._wish(), instance.strikes

        def attempt() -> None:
            last = None
            while instance.unharmed_since(strikes):
                last = self._ask(wish, instance.port)
                waited = time.monotonic() - began
                if wish.final:
                    self.waits[outage].append(waited)
                    return
                if waited > self._world.plan.times.recovered_within and instance.unharmed_since(strikes):
                    said = "no answer" if last is None else f"{last.status} {last.code}"
                    self._world.complain(TAKE_PAYMENTS, f"{outage}: {instance.name} after {waited:.1f} s: {said}")
                    return
                time.sleep(0.1)

        return attempt

    def _wish(self) -> Wish:
        """A payment in cash, which needs nobody but the Trip Service and the database."""
        with self._diary.lock:
            key = f"{self._world.keys}-outage-{next(self._numbers)}"
            body = {
                "trip_id": self._world.trip(self._choice),
                "amount": 1.5,
                "method": "CASH",
                "metadata": {"key": key},
            }
            wish = Wish("payment", key, "/payments", body, once=True)
            self._diary.wishes.append(wish)
        return wish

    def _ask(self, wish: Wish, port: int) -> Answered | None:
        answer = ask_for(self._world, self._diary, wish, wish.body, Way(port))
        if answer is not None and answer.final:
            wish.final = answer
            with self._diary.lock:
                self._diary.finished.append(wish)
        return answer

    @contextmanager
    def crowd(self) -> Iterator[None]:
        """While this lasts, more and more clients ask for a payment, of whom none comes back. (A repeat would wait for its own
        first try: a single client cannot fill a server.)"""
        over = threading.Event()
        asking = [threading.Thread(target=self._keep_asking, args=(over,), daemon=True) for _ in range(CROWD)]
        for each in asking:
            each.start()
        try:
            yield
        finally:
            over.set()
            for each in asking:
                each.join()

    def _keep_asking(self, over: threading.Event) -> None:
        choice = random.Random(threading.get_ident())
        while not over.wait(choice.uniform(0, self._world.plan.times.pause)):
            port = self._world.port_of("create_payment", choice)
            if port is not None:
                self._ask(self._wish(), port)

    def expect_refusals(self, whole: Whole, seconds: float) -> None:
        """For so long, each function that takes payments refuses at once all but one of those that come together, unless it was
        struck since `whole`: its threads and the server's processes are not for waiting."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for instance, asked in self._together(whole, 3).items():
                waited = [took for took, _ in asked if took > self._world.plan.times.waits_out]
                if len(waited) > 1:
                    self._world.complain(REFUSED, f"{instance.name}: {len(waited)} of 3 waited {max(waited):.1f} s")
            time.sleep(0.1)

    def expect_one_to_pay(self, whole: Whole) -> None:
        """Of payments that come together, more than a function has connections, at most one waits or fails."""
        for instance, asked in self._together(whole, 6).items():
            paid = [took for took, taken in asked if not taken or took > self._world.plan.times.waits_out]
            if len(paid) > 1:
                self._world.complain(ONE_PAYS, f"{instance.name}: {len(paid)} of 6, {max(paid):.1f} s")

    def _together(self, whole: Whole, number: int) -> dict[Instance, list[tuple[float, bool]]]:
        """So many payments at each function at the same moment: how long each took, and whether it was taken. Without the
        functions that were struck since `whole`."""
        payers = [each for each in whole if each.function == "create_payment"]
        with ThreadPoolExecutor(number * len(payers)) as pool:
            asked = {each: [pool.submit(self._time, each) for _ in range(number)] for each in payers}
        return {
            each: [one.result() for one in answers]
            for each, answers in asked.items()
            if each.unharmed_since(whole[each])
        }

    def _time(self, instance: Instance) -> tuple[float, bool]:
        began = time.monotonic()
        answer = self._ask(self._wish(), instance.port)
        return time.monotonic() - began, answer is not None and answer.final

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
