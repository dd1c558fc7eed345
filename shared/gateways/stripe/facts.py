"""What Stripe's objects are, read by their id."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeVar

from shared.gateways.facts import ChargeFact, DisputeFact, DisputeStatus, Fact, Kind, RefundFact
from shared.gateways.protocol import Unknown
from shared.gateways.redaction import redacted
from shared.gateways.stripe.api import Api, Deadline, Refused, code_or_id, moment
from shared.gateways.stripe.money import currency_of, of_minor_units
from shared.gateways.stripe.told import told_in

INTENTS = "/v1/payment_intents"
# What Stripe's ids are made of. What is not is none of them, and in a path it might name something else.
_ID = re.compile("[A-Za-z0-9_]{1,255}")
# Every other status of a charge is not final: https://docs.stripe.com/payments/paymentintents/lifecycle
_CHARGES: Mapping[str, Literal["succeeded", "canceled"]] = {"succeeded": "succeeded", "canceled": "canceled"}
# https://docs.stripe.com/api/refunds/object#refund_object-status
_REFUNDS: Mapping[str, Literal["succeeded", "failed", "pending"]] = {
    "succeeded": "succeeded",
    "pending": "pending",
    "requires_action": "pending",
    "failed": "failed",
    "canceled": "failed",
}
# https://docs.stripe.com/api/disputes/object#dispute_object-status: a warning is an inquiry, which takes no money yet. While it
# is under review the evidence is with the bank. One that was prevented ended before it was one: what it took says how.
_DISPUTES: Mapping[str, DisputeStatus] = {
    "warning_needs_response": "INQUIRY",
    "warning_under_review": "INQUIRY",
    "warning_closed": "WITHDRAWN",
    "needs_response": "OPEN",
    "under_review": "OPEN",
    "appeal_needs_response": "OPEN",
    "appeal_under_review": "OPEN",
    "won": "WON",
    "lost": "LOST",
    "prevented": "WITHDRAWN",
}
_UNDER_REVIEW = ("warning_under_review", "under_review", "appeal_under_review")

Status = TypeVar("Status")


class _NotUnderstood(Exception):
    """A field, which the message names, is missing or not what it should be."""


def read(api: Api, kind: Kind, gateway_id: str, deadline: Deadline) -> Fact | Unknown | None:
    """What an object of Stripe's is now: None where Stripe shows none with this id. Raises nothing."""
    if not _ID.fullmatch(gateway_id):
        return None
    place = _PLACES[kind]
    answer = api.get(f"{place.path}/{gateway_id}", (), deadline)
    if isinstance(answer, Unknown):
        return answer
    if isinstance(answer, Refused):
        return None if answer.code == "resource_missing" else Unknown(f"Stripe does not show it: {answer.code}")
    if answer.fields.get("id") != gateway_id:
        return Unknown(f"Stripe answered with something that is not the {place.object_type}")
    return of(kind, answer.fields)


def of(kind: Kind, shown: object) -> Fact | Unknown:
    """What an object of this kind is that Stripe showed, by itself, in a list or within another. Raises nothing."""
    place, found = _PLACES[kind], shown if isinstance(shown, dict) else {}
    gateway_id = code_or_id(found.get("id"))
    if gateway_id is None or found.get("object") != place.object_type:
        return Unknown(f"Stripe answered with something that is not the {place.object_type}")
    try:
        return place.fact(gateway_id, found)
    except _NotUnderstood as field:
        return Unknown(f"Stripe's {place.object_type} {gateway_id} has no {field} that is understood")


def _charge(gateway_id: str, intent: dict[str, Any]) -> ChargeFact:
    status = code_or_id(intent.get("status"))
    if status is None:
        raise _NotUnderstood("status")
    amount, currency = _money(intent)
    return ChargeFact(
        gateway_id=gateway_id,
        reference=reference(intent),
        status=_CHARGES.get(status, "open"),
        amount=amount,
        currency=currency,
        code=_why_not(intent),
        said=redacted(intent),
        told=told_in(intent),
        created_at=moment(intent.get("created")),
    )


def _refund(gateway_id: str, refund: dict[str, Any]) -> RefundFact:
    amount, currency = _money(refund)
    status = _known(refund, _REFUNDS)
    code = code_or_id(refund.get("failure_reason"))
    if status == "failed" and code is None:
        code = "refund_canceled" if refund["status"] == "canceled" else "refund_failed"
    return RefundFact(
        gateway_id=gateway_id,
        reference=reference(refund),
        charge_id=code_or_id(refund.get("payment_intent")),
        status=status,
        amount=amount,
        currency=currency,
        code=code,
        said=redacted(refund),
        told=told_in(refund),
        created_at=moment(refund.get("created")),
    )


def _dispute(gateway_id: str, dispute: dict[str, Any]) -> DisputeFact:
    amount, currency = _money(dispute)
    opened_at = moment(dispute.get("created"))
    if opened_at is None:
        raise _NotUnderstood("created")
    status, details = _known(dispute, _DISPUTES), dispute.get("evidence_details")
    due_by = details.get("due_by") if isinstance(details, dict) and dispute["status"] not in _UNDER_REVIEW else None
    return DisputeFact(
        gateway_id=gateway_id,
        charge_id=code_or_id(dispute.get("payment_intent")),
        status="LOST" if dispute["status"] == "prevented" and _was_taken(dispute) else status,
        amount=amount,
        currency=currency,
        reason=code_or_id(dispute.get("reason")),
        evidence_due_by=moment(due_by),
        opened_at=opened_at,
        said=redacted(dispute),
    )


class _Place(NamedTuple):
    """Where Stripe has objects of one kind, what it calls them, and how one is read."""

    path: str
    object_type: str
    fact: Callable[[str, dict[str, Any]], Fact]


_PLACES: Mapping[Kind, _Place] = {
    "charge": _Place(INTENTS, "payment_intent", _charge),
    "refund": _Place("/v1/refunds", "refund", _refund),
    "dispute": _Place("/v1/disputes", "dispute", _dispute),
}


def _known(found: dict[str, Any], statuses: Mapping[str, Status]) -> Status:
    status = statuses.get(code_or_id(found.get("status")) or "")
    if status is None:
        raise _NotUnderstood("status")
    return status


def _money(found: dict[str, Any]) -> tuple[Decimal, str]:
    currency = currency_of(found)
    if currency is None:
        raise _NotUnderstood("currency")
    amount = of_minor_units(found.get("amount"), currency)
    if amount is None:
        raise _NotUnderstood("amount")
    return amount, currency


def reference(found: dict[str, Any]) -> str | None:
    metadata = found.get("metadata")
    return code_or_id(metadata.get("reference")) if isinstance(metadata, dict) else None


def _why_not(intent: dict[str, Any]) -> str | None:
    """Why the last try to pay an intent failed, where one did."""
    error = intent.get("last_payment_error")
    names = ("decline_code", "code", "type")
    return (
        next(filter(None, (code_or_id(error.get(name)) for name in names)), None) if isinstance(error, dict) else None
    )


def _was_taken(dispute: dict[str, Any]) -> bool:
    """Whether money went to the bank because of a dispute, and did not come back."""
    moved = dispute.get("balance_transactions")
    amounts = [each.get("amount") for each in moved if isinstance(each, dict)] if isinstance(moved, list) else []
    return sum(amount for amount in amounts if isinstance(amount, int)) < 0
