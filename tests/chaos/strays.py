"""Requests that come to the wrong cell: by a client's mistake, or because it names one cell and asks another."""

import json
import random
from http.client import HTTPException

from tests.chaos.diary import Answered, Diary, Wish
from tests.chaos.processes import ask
from tests.chaos.world import World

ASTRAY = "what is sent to the wrong cell is refused there, and nothing is done"
# What a cell says of a trip, a payment or a name that is another's; and what is said of a trip that is nobody's.
REFUSALS = {
    "payment": {(421, "wrong_cell"), (422, "trip_not_found")},
    "refund": {(421, "wrong_cell"), (404, "payment_not_found"), (400, "invalid_request")},
}


def send_astray(world: World, diary: Diary, wish: Wish, choice: random.Random) -> None:
    """One try of a cell's own request at another cell. Whatever is neither a refusal nor asks for patience is complained of."""
    assert world.doors is not None
    assert world.elsewhere is not None
    way = world.doors.stray(choice, world.elsewhere)
    headers = {"Content-Type": "application/json", "Idempotency-Key": wish.key} | dict(way.headers)
    try:
        path, body = way.prefix + wish.path, json.dumps(wish.body).encode()
        answer = Answered(*ask(way.port, "POST", path, body, headers, world.plan.times.patience))
    except (OSError, HTTPException):
        return
    with diary.lock:
        diary.astray += 1
        diary.answers[f"astray {answer.status} {answer.code or ''}".rstrip()] += 1
    patience = answer.status == 503 and not answer.final
    if (answer.status, answer.code) not in REFUSALS[wish.kind] and not patience:
        world.complain(ASTRAY, f"{wish.key} by {way}: {answer.status} {answer.body!r}")
