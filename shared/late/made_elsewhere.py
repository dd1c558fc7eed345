"""Refunds that the gateway has and the books have not: made by somebody in its own pages, or lost. They are taken into the
books."""

import time

from shared.charging.attempt import attempt
from shared.charging.dependencies import Dependencies
from shared.charging.lease import lease_of
from shared.charging.settle import acting
from shared.gateways.facts import RefundFact
from shared.gateways.protocol import Unknown
from shared.late.contradiction import as_people_read, contradict
from shared.late.lost import as_claimed, as_made_elsewhere
from shared.late.reference import reference_of
from shared.late.ring import Left, Ring, ring
from shared.platform.database import Conflict, Row
from shared.platform.log import log

# So often is a refund read again for which the payment has no room, half a minute in all, before a person is told: one of ours
# may have come back, and whoever is to say so is on the way.
PATIENCE = 5


def follow_made_elsewhere(deps: Dependencies, rung: Ring, fact: RefundFact) -> Left:
    """Enters a refund that is in no row of the books, of a charge that is. One that failed moved nothing, and is entered only
    where the books lost it: its client is to be answered so. Answers as `follow_refund`."""
    claimed = as_claimed(deps, rung.gateway, fact)
    if isinstance(claimed, str):
        return claimed
    if fact.charge_id is None or (fact.status == "failed" and claimed is None):
        return None
    payment = deps.database.one("payment_read", gateway=rung.gateway, gateway_id=fact.charge_id, reference=None)
    if payment is None:
        return _ask_for_its_charge(deps, rung, fact.charge_id)
    if payment["status"] == "PENDING" or (payment["status"] == "FAILED" and payment["late_charge_id"] is None):
        ring(deps.database, rung.gateway, "charge", fact.charge_id)
        return f"its charge is {payment['status']} here"
    if payment["status"] == "FAILED":
        log.warning(
            "a charge that was paid late was given back at the gateway",
            extra={"payment_id": payment["payment_id"], "gateway_id": fact.gateway_id},
        )
        return None
    if fact.currency != payment["currency"]:
        contradict(deps, payment | {"gateway_id": None}, fact, "in another currency")
        return None
    return enter(deps, rung, payment["payment_id"], fact, claimed)


def enter(deps: Dependencies, rung: Ring, payment_id: int, fact: RefundFact, claimed: Row | None = None) -> Left:
    """Enters a refund as one of a payment, once however often and by however many at once, and settles it as every refund is:
    the gateway is asked what became of it. `claimed`: how it was claimed, where it is one of ours that the books lost. Where
    its payment has not as much left, a refund of ours has reserved it, or came back and nobody said so yet; it stays rung,
    and in the end a person is told. Answers as `follow_refund`."""
    entered, taken_at = claimed or as_made_elsewhere(deps, fact), time.monotonic()
    if rung.by:
        entered["reason"] = rung.by.reason
    try:
        rows = deps.database.run(
            "enter_refund",
            payment_id=payment_id,
            amount=fact.amount,
            gateway_id=fact.gateway_id,
            lease_seconds=deps.settings.idempotency_lock_timeout,
            actor=rung.by.actor if rung.by else acting(),
            gateway_said=as_people_read(fact),
            **entered,
        )
    except Conflict:
        return "somebody enters it at this moment"
    if not rows:
        return _no_room(deps, rung, payment_id, fact)
    lease = lease_of(deps, rows[0], taken_at)
    if claimed:
        log.warning("a refund that the books lost is entered", extra=lease.about())
    else:
        log.info("a refund that was made at the gateway is entered", extra=lease.about())
    attempt(deps, lease)  # what is not final then is asked about by sweeps, as of any refund
    return None


def _no_room(deps: Dependencies, rung: Ring, payment_id: int, fact: RefundFact) -> Left:
    if rung.tries == 0:
        deps.database.run_again("ring_refunds", payment_id=payment_id, gateway_id=fact.gateway_id)
    if rung.tries >= PATIENCE:
        [payment] = deps.database.run_again("refundable", payment_id=payment_id)
        stored = {"payment_id": payment_id, "status": payment["status"]}
        contradict(deps, stored, fact, "not as much is left of it")
    return "its payment has not as much left"


def _ask_for_its_charge(deps: Dependencies, rung: Ring, charge_id: str) -> Left:
    """A charge whose name nobody has written down yet is known by the reference that it bears; any other is not ours."""
    reference = reference_of(deps, rung.gateway, charge_id)
    if isinstance(reference, Unknown):
        return reference.why
    if not reference or not deps.database.one(
        "payment_read", gateway=rung.gateway, gateway_id=None, reference=reference
    ):
        return None
    ring(deps.database, rung.gateway, "charge", charge_id)
    return "its charge has no name here yet"
