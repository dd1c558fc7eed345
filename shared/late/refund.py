"""What becomes of a refund that was rung for: the books follow what was read of it at the gateway."""

from shared.charging.dependencies import Dependencies
from shared.charging.lease import about
from shared.charging.settle import acting
from shared.events.event import event_in
from shared.gateways.facts import RefundFact
from shared.late.contradiction import as_people_read, contradict
from shared.late.made_elsewhere import enter, follow_made_elsewhere
from shared.late.pending import carry_on
from shared.late.ring import Left, Ring
from shared.platform.database import Row
from shared.platform.log import log

REVERSED = "refund_failed"


def follow_refund(deps: Dependencies, rung: Ring, fact: RefundFact) -> Left:
    """Has the books follow what a refund is at its gateway: a pending one is settled, one that came back is reversed, one that
    was made in the gateway's own pages is entered. However often and in whichever order it is told, each is done once.

    Gives None where the books agree, or nothing is to be done; else why it is to be read again. Raises DatabaseUnavailable.
    """
    stored = deps.database.one(
        "refund_read",
        gateway=rung.gateway,
        gateway_id=fact.gateway_id,
        reference=fact.reference,
        charge_id=fact.charge_id,
    )
    if stored is None:
        return follow_made_elsewhere(deps, rung, fact)
    if (fact.amount, fact.currency) != (stored["amount"], stored["currency"]):
        contradict(deps, stored, fact, "of another amount")
        return None
    if stored["status"] == "PENDING":
        return _follow_pending(deps, stored, fact)
    if stored["gateway_id"] not in (None, fact.gateway_id):
        return _follow_second(deps, rung, stored, fact)
    match stored["status"], fact.status:
        case "REFUNDED", "failed":
            return _reverse(deps, stored, fact)
        case "FAILED", "succeeded":
            contradict(deps, stored, fact)
            return _enter_beside(deps, rung, stored, fact)
        case "REVERSED", "succeeded" if rung.tries > 0:
            contradict(deps, stored, fact)
            return None
        case ("REFUNDED", "succeeded") | ("FAILED" | "REVERSED", "failed"):
            return None
        case status, said:
            return f"it is {status} here and {said} at the gateway"


def _follow_pending(deps: Dependencies, stored: Row, fact: RefundFact) -> Left:
    """What is pending there too waits for a sweep, or for the next ring; and that another one failed says nothing of it."""
    if fact.status == "pending" or (fact.status == "failed" and stored["gateway_id"] not in (None, fact.gateway_id)):
        return None
    return carry_on(deps, stored["reference"], fact)


def _follow_second(deps: Dependencies, rung: Ring, stored: Row, fact: RefundFact) -> Left:
    """A second refund at the gateway under the reference of one that is settled: what it gave back, it gave back besides."""
    if fact.status == "failed":
        return None
    if fact.status == "pending":
        return f"its reference is of {stored['gateway_id']}, which is {stored['status']} here"
    contradict(deps, stored, fact)
    return _enter_beside(deps, rung, stored, fact)


def _enter_beside(deps: Dependencies, rung: Ring, stored: Row, fact: RefundFact) -> Left:
    """Enters money that went out against what is stored of a refund, which stays as it is. Of a charge that was paid late,
    which is in no amount of the payment, nothing is to be entered."""
    return None if stored["source"] == "late_payment" else enter(deps, rung, stored["payment_id"], fact)


def _reverse(deps: Dependencies, stored: Row, fact: RefundFact) -> Left:
    """The refund came back: a new movement. A charge that was paid late is not ours, and to be given back some other way."""
    rows = deps.database.run_again(
        "reverse_refund",
        refund_id=stored["refund_id"],
        failure_code=fact.code or REVERSED,
        actor=acting(),
        gateway_said=as_people_read(fact),
        gateway_id=fact.gateway_id,
    )
    if not rows:
        return "it was reversed meanwhile"
    deps.publisher.publish(event_in(rows[0]))
    log.warning("a refund came back", extra=about(stored["payment_id"], stored["refund_id"]) | {"code": fact.code})
    if stored["source"] == "late_payment":
        contradict(deps, stored, fact)
    return None
