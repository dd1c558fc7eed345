"""Asking the gateway again, because a person wants to know: what is pending is carried on, what is settled only looked at."""

import time
from typing import NamedTuple

from shared.charging.askings import Askings
from shared.charging.attempt import attempt, find
from shared.charging.dependencies import Dependencies
from shared.charging.lease import Lease, lease_of, take_over
from shared.charging.settle import note_contradiction
from shared.gateways.protocol import Declined, Outcome, Succeeded, describe
from shared.platform.database import Conflict
from shared.web.problems import Problem

# Pending refunds of one payment that are carried on at once, each for as long as the gateway takes.
MOST = 5
# Among so many, the newest of it, they are looked for.
LOOKED_THROUGH = 1_000
# How often a look is written down where others look at the same moment.
TRIES = 5


class Told(NamedTuple):
    """What the gateway said of the charge, or of a refund of it, for people. `asked`: False where it was not asked, and `said`
    is why: somebody else is asking at this moment, or there is nobody to ask."""

    refund_id: int | None
    said: str
    asked: bool = True


def ask_again(deps: Dependencies, payment_id: int, actor: str, refund_id: int | None = None) -> list[Told]:
    """Asks about a payment, or about a refund of it, and keeps that `actor` did.

    What is pending is carried to its end exactly as by a client's repetition: the charge, or where that is settled its refunds.
    Where nothing is pending, the charge or the refund that was named is read at the gateway, and a contradiction noted. Raises
    Problem payment_not_found, and DatabaseUnavailable.
    """
    subject = {"payment_id": payment_id, "refund_id": refund_id}
    pending = deps.database.run_again("pending_of", looked_through=LOOKED_THROUGH, limit=MOST, **subject)
    if pending:
        return [_carry_on(deps, bytes(row["key_hash"]), row["refund_id"], actor) for row in pending]
    taken_at = time.monotonic()
    row = deps.database.one("asked_about", **subject)
    if row is None:
        what = f"payment {payment_id}" if refund_id is None else f"refund {refund_id} of payment {payment_id}"
        raise Problem("payment_not_found", f"There is no {what}.")
    if row["gateway"] is None:
        return [Told(refund_id, "it was imported: no gateway knows it", asked=False)]
    gateway = deps.gateways.named(row["gateway"])
    if gateway and gateway.abilities.settles_at_once:
        return [Told(refund_id, f"{row['gateway']} asks nobody", asked=False)]
    return [_look_at(deps, lease_of(deps, row, taken_at), actor)]


def _carry_on(deps: Dependencies, key_hash: bytes, refund_id: int | None, actor: str) -> Told:
    lease = take_over(deps, key_hash)
    if lease is None:
        return Told(refund_id, "somebody is asking at this moment", asked=False)
    outcomes: list[Outcome] = []
    attempt(deps, lease, outcomes.append, actor)
    return Told(refund_id, describe(outcomes[0]) if outcomes else "it could not be asked: see the log", bool(outcomes))


def _look_at(deps: Dependencies, lease: Lease, actor: str) -> Told:
    """Reads what is settled: nobody holds a lease on it, and none is taken."""
    askings = Askings(actor)
    found = find(deps, lease, askings)
    if not askings.made:
        return Told(lease.refund_id, describe(found), asked=False)
    _keep(deps, lease, askings)
    if isinstance(found, Succeeded | Declined):
        note_contradiction(deps, lease, found)
    return Told(lease.refund_id, describe(found))


def _keep(deps: Dependencies, lease: Lease, askings: Askings) -> None:
    for tries_left in reversed(range(TRIES)):
        try:
            deps.database.run("keep_look", payment_id=lease.payment_id, refund_id=lease.refund_id, **askings.columns())
            return
        except Conflict:
            if not tries_left:
                raise
