"""A charge that its gateway has and the books lost, as after a restore: entered as it was claimed, by a person."""

from typing import NamedTuple

from shared.charging.charge import ONE_FARE
from shared.charging.dependencies import Dependencies
from shared.gateways.facts import ChargeFact
from shared.gateways.protocol import Gateway
from shared.late.contradiction import as_people_read, contradict
from shared.late.pending import carry_on
from shared.late.ring import By
from shared.platform import json_text
from shared.platform.database import Conflict, DatabaseUnavailable, Row
from shared.platform.log import log
from shared.rules.identifiers import cell_of_reference, is_reference

ONE_REFERENCE = "payments_reference_key"
ONE_KEY = "idempotency_keys_pkey"
# Each time another request took the id, or what stood in the way went, at that moment.
TRIES = 5
BUSY = "others are at work on it at this moment: try it once more"


class Entered(NamedTuple):
    """What became of something that the books lost: `name` is the gateway's. `payment_id`: the payment that it is of from now
    on; None where nothing was entered. `said`: what it came to, or why it was not entered, for people."""

    name: str
    payment_id: int | None
    said: str


class _Claim(NamedTuple):
    """How a charge was claimed, from what the gateway was told of it: the columns of its payment, and its key."""

    payment: Row
    key_hash: bytes
    fingerprint: bytes


def bears_ours(reference: str | None, cell: int) -> bool:
    """Whether what a charge bears is a reference of ours, and of this cell's. Others may charge with the same account."""
    return is_reference(reference, "PAY", cell)


def of_another(reference: str | None, cell: int) -> str | None:
    """That it is of another cell, for people, whose books are to have it; None where its reference does not say so."""
    other = cell_of_reference(reference)
    return None if other in (None, cell) else f"it is of cell {other}, which enters its own"


def enter_charge(deps: Dependencies, gateway: Gateway, fact: ChargeFact, by: By) -> Entered:
    """Enters a charge of ours that is in no book, as PENDING under its own key, and has it settled as every payment is: the
    trip's fare is taken again, and a repeat of its client is answered with it. Once, however often and by however many at
    once; who dies on the way leaves it to a sweep.

    Not where that cannot be told from what the gateway shows; nor where its key or its trip's fare is another payment's by now:
    what was paid twice is noted as a contradiction of that one, for a person. Raises DatabaseUnavailable.
    """
    cell = deps.settings.cell
    claim = _claim(gateway, fact) if bears_ours(fact.reference, cell) else _whose(fact.reference, cell)
    if isinstance(claim, str):
        return _refused(fact, claim)
    for _ in range(TRIES):
        try:
            [row] = deps.database.run(
                "enter_payment",
                lost=json_text.write(claim.payment),
                key_hash=claim.key_hash,
                fingerprint=claim.fingerprint,
                actor=by.actor,
                reason=by.reason,
                gateway_said=f"{as_people_read(fact)}, of payment {claim.payment['payment_id']}",
            )
        except Conflict as known:
            why = _in_its_way(deps, fact, by, claim, known.constraint)
            if why:
                return _refused(fact, why)
        except DatabaseUnavailable:
            raise
        except Exception as failure:
            log.exception("a charge that was lost cannot be entered", extra={"gateway_id": fact.gateway_id})
            return Entered(fact.gateway_id, None, f"the books cannot hold it: {type(failure).__name__}")
        else:
            return _carried_on(deps, gateway, fact, claim, row["payment_id"])
    return _refused(fact, BUSY)


def _whose(reference: str | None, cell: int) -> str:
    return of_another(reference, cell) or "it does not bear a reference of ours"


def _claim(gateway: Gateway, fact: ChargeFact) -> _Claim | str:
    """How it was claimed; or what is missing of that."""
    told, key = fact.told, fact.told and fact.told.key()
    if told is None or key is None:
        return (
            "the gateway was not told whose key it was claimed with, as by versions before, or that was changed there"
        )
    shared = told.commission is None or (told.driver_id is not None and told.commission <= fact.amount)
    if told.trip_id is None or told.method in (None, "CASH") or not (told.understood and shared):
        return "what the gateway was told of its trip, method, fare or driver is not understood: that was changed there"
    payment: Row = {
        "payment_id": told.payment_id,
        "trip_id": told.trip_id,
        "amount": fact.amount,
        "currency": fact.currency,
        "method": told.method,
        "reference": fact.reference,
        "gateway": gateway.name,
        "gateway_account": gateway.account,
        "gateway_id": fact.gateway_id,
        "driver_id": told.driver_id,
        "commission": told.commission,
        "created_at": fact.created_at and fact.created_at.isoformat(),
        **(told.fare or {}),
    }
    return _Claim(payment, *key)


def _in_its_way(deps: Dependencies, fact: ChargeFact, by: By, claim: _Claim, constraint: str) -> str | None:
    """Why it is not entered, where the database refused it; None where nothing stands in its way any more."""
    if constraint == ONE_REFERENCE:
        return "it is in the books: somebody entered it meanwhile"
    if constraint == ONE_FARE:
        taken, what = deps.database.one("fare_of_trip", trip_id=claim.payment["trip_id"]), "the fare of its trip"
    elif constraint == ONE_KEY:
        seconds = deps.settings.idempotency_lock_timeout
        taken, what = deps.database.one("look", key_hash=claim.key_hash, lease_seconds=seconds), "its key"
    else:
        return None
    holder = taken and deps.database.one("refundable", payment_id=taken["payment_id"])
    if not (taken and holder):
        return None
    other, status = taken["payment_id"], holder["status"]
    if status == "PENDING":
        return f"{what} is of payment {other} by now, which is PENDING: once more when that is settled"
    if fact.status != "succeeded":
        still_open = fact.status == "open"
        return f"{what} is of payment {other} by now, and this was not paid{': cancel it there' if still_open else ''}"
    but = f"{what} is of this payment by now, and this was paid too: it is not entered"
    contradict(deps, {"payment_id": other, "status": status}, fact, but, by.actor)
    return f"{what} is of payment {other} by now, which is {status}, AND THIS WAS PAID TOO: decide what is given back"


def _carried_on(deps: Dependencies, gateway: Gateway, fact: ChargeFact, claim: _Claim, payment_id: int) -> Entered:
    log.warning("a charge that was lost is entered", extra={"payment_id": payment_id, "gateway_id": fact.gateway_id})
    carry_on(deps, str(fact.reference), fact)
    payment = deps.database.one("payment_read", gateway=gateway.name, reference=fact.reference, gateway_id=None)
    status = payment["status"] if payment else "PENDING"
    was = claim.payment["payment_id"]
    before = "" if was == payment_id else f"; it was payment {was or 'without an id'}, which is another's by now"
    return Entered(
        fact.gateway_id, payment_id, f"payment {payment_id} of {fact.amount} {fact.currency}, {status}{before}"
    )


def _refused(fact: ChargeFact, why: str) -> Entered:
    log.error("a charge that was lost is not entered", extra={"gateway_id": fact.gateway_id, "why": why})
    return Entered(fact.gateway_id, None, why)
