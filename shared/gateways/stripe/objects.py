"""What Stripe's objects say of a charge or a refund of ours."""

from typing import Any

from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown
from shared.gateways.stripe.api import StripeObject, code_or_id
from shared.gateways.stripe.money import minor_units
from shared.platform.log import log


def has_reference(candidate: object, reference: str) -> bool:
    """Whether this is an object of Stripe's that was made for the reference."""
    metadata = candidate.get("metadata") if isinstance(candidate, dict) else None
    return isinstance(metadata, dict) and metadata.get("reference") == reference


def refunded(request: GatewayRequest, answer: StripeObject | Unknown) -> Outcome:
    """What an answer about a refund says.

    `pending` is not the end: Stripe holds a refund back while our balance there does not cover it, or while the charge
    itself is not settled, and it may still fail, and then the money is ours again. Taken for done it would show a passenger
    money that never came; it is read again by its id until it is final. (One that succeeded may be sent back by the
    passenger's bank weeks later. That is a new movement of money, which no answer to this request can tell of.)
    """
    refund = ours(request, "refund", answer)
    if isinstance(refund, Unknown):
        return refund
    gateway_id, status = refund["id"], refund.get("status")
    if status == "succeeded":
        return Succeeded(gateway_id)
    if status == "failed":
        return Declined(code_or_id(refund.get("failure_reason")) or "refund_failed", gateway_id)
    if status == "canceled":
        return Declined("refund_canceled", gateway_id)
    return Unknown(f"the refund is {code_or_id(status)}", gateway_id)


def ours(request: GatewayRequest, object_type: str, answer: StripeObject | Unknown) -> dict[str, Any] | Unknown:
    """The object in an answer, if it is what was asked for: it bears our reference, or is the refund that somebody made at
    Stripe, by its id. What the request knows of the id is kept in any case."""
    if isinstance(answer, Unknown):
        return answer._replace(gateway_id=answer.gateway_id or request.gateway_id)
    found = answer.fields
    if (
        found.get("object") != object_type
        or code_or_id(found.get("id")) is None
        or not (has_reference(found, request.reference) or _is_made_elsewhere(found, request))
    ):
        return Unknown(f"Stripe answered with something that is not our {object_type}", request.gateway_id)
    asked = (minor_units(request.amount, request.currency), request.currency.lower())
    if (found.get("amount"), found.get("currency")) != asked:
        log.error(
            "Stripe has another amount than ours", extra={"payment_id": request.payment_id, "gateway_id": found["id"]}
        )
        return Unknown("Stripe has another amount than ours", found["id"])
    return found


def _is_made_elsewhere(found: dict[str, Any], request: GatewayRequest) -> bool:
    return request.made_elsewhere and found["id"] == request.gateway_id
