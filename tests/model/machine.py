"""The model: payments, refunds, repeats and sweeps while anything fails, with the invariants after every step."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    invariant,
    precondition,
    rule,
)

from shared.charging import abandoned, attempt, charge, look, refund, settle
from shared.charging.askings import Askings
from shared.charging.dependencies import Dependencies
from shared.charging.idempotency import hash_key
from shared.charging.lease import Lease, take_over
from shared.gateways.protocol import Succeeded
from shared.late import charge as late_charge
from shared.late import made_elsewhere, pending
from shared.platform.database import DatabaseUnavailable
from shared.platform.settings import Settings
from shared.web.answers import Answer
from shared.web.problems import Problem
from tests.fakes.sink import Sink
from tests.model.bank import MOODS, Bank
from tests.model.books import HEARD, OPEN, PASS, TABLES, at_the_end, breaches
from tests.model.doubles import WELL, Asked, Frozen, PromptPublisher
from tests.model.late import LateMoves
from tests.support.cluster import Place
from tests.support.till import Died, Till, shown

KEY_TTL = 86400.0
KEYS = [f"key-{number}" for number in range(12)]
REFUSALS = {"idempotency_in_progress", "trip_already_paid", "payment_not_refundable", "refund_exceeds_payment"}
REFUSALS |= {"payment_not_found"}
STATEMENTS = [
    "look",
    "claim_payment",
    "charge_at_once",
    "settle_payment",
    "claim_refund",
    "settle_refund",
    "release_key",
    "lease_key",
    "lease_next",
    "lease_events",
    "mark_delivered",
    "fare_of_trip",
]
# What happens at one statement, before it or after it was committed: the worker dies, the database is gone, or the
# connection breaks and another is to be had.
ACCIDENTS = list(product(STATEMENTS, ["dies", "gone", "breaks"], [False, True]))
accidents = st.sampled_from([None] * len(ACCIDENTS) + ACCIDENTS)
moods = st.sampled_from(["well"] * len(MOODS) + list(MOODS))
freezings = st.sampled_from(["", "", "before asking", "after asking"])
amounts = st.sampled_from(["0.01", "10.00", "36.50", "100.00"])


# Whoever carries a request to its end, and may freeze on the way.
ATTEMPTING = (charge, refund, look, abandoned, late_charge, pending, made_elsewhere)


class Payments(LateMoves):
    place: Place
    settings: Settings
    sink: Sink

    @initialize(late_payment=st.sampled_from(["refund", "adopt"]))
    def begin(self, late_payment: str) -> None:
        self.place.sql.run(f"TRUNCATE {TABLES} RESTART IDENTITY CASCADE")
        self.bank = Bank()
        settings = replace(self.settings, late_payment=late_payment)
        self.till = Till(settings, self.database, self.bank)  # type: ignore[arg-type]
        self.till.publisher = self.publisher = PromptPublisher(self.database, self.settings)
        self.database.accident, self.database.refused = None, ""
        self.asked: dict[str, Asked] = {}
        self.frozen: list[Frozen] = []
        self.freezes = ""
        for module in ATTEMPTING:
            module.attempt = self._attempt  # type: ignore[attr-defined]
        self._ask(
            "first", ("pay", 1, "CARD", "100.00", False), lambda: self.till.pay("first", 1, "CARD", "100.00"), **WELL
        )
        self._ask("second", ("pay", 2, "CASH", None, False), lambda: self.till.pay("second", 2, "CASH", None), **WELL)

    def _attempt(self, deps: Dependencies, lease: Lease, *on_outcome: Any) -> Answer:
        """As attempt.attempt, unless this worker is to freeze before it asks the gateway, or after."""
        freezes, self.freezes = self.freezes, ""
        if not freezes:
            return attempt.attempt(deps, lease, *on_outcome)
        told: object = None
        askings = Askings()
        if freezes == "after asking":
            with suppress(ValueError):  # of a mood of the bank
                told = attempt.ask(deps, lease, askings)
        self.frozen.append(Frozen(lease, told if isinstance(told, Succeeded) else None, askings))
        raise Died("frozen")

    @rule(
        key=st.sampled_from(KEYS),
        trip_id=st.integers(1, 3),
        method=st.sampled_from(["CARD", "UPI", "CASH"]),
        amount=st.none() | amounts,
        present=st.booleans(),
        mood=moods,
        accident=accidents,
        delivers=st.booleans(),
        freezes=freezings,
    )
    def pay(self, key: str, trip_id: int, method: str, amount: str | None, present: bool, **circumstances: Any) -> None:
        content = ("pay", trip_id, method, amount, present)
        who: dict[str, Any] = {"customer_present": True} if present else {}
        self._ask(key, content, lambda: self.till.pay(key, trip_id, method, amount, **who), **circumstances)

    @rule(
        key=st.sampled_from(KEYS),
        payment_id=st.sampled_from([1, 1, 2, 3, 4]),
        amount=st.none() | amounts,
        mood=moods,
        accident=accidents,
        delivers=st.booleans(),
        freezes=freezings,
    )
    def release(self, key: str, payment_id: int, amount: str | None, **circumstances: Any) -> None:
        content = ("refund", payment_id, amount)
        self._ask(key, content, lambda: self.till.refund(payment_id, amount, key), **circumstances)

    @rule(where=st.sampled_from(["before asking", "after asking"]), gives_back=st.booleans(), mood=moods)
    def a_worker_freezes(self, where: str, gives_back: bool, mood: str) -> None:
        """In the middle of a charge, or of a refund of the first payment."""
        key = f"frozen-{len(self.asked)}"
        frozen = WELL | {"mood": mood, "freezes": where}
        if gives_back:
            self._ask(key, ("refund", 1, "0.01"), lambda: self.till.refund(1, "0.01", key), **frozen)
        else:
            self._ask(key, ("pay", 3, "UPI", "10.00", False), lambda: self.till.pay(key, 3, "UPI", "10.00"), **frozen)

    @precondition(lambda self: self.asked)
    @rule(
        data=st.data(),
        mood=moods,
        accident=accidents,
        delivers=st.booleans(),
        freezes=freezings,
    )
    def repeat(self, data: st.DataObject, **circumstances: Any) -> None:
        key = data.draw(st.sampled_from(sorted(self.asked)))
        self._ask(key, self.asked[key].content, self.asked[key].ask, **circumstances)

    @rule(mood=moods, accident=accidents, sink_takes=st.booleans(), freezes=freezings)
    def sweep(self, mood: str, accident: Any, sink_takes: bool, freezes: str) -> None:
        self.bank.mood, self.database.accident, self.freezes = mood, accident, freezes
        self.publisher.delivers, self.sink.status = True, 202 if sink_takes else 503
        with suppress(Died, DatabaseUnavailable):
            self.till.sweep()

    @rule(seconds=st.sampled_from([1, 4, 4, 20, 130, 1000, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self._time_passes(seconds)

    @precondition(lambda self: self.frozen)
    @rule(
        data=st.data(),
        mood=moods,
        meanwhile=st.sampled_from(["nothing", "its lease ends", "another takes over and freezes"]),
        much_later=st.booleans(),
    )
    def a_frozen_worker_wakes(self, data: st.DataObject, mood: str, meanwhile: str, much_later: bool) -> None:
        worker = self.frozen[data.draw(st.integers(0, len(self.frozen) - 1))]
        if meanwhile != "nothing":
            self._time_passes(4)
        if meanwhile == "another takes over and freezes" and (
            other := take_over(self.till.deps, worker.lease.key_hash)
        ):
            self.frozen.append(Frozen(other, None, Askings()))
        if much_later:
            self._time_passes(200)
        self._wake(worker, mood)

    @precondition(lambda self: self.frozen)
    @rule(mood=moods, much_later=st.booleans())
    def frozen_workers_wake_when_a_sweep_has_settled_what_they_had(self, mood: str, much_later: bool) -> None:
        self._time_passes(704)
        self.till.sweep()
        if much_later:
            self._time_passes(200)
        for worker in list(self.frozen):
            self._wake(worker, mood)

    def _wake(self, worker: Frozen, mood: str) -> None:
        self.frozen.remove(worker)
        holder = self._holder(worker)
        self.bank.mood = mood
        with suppress(Died):
            if worker.told is None:
                attempt.attempt(self.till.deps, worker.lease)
            else:
                settle.settle(self.till.deps, worker.lease, worker.told, worker.askings)
        if holder not in (None, "settled", worker.lease.locked_at):
            assert self._holder(worker) in (holder, "settled"), "it gave back a lease that is another's"

    def _holder(self, worker: Frozen) -> Any:
        """When the lease that is held was taken; None where it is free, "settled" where there is none to hold."""
        rows = self.place.sql.run(
            "SELECT answer_status, locked_at FROM idempotency_keys WHERE key_hash = %s", [worker.lease.key_hash]
        )
        return rows[0]["locked_at"] if rows and rows[0]["answer_status"] is None else "settled"

    @invariant()
    def the_books_are_right(self) -> None:
        self.bank.mood, self.database.accident, self.freezes, self.sink.status = "well", None, "", 202
        assert not self.database.refused, "a constraint had to prevent what the code should not have tried"
        assert not list(breaches(self.place.sql, self.bank))
        kept = {
            bytes(row["key_hash"]): row["answer_status"]
            for row in self.place.sql.run("SELECT key_hash, answer_status FROM idempotency_keys")
        }
        for key, asked in list(self.asked.items()):
            status = kept.get(hash_key(key, None, ""), "gone")
            if status == "gone" and asked.expires is not None:
                assert self.bank.truth.now >= asked.expires, f"{key} was forgotten too early"
                del self.asked[key]
            elif status not in ("gone", None) and asked.expires is None:
                asked.expires = self.bank.truth.now + KEY_TTL

    def teardown(self) -> None:
        """Whatever happened: the gateway is well again, time passes, sweeps come, and everything comes to its end."""
        if not hasattr(self, "bank"):
            return
        self.the_books_are_right()
        for _ in range(30):
            if not self.place.sql.value(OPEN) and not self._unheard():
                break
            self._time_passes(130)
            self.till.sweep()
            self.the_books_are_right()
        assert not self.place.sql.value(OPEN), "something is never settled, never delivered, or rings for ever"
        assert not self._unheard(), "an event of the bank's is never heard"
        assert not list(at_the_end(self.place.sql, self.bank))
        heard = set(self.sink.event_ids())
        assert all(row["event_id"] in heard for row in self.place.sql.run("SELECT event_id FROM outbox"))

    def _unheard(self) -> set[str]:
        heard = {row["event_id"] for row in self.place.sql.run(HEARD)}
        return {event.event_id for event in self.bank.truth.events} - heard

    def _ask(
        self,
        key: str,
        content: tuple[object, ...],
        ask: Callable[[], Answer],
        mood: str,
        accident: Any,
        delivers: bool,
        freezes: str,
    ) -> None:
        self.bank.mood, self.database.accident, self.freezes = mood, accident, freezes
        self.publisher.delivers = delivers
        held = self.place.sql.run(
            "SELECT fingerprint FROM idempotency_keys WHERE key_hash = %s", [hash_key(key, None, "")]
        )
        asked = self.asked.get(key)
        try:
            answer = ask()
        except Died:
            answer = None
        except DatabaseUnavailable:
            assert accident is not None, "the database was there"
            assert accident[0] not in ("settle_payment", "settle_refund", "release_key"), "no 503 after the claim"
            answer = None
        except Problem as problem:
            self._refused(problem, bool(held), asked, content)
            return
        if held and asked is not None:
            assert asked.content == content or answer is None, "another request under this key was not refused"
        if asked is None or not held:
            asked = self.asked[key] = Asked(ask, content)
        if answer is not None:
            self._answered(key, asked, answer)

    def _refused(self, problem: Problem, held: bool, asked: Asked | None, content: tuple[object, ...]) -> None:
        if problem.code == "idempotency_key_reused":
            assert held, "the key was new"
            assert asked is None or asked.content != content, "the same request was refused as another"
        else:
            assert problem.code in REFUSALS, problem.code
            assert not (asked and asked.final and asked.content == content), "a finished request was refused"

    def _answered(self, key: str, asked: Asked, answer: Answer) -> None:
        assert answer.status in (201, 202, 402), answer
        if asked.final:
            assert asked.final == (answer.status, answer.body), "a repeat is answered otherwise"
            assert answer.headers["Idempotent-Replayed"] == "true"
        elif answer.status != 202:
            asked.final = (answer.status, answer.body)
        body = shown(answer)
        body = body.get("payment", body.get("refund", body)) if answer.status == 402 else body
        status = self.place.sql.value(
            "SELECT status FROM (SELECT reference, status FROM payments UNION ALL"
            " SELECT reference, status FROM payment_refunds) AS look WHERE reference = %s",
            [body["reference"]],
        )
        # What became of it after its first word changes no answer.
        done = ("SUCCESS", "REFUNDED", "REVERSED")
        allowed = {201: done, 402: ("FAILED", "SUCCESS", "REFUNDED"), 202: ("PENDING", "FAILED", *done)}
        assert status in allowed[answer.status], f"{key}: told {answer.status}, and it is {status}"

    def _time_passes(self, seconds: int) -> None:
        self.bank.truth.pass_time(seconds)
        self.place.sql.run(PASS, {"s": seconds})
        for worker in self.frozen:
            lease = worker.lease
            worker.lease = lease._replace(
                taken_at=lease.taken_at - seconds,
                asks_until=lease.asks_until - seconds,
                over_at=lease.over_at - seconds,
                locked_at=lease.locked_at - timedelta(seconds=seconds),
            )
