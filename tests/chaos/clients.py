"""The clients: they ask, and repeat every request with its key until its answer is final; some ask once and are gone."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.chaos.diary import FUNCTIONS, Answered, Diary, Event, Wish, again, ask_for, compare, deliver
from tests.chaos.strays import send_astray
from tests.chaos.world import World


class Client:
    """One client, in a thread. What it wishes for is drawn from the seed and its number."""

    def __init__(self, world: World, diary: Diary, number: int, storm_over: threading.Event) -> None:
        self._world = world
        self._diary = diary
        self._number = number
        self._choice = random.Random(f"{world.plan.seed}/{world.keys}/client {number}")
        self._storm_over = storm_over
        self._made = 0
        self.given_up = threading.Event()
        self.thread = threading.Thread(target=self._live, name=f"client-{number}", daemon=True)

    def _live(self) -> None:
        try:
            while not self._storm_over.is_set():
                self._next_step()
                self._storm_over.wait(self._choice.uniform(0, self._world.plan.times.pause / 2))
        except Exception as failure:
            self._world.complain("every client's life ends well", f"client {self._number}: {failure!r}")
            raise

    def _next_step(self) -> None:
        steps: list[tuple[int, Callable[[], None]]] = [
            (30, self._pay_amount),
            (18, self._pay_fare),
            (8, self._complete_trip),
            (14, self._pay_in_person),
            (6, self._pay_cash),
            (4, self._be_declined),
            (24, self._give_back),
            (2, self._pay_for_no_trip),
            (8, self._repeat),
            (5, self._reuse),
        ]
        self._choice.choices([step for _, step in steps], [weight for weight, _ in steps])[0]()

    def _pay_amount(self) -> None:
        self._pay({"trip_id": self._world.trip(self._choice), "amount": self._amount()})

    def _pay_fare(self) -> None:
        """Four clients in a row want the same trip's fare; cash and card compete for it, and events of the trip."""
        trip_id = self._next_fare()
        method = self._choice.choice(["CARD", "CARD", "CARD", "CASH"])
        self._pay({"trip_id": trip_id, "method": method} | (self._in_person() if method == "CARD" else {}))

    def _pay_in_person(self) -> None:
        """The customer is there, and has to act: on their card, in the app's sheet, in their bank's app."""
        wanted: dict[str, Any] = {"trip_id": self._world.trip(self._choice), "amount": self._amount()}
        wanted["customer_present"] = True
        match self._choice.choice(["card", "bank's page", "sheet", "upi"]):
            case "card":
                wanted["payment_token"] = "pm_customer"
            case "bank's page":
                wanted["payment_token"] = "pm_customer_redirect"
            case "upi":
                wanted["method"] = "UPI"
        self._pay(wanted)

    def _next_fare(self) -> int:
        with self._diary.lock:
            self._world.fares += 1
            return self._world.next_fare

    def _complete_trip(self) -> None:
        """As a broker delivers: until it is taken, now and then several times at once, and once more after that."""
        self._made += 1
        trip_id, token = self._next_fare(), self._choice.choice(["pm_card_visa"] * 4 + ["pm_decline_lost_card"])
        method = self._choice.choice([{"method": "CARD", "payment_token": token}] * 4 + [{"method": "CASH"}])
        event = Event(f"{self._world.keys}-trip-{self._number}-{self._made}", trip_id, {"trip_id": trip_id} | method)
        with self._diary.lock:
            self._diary.events.append(event)
        while not event.taken and not self.given_up.is_set():
            at_once = self._choice.choice([1, 1, 1, 3])
            senders = [threading.Thread(target=self._deliver, args=(event,), daemon=True) for _ in range(at_once)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            time.sleep(self._choice.uniform(0, self._world.plan.times.pause))
        if self._choice.random() < 0.3:
            self._deliver(event)

    def _deliver(self, event: Event) -> None:
        port = self._world.port_of("charge_trip", random.Random(event.event_id))
        if port is not None:
            deliver(self._world, self._diary, event, port)

    def _in_person(self) -> dict[str, Any]:
        """Now and then also of a trip's fare, which others want meanwhile."""
        present = self._choice.random() < 0.2
        return {"customer_present": True, "payment_token": "pm_customer"} if present else {}

    def _pay_cash(self) -> None:
        self._pay({"trip_id": self._world.trip(self._choice), "amount": self._amount(), "method": "CASH"})

    def _be_declined(self) -> None:
        token = self._choice.choice(["pm_decline_insufficient_funds", "pm_decline_lost_card", "pm_authenticate"])
        self._pay({"trip_id": self._world.trip(self._choice), "amount": self._amount(), "payment_token": token})

    def _pay_for_no_trip(self) -> None:
        self._pay({"trip_id": self._world.unknown_trip()})

    def _pay(self, wanted: dict[str, Any]) -> None:
        body = {"method": "CARD", **wanted}
        if body["method"] != "CASH" and "customer_present" not in body:
            body.setdefault("payment_token", "pm_card_visa")
        wish = self._wish("payment", "/payments", body)
        if wish.final and wish.final.status == 201:
            with self._diary.lock:
                self._diary.paid.append(wish.final.json())

    def _give_back(self) -> None:
        """Of one of the latest payments, so that several clients give back the same one at the same moment."""
        with self._diary.lock:
            latest = self._diary.paid[-8:]
        if not latest:
            return
        payment = self._choice.choice(latest)
        cents = round(payment["amount"] * 100)
        body: dict[str, Any] = {}
        match self._choice.choice(["part", "part", "all", "whole", "over"]):
            case "part":
                body["amount"] = self._choice.randint(1, max(1, cents // 2)) / 100
            case "whole":
                body["amount"] = payment["amount"]
            case "over":
                body["amount"] = (cents + 1) / 100
        self._wish("refund", f"/payments/{payment['payment_id']}/refunds", body)

    def _repeat(self) -> None:
        """A finished request once more: the same status and body, or patience is asked for."""
        wish = self._some_finished()
        if wish is None or wish.final is None:
            return
        self._diary.repeats += 1
        if self._choice.random() < 0.3:
            self._go_astray(wish)
        answer = self._ask(wish, wish.body)
        if answer is not None and answer.final:
            compare(self._world, wish, answer)

    def _reuse(self) -> None:
        """A finished key with other content: refused, or patience is asked for; never anything else."""
        wish = self._some_finished()
        if wish is None:
            return
        self._diary.reused += 1
        other = wish.body | {"amount": round(wish.body.get("amount", 36.5) + 0.01, 2)}
        answer = self._ask(wish, other)
        if answer is not None and (answer.status, answer.code) not in (
            again(self._world) | {(422, "idempotency_key_reused")}
        ):
            self._world.complain("a key with other content is refused", f"{wish.key}: {answer.status} {answer.code}")

    def _some_finished(self) -> Wish | None:
        with self._diary.lock:
            return self._choice.choice(self._diary.finished) if self._diary.finished else None

    def _wish(self, kind: str, path: str, body: dict[str, Any]) -> Wish:
        self._made += 1
        key = f"{self._world.keys}-{self._number}-{self._made}"
        wish = Wish(kind, key, path, body | {"metadata": {"key": key}}, once=self._choice.random() < 0.12)
        with self._diary.lock:
            self._diary.wishes.append(wish)
        if self._choice.random() < 0.1:
            self._go_astray(wish)
        if self._choice.random() < 0.1:
            self._together(wish)
        self._carry_through(wish)
        if wish.settled:
            with self._diary.lock:
                self._diary.finished.append(wish)
        return wish

    def _go_astray(self, wish: Wish) -> None:
        """The same request with the same key to another cell, by mistake, where there is one."""
        if self._world.elsewhere is not None:
            send_astray(self._world, self._diary, wish, self._choice)

    def _together(self, wish: Wish) -> None:
        """The same request with the same key, more than once at the same moment."""
        others = [threading.Thread(target=self._ask, args=(wish, wish.body), daemon=True) for _ in range(2)]
        for other in others:
            other.start()
        for other in others:
            other.join()

    def _carry_through(self, wish: Wish) -> None:
        while True:
            answer = self._ask(wish, wish.body)
            if answer is not None and answer.final:
                wish.final = answer
                return
            if wish.once or self.given_up.is_set():
                return
            time.sleep(self._choice.uniform(0, self._world.plan.times.pause))

    def _ask(self, wish: Wish, body: dict[str, Any]) -> Answered | None:
        """One try at one of the instances; None where no answer came."""
        way = self._world.way_to(FUNCTIONS[wish.kind], wish.path, self._choice)
        return None if way is None else ask_for(self._world, self._diary, wish, body, way)

    def _amount(self) -> float:
        return self._choice.randint(1, 50_000) / 100
