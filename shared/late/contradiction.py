"""Where the gateway says otherwise than the books of a charge or refund: noted, for a person to look at."""

from shared.charging.dependencies import Dependencies
from shared.charging.lease import about
from shared.charging.settle import acting
from shared.gateways.facts import ChargeFact, RefundFact
from shared.platform.database import Row
from shared.platform.log import log


def contradict(
    deps: Dependencies, stored: Row, fact: ChargeFact | RefundFact, but: str = "", actor: str | None = None
) -> None:
    """Notes that a charge or refund is otherwise at the gateway than it is `stored`, or more than the payment has left: an
    ERROR in the log and an entry in the audit trail, once for each thing that is said. Raises DatabaseUnavailable.

    `stored` has `payment_id`, `status`, and as far as it is about a refund of the books `refund_id`, `failure_code` and
    `gateway_id`; `but` says what is wrong besides. `actor`: the person who found out, where one did."""
    payment_id, refund_id = stored["payment_id"], stored.get("refund_id")
    kept = ", ".join(str(stored[name]) for name in ("status", "failure_code", "gateway_id") if stored.get(name))
    answer = {"gateway_said": as_people_read(fact), "gateway_id": fact.gateway_id}
    rows = deps.database.run_again(
        "contradict",
        actor=actor or acting(),
        payment_id=payment_id,
        refund_id=refund_id,
        outcome="failed" if fact.status in ("failed", "canceled") else "succeeded",
        stored=f"stored as {kept}" + (f": {but}" if but else ""),
        **answer,
    )
    for row in rows:
        extra = about(payment_id, refund_id) | answer | {"stored": row["stored"]}
        log.error("the gateway contradicts what is stored", extra=extra)


def as_people_read(fact: ChargeFact | RefundFact) -> str:
    """A charge or refund as it was read at the gateway, in words."""
    kind = "charge" if isinstance(fact, ChargeFact) else "refund"
    why = f" ({fact.code})" if fact.code and fact.status != "succeeded" else ""
    return f"{fact.gateway_id}: a {kind} of {fact.amount} {fact.currency}, {fact.status}{why}"
