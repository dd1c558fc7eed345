"""What is PENDING in the books, and was read at its gateway just now: carried to its end."""

import time

from shared.charging.askings import Askings
from shared.charging.attempt import attempt
from shared.charging.dependencies import Dependencies
from shared.charging.lease import lease_of, take_over
from shared.charging.settle import settle
from shared.gateways.facts import ChargeFact, RefundFact
from shared.gateways.protocol import Succeeded
from shared.late.ring import Left


def carry_on(deps: Dependencies, reference: str, fact: ChargeFact | RefundFact) -> Left:
    """Settles the charge or refund with this reference of ours as succeeded, whoever holds its lease: no other answer can
    come. Any other end is the gateway's answer to whoever asks under the lease. What goes on there too is asked about, and
    left to sweeps and the next ring. Raises DatabaseUnavailable."""
    row = deps.database.one("pending_named", which=reference)
    if row is None:
        return "it is being settled"
    if fact.status == "succeeded":
        lease = lease_of(deps, row, taken_at=time.monotonic())  # not taken: whoever has it is told of this end
        answer = settle(deps, lease, Succeeded(fact.gateway_id), Askings())
        return None if answer.status == 201 else "it was settled otherwise meanwhile"
    taken = take_over(deps, bytes(row["key_hash"]))
    if taken is None:
        return "somebody is asking about it"
    known_as = taken.request.gateway_id or fact.gateway_id
    answer = attempt(deps, taken._replace(request=taken.request._replace(gateway_id=known_as)))
    is_over = fact.status in ("canceled", "failed")
    return "its end is not known yet" if answer.status == 202 and is_over else None
