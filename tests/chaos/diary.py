"""What the clients want, and everything that they were told."""

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from shared.events.event import TRIP_COMPLETED
from tests.chaos.processes import ask
from tests.chaos.ways import Way
from tests.chaos.world import World

EVENTS_OF = "/chaos/trips"
FUNCTIONS = {"payment": "create_payment", "refund": "create_refund"}
REFUSALS = {
    "payment": {(409, "trip_already_paid"), (422, "trip_not_found")},
    "refund": {(409, "payment_not_refundable"), (422, "refund_exceeds_payment")},
}
AGAIN = {
    (202, None),
    (409, "idempotency_in_progress"),
    (409, "trip_already_paid"),
    (503, "database_unavailable"),
    (503, "trip_service_unavailable"),
}
# What front doors say in place of a function or of a whole cell that does not answer.
AT_THE_DOORS = {(503, "service_unavailable"), (502, "bad_gateway")}
ALONE = "what befalls one cell is no error of another's clients"


def again(world: World) -> set[tuple[int, str | None]]:
    """All answers upon which the request is sent again."""
    return AGAIN | AT_THE_DOORS if world.doors is not None else AGAIN


@dataclass(frozen=True)
class Answered:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str | None:
        """What a problem calls itself; None for anything else."""
        return self.json().get("code") if "problem" in self.headers.get("content-type", "") else None

    @property
    def final(self) -> bool:
        return self.status != 202 and "retry-after" not in self.headers

    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


@dataclass
class Wish:
    """One request under one key: what is asked, how often it was, and what it came to. `once`: nobody asks again."""

    kind: str
    key: str
    path: str
    body: dict[str, Any]
    once: bool = False
    asked: int = 0
    answered: int = 0
    final: Answered | None = None

    @property
    def settled(self) -> bool:
        """Whether it came to an answer that the service keeps."""
        return self.final is not None and self.final.status in (201, 402)


@dataclass
class Event:
    """An event of a completed trip, and how its deliveries were answered. `taken`: by 204, so that it is not sent again."""

    event_id: str
    trip_id: int
    data: dict[str, Any]
    answers: list[int] = field(default_factory=list)

    @property
    def taken(self) -> bool:
        return 204 in self.answers


@dataclass
class Diary:
    """What all clients did and saw."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wishes: list[Wish] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    paid: list[dict[str, Any]] = field(default_factory=list)
    finished: list[Wish] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    repeats: int = 0
    astray: int = 0
    untouched: int = 0  # answers while `World.untouched`
    reused: int = 0


def ask_for(world: World, diary: Diary, wish: Wish, body: dict[str, Any], way: Way) -> Answered | None:
    """One try, by this way; None where no answer came."""
    with diary.lock:
        diary.requests += 1
        wish.asked += 1
    headers = {"Content-Type": "application/json", "Idempotency-Key": wish.key} | dict(way.headers)
    path, patience = way.prefix + wish.path, world.plan.times.patience
    untouched = world.untouched
    try:
        raw = ask(way.port, "POST", path, json.dumps(body).encode(), headers, patience)
    except (OSError, HTTPException) as lost:
        with diary.lock:
            diary.answers["no answer"] += 1
        # A machine that is full makes anybody wait; a connection that breaks is somebody's who died.
        if untouched and world.untouched and not isinstance(lost, TimeoutError):
            world.complain(ALONE, f"{wish.key}: {lost!r}")
        return None
    answer = Answered(*raw)
    with diary.lock:
        wish.answered += 1
        diary.answers[f"{answer.status} {answer.code or ''}".rstrip()] += 1
        diary.untouched += untouched
    if untouched and world.untouched and (answer.status, answer.code) in AT_THE_DOORS:
        world.complain(ALONE, f"{wish.key}: {answer.status} {answer.code}")
    if body is wish.body:
        _judge(world, wish, answer)
    return answer


def deliver(world: World, diary: Diary, event: Event, port: int) -> None:
    """One delivery, at the instance of charge_trip on this port. What is neither taken nor to come again is complained of."""
    headers = {"ce-specversion": "1.0", "ce-type": TRIP_COMPLETED, "ce-source": EVENTS_OF, "ce-id": event.event_id}
    headers["Content-Type"] = "application/json"
    try:
        status, _, body = ask(port, "POST", "/", json.dumps(event.data).encode(), headers, world.plan.times.patience)
    except (OSError, HTTPException):
        return
    with diary.lock:
        event.answers.append(status)
        diary.answers[f"event {status}"] += 1
    if status not in (204, 503):
        world.complain("every answer is one of the contract's", f"{event.event_id}: {status} {body!r}")


def _judge(world: World, wish: Wish, answer: Answered) -> None:
    said = (answer.status, answer.code)
    known = {(201, None), (402, f"{wish.kind}_declined")} | REFUSALS[wish.kind] | again(world)
    if said not in known or (not answer.final and said not in again(world)):
        world.complain("every answer is one of the contract's", f"{wish.key}: {answer.status} {answer.body!r}")


def compare(world: World, wish: Wish, answer: Answered) -> None:
    """A repeat of a finished request must be answered as the first time."""
    first = wish.final
    assert first is not None
    if (answer.status, answer.body) != (first.status, first.body):
        what = f"{wish.key}: first {first.status} {first.body!r}, then {answer.status} {answer.body!r}"
        world.complain("a repeat gives the same status and body", what)
    if answer.headers.get("idempotent-replayed") != "true":
        world.complain("a repeat gives the same status and body", f"{wish.key}: not marked as replayed")
