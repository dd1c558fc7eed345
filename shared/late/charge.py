"""Charges, as their gateway has them when they are read: the payment follows what was read, whatever was said before."""

import time

from shared.charging.attempt import attempt
from shared.charging.dependencies import Dependencies
from shared.charging.lease import lease_of
from shared.charging.settle import acting
from shared.events.event import event_in
from shared.gateways.facts import ChargeFact
from shared.late.contradiction import contradict
from shared.late.pending import carry_on
from shared.late.ring import Left, Ring
from shared.platform.database import Conflict
from shared.platform.log import log
from shared.rules.identifiers import new_reference


def follow_charge(deps: Dependencies, rung: Ring, fact: ChargeFact) -> Left:
    """Has the payment follow a charge that was read just now; None once it does, and for a charge that is of no payment.

    What is pending is settled as paid at once, whoever is asking about it; anything else is for whoever holds the lease to
    find out. One that FAILED and is paid is adopted or given back, at most once. What else contradicts the books, and a
    charge of another amount than was asked for, is noted, and changes nothing. Raises DatabaseUnavailable.
    """
    payment = deps.database.one(
        "payment_read", gateway=rung.gateway, reference=fact.reference, gateway_id=fact.gateway_id
    )
    if payment is None:
        return None
    if (fact.amount, fact.currency) != (payment["amount"], payment["currency"]):
        if fact.status == "succeeded":
            contradict(deps, payment, fact, f"{payment['amount']} {payment['currency']} was asked for")
        return None
    match payment["status"], fact.status:
        case "PENDING", _:
            return carry_on(deps, payment["reference"], fact)
        case "FAILED", "succeeded":
            contradict(deps, payment, fact)
            if payment["late_charge_id"] is None:
                _paid_late(deps, payment["payment_id"], fact.gateway_id)
        case _, "succeeded" if payment["gateway_id"] not in (None, fact.gateway_id):
            contradict(deps, payment, fact)
        case "SUCCESS" | "REFUNDED", "canceled" if payment["gateway_id"] == fact.gateway_id:
            contradict(deps, payment, fact)
    return None


def _paid_late(deps: Dependencies, payment_id: int, gateway_id: str) -> None:
    """Whoever comes first adopts it or claims its refund: the payment's row decides. What is claimed and not carried to its
    end is a sweep's."""
    if deps.settings.late_payment == "adopt" and _adopted(deps, payment_id, gateway_id):
        return
    taken_at = time.monotonic()
    rows = deps.database.run(
        "give_back_payment",
        payment_id=payment_id,
        gateway_id=gateway_id,
        reference=new_reference("REF", deps.settings.cell),
        lease_seconds=deps.settings.idempotency_lock_timeout,
        actor=acting(),
    )
    if rows:
        lease = lease_of(deps, rows[0], taken_at)
        log.warning("paid late: it is given back", extra=lease.about())
        attempt(deps, lease)


def _adopted(deps: Dependencies, payment_id: int, gateway_id: str) -> bool:
    """Whether this adopted it: not where its trip is paid otherwise, or being paid, nor where somebody was faster."""
    try:
        rows = deps.database.run("adopt_payment", payment_id=payment_id, gateway_id=gateway_id, actor=acting())
    except Conflict:  # the trip's fare is claimed at this moment
        return False
    for row in rows:
        log.warning("paid late: it is adopted", extra={"payment_id": payment_id})
        deps.publisher.publish(event_in(row)._replace(follows=True))
    return bool(rows)
