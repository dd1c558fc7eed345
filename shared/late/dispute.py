"""A dispute that a gateway shows: a row of it, what its payment holds back for it, and an event of each move."""

from shared.charging.dependencies import Dependencies
from shared.events.event import event_in
from shared.gateways.facts import DisputeFact
from shared.gateways.protocol import Unknown
from shared.late.reference import reference_of
from shared.late.ring import Left, Ring, ring
from shared.platform.database import Row
from shared.platform.log import log
from shared.rules.money import GREATEST
from shared.rules.states import DISPUTE_MOVES, DISPUTES_OVER

# The row of a dispute that two hear of at once is written by one of them, and seen by the other at its second try.
TRIES = 3
# As much of what the gateway gives as the reason as is kept.
LONGEST_REASON = 255


def follow_dispute(deps: Dependencies, rung: Ring, fact: DisputeFact) -> Left:
    """The books follow what was read of a dispute, however often and in whichever order it comes: what the payment holds back
    is what its disputes hold that are open or lost. Raises DatabaseUnavailable.

    The payment is the one that has the dispute's charge; or, where none has its name, the one whose reference the charge
    bears. What is not ours is dropped; what is disputed of a payment that is not settled is left until that is.
    """
    if not 0 < fact.amount <= GREATEST:
        log.error("a dispute of no amount", extra=_about(fact) | {"amount": str(fact.amount)})
        return None
    charge_id, reference = fact.charge_id or "", None
    followed = _follow(deps, rung.gateway, fact) if charge_id else None
    if followed is None and charge_id:
        reference = reference_of(deps, rung.gateway, charge_id)
        if isinstance(reference, Unknown):
            return f"whose charge it is about is not known: {reference.why}"
        followed = _follow(deps, rung.gateway, fact, reference) if reference else None
    if followed is None:
        log.info("a dispute of a charge that is not ours", extra=_about(fact) | {"charge_id": fact.charge_id})
        return None
    # Where the charge's name is not in the books yet, or not that it was paid.
    if reference or followed["payment_status"] in ("PENDING", "FAILED"):
        ring(deps.database, rung.gateway, "charge", charge_id)
    if followed["payment_status"] == "PENDING":
        return "the charge that it is about is not settled"
    return _moved(deps, fact, followed)


def _follow(deps: Dependencies, gateway: str, fact: DisputeFact, reference: str | None = None) -> Row | None:
    """What became of it, as follow_dispute.sql says; None where the payment is not there."""
    said = fact._asdict()
    del said["said"]
    said["reason"] = fact.reason and fact.reason[:LONGEST_REASON]
    before = [move.source for move in DISPUTE_MOVES if move.source and move.target == fact.status]
    for _ in range(TRIES):
        rows = deps.database.run_again("follow_dispute", gateway=gateway, reference=reference, before=before, **said)
        if not rows or rows[0]["status"] or rows[0]["payment_status"] == "PENDING":
            break
    return rows[0] if rows else None


def _moved(deps: Dependencies, fact: DisputeFact, followed: Row) -> Left:
    about = _about(fact) | {"payment_id": followed["payment_id"]}
    if followed["status"] is None:
        return "another wrote it at the same time"
    if followed["status"] != fact.status:
        log.warning("a dispute that is over does not go back", extra=about | {"stored": followed["status"]})
        return None
    if followed["event_id"] is None:
        return None
    deps.publisher.publish(event_in(followed))
    if followed["is_more_than_is_left"]:
        log.error(
            "more is disputed than is left of the payment", extra=about | {"amount": f"{fact.amount} {fact.currency}"}
        )
    else:
        log.info("a dispute moved", extra=about | {"was": followed["was"]})
    # What was read before another read may be older than what that one stored.
    return "it was over, and moved again: it is read once more" if followed["was"] in DISPUTES_OVER else None


def _about(fact: DisputeFact) -> dict[str, str]:
    return {"dispute": fact.gateway_id, "status": fact.status}
