"""Answering a ring: what it rings for is read at its gateway, and the books follow that."""

import time
from enum import Enum, auto

from shared.charging.askings import GATEWAY
from shared.charging.dependencies import Dependencies
from shared.gateways.facts import ChargeFact, Fact, Kind, RefundFact
from shared.gateways.protocol import Gateway, Unknown
from shared.late.charge import follow_charge
from shared.late.dispute import follow_dispute
from shared.late.refund import follow_refund
from shared.late.ring import By, Left, Ring
from shared.platform import json_text
from shared.platform.log import log
from shared.platform.spans import span
from shared.platform.terminal import printable

# Seconds. A ring that leads nowhere is answered again after a pause that doubles from the first to the longest: most wait for
# something that is over in a moment. While the gateway does not answer it is no longer than half a minute, as for what is
# asked again (shared/charging/lease.py): what an outage left is answered soon after its end.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 600.0
LONGEST_UNANSWERED_PAUSE = 30.0
# Seconds after which nobody waits any more for the books to make something of what the gateway shows. What cannot be read, or
# fails here, is nobody's word that there is nothing to it: it stays, and is seen to (payment_rings_oldest_seconds).
GIVEN_UP_AFTER = 3 * 86400
# Characters, as the constraint of gateway_rings has it.
LONGEST_WHY = 500
NOT_SHOWN = "it is in the books, and the gateway does not show it: is the API key another account's?"


class Answered(Enum):
    """What became of a ring. It is still to be answered where it was LEFT, and where its gateway gave no answer
    (UNANSWERED)."""

    ENDED = auto()
    LEFT = auto()
    UNANSWERED = auto()


def answer_now(deps: Dependencies, gateway: str, kind: Kind, object_id: str, by: By | None = None) -> bool:
    """Answers the ring for an object, unless somebody else does; says whether that is done. Whatever fails leaves it rung,
    for a sweep. `by`: the person who has it answered, where one has. Raises nothing."""
    try:
        named = {"gateway": gateway, "kind": kind, "object_id": object_id}
        rows = deps.database.run("lease_ring", lease=_lease(deps), **named)
        return bool(rows) and answer(deps, Ring(**rows[0], by=by)) is Answered.ENDED
    except Exception:
        log.exception("a ring is left for a sweep", extra={"gateway": gateway, "kind": kind, "object_id": object_id})
        return False


def answer_next(deps: Dependencies) -> Answered | None:
    """Answers the ring that has been due longest: None where none is due. Raises DatabaseUnavailable."""
    rows = deps.database.run("lease_next_ring", lease=_lease(deps))
    return answer(deps, Ring(**rows[0])) if rows else None


def answer(deps: Dependencies, ring: Ring) -> Answered:
    """Answers a ring that was taken for as long as `_lease` says, and ends it or puts it off. Whoever dies on the way leaves
    it rung. Raises DatabaseUnavailable, where it can be neither ended nor put off."""
    gateway = deps.gateways.named(ring.gateway)
    if gateway is None:
        return _put_off(deps, ring, f"its gateway is {ring.gateway}, whose settings are absent")
    try:
        fact = _read(deps, gateway, ring)
        if isinstance(fact, Unknown):
            if fact.answered:
                return _put_off(deps, ring, fact.why)
            _put_off(deps, ring, fact.why, LONGEST_UNANSWERED_PAUSE)
            return Answered.UNANSWERED
        left = _follow(deps, ring, fact)
    except Exception as failure:
        log.exception("what was rung for could not be followed", extra=_about(ring))
        return _put_off(deps, ring, f"it failed: {type(failure).__name__}")
    if left is None:
        return _end(deps, ring)
    # Not by the first read after days in which nothing could be read: what it waits for was kept from its answer as well.
    if ring.age < GIVEN_UP_AFTER or ring.why != _kept(left):
        return _put_off(deps, ring, left)
    log.error("a ring is given up", extra=_about(ring) | {"why": left, "age": round(ring.age)})
    return _end(deps, ring)


def _lease(deps: Dependencies) -> float:
    """Seconds: as long as it may take to read, and then to ask about a charge or refund under a lease of its own."""
    return deps.settings.gateway_timeout + deps.settings.idempotency_lock_timeout


def _read(deps: Dependencies, gateway: Gateway, ring: Ring) -> Fact | Unknown | None:
    """What the object is now: read under no lock and no connection, in a span, and counted."""
    with span("gateway read", about={"gateway": ring.gateway, "kind": ring.kind}) as spanned:
        began = time.monotonic()
        fact = gateway.read(ring.kind, ring.object_id, deps.settings.gateway_timeout)
        said = "unknown" if isinstance(fact, Unknown) else "shown" if fact else "never_heard"
        GATEWAY.note(time.monotonic() - began, ring.gateway, "read", said)
        spanned.note({"outcome": said})
        if isinstance(fact, Unknown):
            spanned.fail("unknown")
        return fact


def _keep(deps: Dependencies, ring: Ring, fact: Fact) -> None:
    """Keeps what was read, before anything follows from it."""
    deps.database.run_again(
        "keep_read",
        gateway=ring.gateway,
        kind=ring.kind,
        object_id=ring.object_id,
        charge_id=fact.gateway_id if isinstance(fact, ChargeFact) else fact.charge_id,
        reference=fact.reference if isinstance(fact, ChargeFact | RefundFact) else None,
        said=json_text.write(dict(fact.said)),
    )


def _follow(deps: Dependencies, ring: Ring, fact: Fact | None) -> Left:
    """Has the books follow what was read."""
    if fact is None:
        log.info("the gateway does not show what was rung for", extra=_about(ring))
        return NOT_SHOWN if _is_in_the_books(deps, ring) else None
    _keep(deps, ring, fact)
    match fact:
        case ChargeFact():
            return follow_charge(deps, ring, fact)
        case RefundFact():
            return follow_refund(deps, ring, fact)
        case _:
            return follow_dispute(deps, ring, fact)


def _is_in_the_books(deps: Dependencies, ring: Ring) -> bool:
    """Whether a payment or refund is known by this name. What its gateway does not show then is another account's, whose key is
    not set now."""
    if ring.kind == "dispute":
        return False
    read = "payment_read" if ring.kind == "charge" else "refund_read"
    named = {"gateway": ring.gateway, "gateway_id": ring.object_id, "reference": None, "charge_id": None}
    return deps.database.one(read, **named) is not None


def _put_off(deps: Dependencies, ring: Ring, why: str, longest: float = LONGEST_PAUSE) -> Answered:
    pause = min(FIRST_PAUSE * 2.0 ** min(ring.tries, 10), longest)
    log.info("a ring is put off", extra=_about(ring) | {"why": why, "tries": ring.tries + 1})
    deps.database.run_again("put_off_ring", pause=pause, why=_kept(why), rings=ring.rings, **_about(ring))
    return Answered.LEFT


def _kept(why: str) -> str:
    """Why a ring is put off, as its row has it."""
    return printable(why)[:LONGEST_WHY]


def _end(deps: Dependencies, ring: Ring) -> Answered:
    """Ends a ring, unless it rang again meanwhile: then it is still due."""
    deps.database.run_again("end_ring", rings=ring.rings, **_about(ring))
    return Answered.ENDED


def _about(ring: Ring) -> dict[str, str]:
    """Which object it is for, as the log and the statements name it."""
    return {"gateway": ring.gateway, "kind": ring.kind, "object_id": ring.object_id}
