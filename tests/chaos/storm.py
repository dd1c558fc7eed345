"""A storm: clients that ask, a killer that strikes, a clock and a gateway that fails; over one cell or over several at once."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from local.ports import HOST
from tests.chaos.calm import recover, repeat_all, settle
from tests.chaos.clients import Client
from tests.chaos.decks import Decks
from tests.chaos.diary import Diary
from tests.chaos.killer import Killer
from tests.chaos.plan import WEBHOOK_SECRETS
from tests.chaos.reconciling import reconcile_all
from tests.chaos.watch import Watch
from tests.chaos.world import Clock, World


class Storm:
    """All that goes on in one cell, and what is written down of it."""

    def __init__(self, world: World, decks: Decks) -> None:
        self.world = world
        self.diary = Diary()
        self.decks = decks
        self.killer = Killer(world, self.diary, decks)
        self.clock, self.watch = Clock(world), Watch(world)
        self._over = threading.Event()
        self._clients = [Client(world, self.diary, number, self._over) for number in range(1, world.plan.clients + 1)]

    def begin(self) -> None:
        """The clients ask, and the gateway fails them."""
        times = self.world.plan.times
        hooks = [each.port for each in self.world.instances if each.function == "gateway_webhook"]
        self.world.gateway.control(
            processing_seconds=2.0,
            customer_seconds=times.customer_waits / 3,
            customer_late_seconds=times.customer_waits + 0.5,
            key_retention=times.gateway_forgets,
            webhook={
                "urls": [f"http://{HOST}:{port}/webhooks/stripe" for port in hooks],
                "secrets": WEBHOOK_SECRETS,
                "leaked": WEBHOOK_SECRETS[1],
            },
            **self.world.plan.failures(),
        )
        for client in self._clients:
            client.thread.start()

    def rage(self) -> None:
        """Blow after blow, for as long as the plan says; whatever was struck is alive again when it returns."""
        self.killer.start()
        try:
            self._weather()
        finally:
            self.end()
            self.killer.stop()

    def end(self) -> None:
        """The clients want nothing new any more."""
        self._over.set()

    def abate(self) -> None:
        """Everything is alive again, and every client gets its answer, or gives up after a good while."""
        world, killer = self.world, self.killer
        world.gateway.control(calm=True)
        world.say(f"the storm is over: {sum(killer.blows.values())} blows, {killer.kills} kills; the clients finish")
        ends = time.monotonic() + world.plan.times.settled_within
        for client in self._clients:
            client.thread.join(max(0.1, ends - time.monotonic()))
            client.given_up.set()
        settle(world)

    def look_back(self) -> None:
        """Everybody is asked once more, and the gateway's books are laid beside ours."""
        recover(self.world, self.diary)
        repeat_all(self.world, self.diary)
        reconcile_all(self.world)

    def _weather(self) -> None:
        """How slow the gateway is changes all the time, mostly within its time-out, so that many requests are under way when
        something dies, and now and then beyond it."""
        world = self.world
        choice = random.Random(f"{world.plan.seed}/weather")
        began = time.monotonic()
        say_next = began + 10
        while (left := world.plan.left(time.monotonic() - began, self.decks.all_came.is_set())) > 0:
            world.gateway.control(slow_seconds=world.plan.times.gateway_slow * choice.choice([0.1, 0.3, 0.5, 1]))
            time.sleep(min(2, left))
            if time.monotonic() >= say_next:
                say_next += 10
                world.say(f"so far {self.diary.requests} requests, {self.killer.kills} kills")


def pass_over(storms: Sequence[Storm], at_first: Callable[[], None] = lambda: None) -> None:
    """A storm over each of these cells at once, and the calm after it. `at_first`: what happens before the first blow, while
    the clients ask already."""
    with ExitStack() as meanwhile:
        for storm in storms:
            meanwhile.enter_context(storm.clock)
            meanwhile.enter_context(storm.watch)
            meanwhile.callback(storm.end)
            storm.begin()
        at_first()
        _each(storms, Storm.rage)
        _each(storms, Storm.abate)
    _each(storms, Storm.look_back)


def _each(storms: Sequence[Storm], does: Callable[[Storm], None]) -> None:
    with ThreadPoolExecutor(len(storms)) as pool:
        list(pool.map(does, storms))
