"""Giving back all or part of a payment exactly once: look, claim, refund, settle."""

import time
from decimal import Decimal

from shared.charging.attempt import attempt
from shared.charging.dependencies import Dependencies
from shared.charging.idempotency import IdempotencyKey, fingerprint, hash_key
from shared.charging.lease import Lease, lease_of
from shared.charging.look import RACES, in_progress, look
from shared.gateways.protocol import account_name
from shared.platform import json_text
from shared.platform.database import Conflict, Row
from shared.platform.settings import RETRY_AFTER
from shared.rules.identifiers import new_reference
from shared.rules.money import not_expressing
from shared.web.access.caller import Caller
from shared.web.answers import Answer
from shared.web.origin import Origin
from shared.web.problems import Problem
from shared.web.requests import RefundRequest, content, refuse_inexpressible


def refund(deps: Dependencies, payment_id: int, request: RefundRequest, key: str, origin: Origin) -> Answer:
    """Refunds a payment once for a caller's key; under any concurrency the sum of refunds never exceeds the payment.

    Raises Problem for a refusal, which uses up nothing, and DatabaseUnavailable where the claim's outcome is not known;
    once it is, every failure answers 202.
    """
    asked_for = content(request)
    idempotency_key = IdempotencyKey.of(key, _path(payment_id), asked_for, origin, deps.settings.auth_open_keys)
    for _ in range(RACES):
        if answer := look(deps, idempotency_key):
            return answer
        try:
            lease = reserve(deps, idempotency_key, payment_id, request)
        except Conflict:
            continue
        if lease:
            return attempt(deps, lease)
        if answer := look(deps, idempotency_key):  # the same key may have reserved what is missing
            return answer
        refuse(deps, payment_id, request)
    raise in_progress()


def reserve(
    deps: Dependencies, idempotency_key: IdempotencyKey, payment_id: int, request: RefundRequest
) -> Lease | None:
    """The claim: reserves the amount on the payment's row, in one commit, and takes the lease. None where the payment does not
    allow it. Raises Conflict where another request with this key was faster."""
    taken_at = time.monotonic()
    accounts = deps.gateways.accounts()
    rows = deps.database.run(
        "claim_refund",
        payment_id=payment_id,
        amount=request.amount,
        not_in=[] if request.amount is None else not_expressing(request.amount),
        gateways=list(accounts),
        accounts=list(accounts.values()),
        reference=new_reference("REF", deps.settings.cell),
        reason=request.reason,
        metadata=json_text.write(request.metadata),
        lease_seconds=deps.settings.idempotency_lock_timeout,
        **idempotency_key._asdict(),
    )
    return lease_of(deps, rows[0], taken_at) if rows else None


def refuse(deps: Dependencies, payment_id: int, request: RefundRequest) -> None:
    """Raises the Problem that says why a refund was not claimed; returns where nothing stands in its way any more."""
    payment = _refundable(deps, payment_id)
    refuse_inexpressible(request.amount, payment["currency"])
    _refuse_payment(deps, payment_id, payment)
    if request.amount is not None and request.amount > payment["remaining"]:
        raise Problem(
            "refund_exceeds_payment",
            f"{request.amount} is more than the {payment['remaining']} that is left of payment {payment_id}"
            f"{_disputed(payment)}.",
            errors=[("amount", f"exceeds the {payment['remaining']} that is left")],
        )


def left(deps: Dependencies, payment_id: int) -> tuple[Decimal, str]:
    """How much of a payment may be given back now, and its currency. Raises the Problem that a refund of all of it would."""
    payment = _refundable(deps, payment_id)
    _refuse_payment(deps, payment_id, payment)
    return payment["remaining"], payment["currency"]


def known(deps: Dependencies, key: str, caller: Caller | None) -> Row | None:
    """What is known of the refund that a caller's key was used for, as the statement look gives it; None where the key was not
    used. Only reads."""
    key_hash = hash_key(key, caller, deps.settings.auth_open_keys)
    return deps.database.one("look", key_hash=key_hash, lease_seconds=deps.settings.idempotency_lock_timeout)


def is_same(used: Row, payment_id: int, request: RefundRequest) -> bool:
    """Whether what is known of a key (`known`) came with the same request."""
    return bytes(used["fingerprint"]) == fingerprint(_path(payment_id), content(request))


def _path(payment_id: int) -> str:
    return f"/payments/{payment_id}/refunds"


def _refundable(deps: Dependencies, payment_id: int) -> Row:
    payment = deps.database.one("refundable", payment_id=payment_id)
    if payment is None:
        raise Problem("payment_not_found", f"There is no payment {payment_id}.")
    return payment


def _refuse_payment(deps: Dependencies, payment_id: int, payment: Row) -> None:
    account = deps.gateways.accounts().get(payment["gateway"])
    if account is None or account_name(payment["gateway_account"] or account) != account:
        raise Problem("payment_not_refundable", f"Payment {payment_id} was not charged through this gateway.")
    if payment["status"] != "SUCCESS":
        raise Problem(
            "payment_not_refundable",
            f"Payment {payment_id} is {payment['status']}.",
            retry_after=RETRY_AFTER if payment["status"] == "PENDING" else None,
        )
    if payment["remaining"] <= 0:
        raise Problem("payment_not_refundable", f"Nothing is left of payment {payment_id}{_disputed(payment)}.")


def _disputed(payment: Row) -> str:
    return f", of which {payment['disputed']} is disputed" if payment["disputed"] else ""
