"""Charging a completed trip exactly once: look, claim, charge, settle."""

import time
from decimal import Decimal

from shared.charging.answers import final_answer
from shared.charging.idempotency import fingerprint, hash_key
from shared.charging.lease import Lease, first_lease
from shared.charging.look import RACES, in_progress, look
from shared.charging.processor import Processor
from shared.charging.settle import attempt
from shared.events.event import event_in
from shared.gateways.protocol import Gateway
from shared.gateways.registry import CASH, gateway_for
from shared.platform import json_text
from shared.platform.database import Conflict, Row
from shared.platform.settings import RETRY_AFTER, SETTINGS
from shared.pricing.fare import Fare, NotChargeable, compute_fare
from shared.pricing.trips import completed_trip, missing_distance, require_completed
from shared.rules.identifiers import new_reference
from shared.web.answers import Answer
from shared.web.models import PaymentRequest, refuse_inexpressible
from shared.web.problems import Problem, invalid
from shared.web.tracing import Trace

ONE_FARE = "payments_one_fare_per_trip"


def charge(processor: Processor, request: PaymentRequest, key: str, trace: Trace) -> Answer:
    """Charges a trip once for a key, whatever dies in between, and answers as the contract says.

    Nothing is written before the claim, so a refusal uses up nothing. Raises Problem for a refusal, and DatabaseUnavailable
    where the claim's outcome is not known; once it is, every failure answers 202.
    """
    key_hash = hash_key(key)
    content = fingerprint("/payments", request.content())
    gateway = gateway_for(processor.gateway, request.method)
    priced: tuple[Decimal, Fare | None] | None = None
    lost_to = ""
    for _ in range(RACES):
        if known := look(processor, key_hash, content):
            return known
        if lost_to == ONE_FARE:
            refuse_if_collected(processor, request.trip_id)
        refuse_if_not_chargeable(gateway, request)
        priced = priced or price(request, trace)
        claim = _claim_of(request, *priced, key_hash, content, trace)
        try:
            if gateway is CASH:
                return collect_cash(processor, claim)
            lease = claim_payment(processor, gateway, claim, request)
        except Conflict as lost:
            lost_to = lost.constraint
        else:
            return attempt(processor.database, gateway, processor.publisher, lease)
    raise in_progress()


def refuse_if_not_chargeable(gateway: Gateway, request: PaymentRequest) -> None:
    """Raises the Problem that says why this gateway cannot be asked for such a payment. It comes after the look: what was
    claimed under other settings is answered as it was."""
    if request.method not in gateway.methods:
        raise Problem("method_not_supported", f"The gateway {gateway.name} cannot charge {request.method}.")
    if gateway.needs_token and request.payment_token is None:
        raise invalid(("payment_token", f"is required with {request.method}"))


def price(request: PaymentRequest, trace: Trace) -> tuple[Decimal, Fare | None]:
    """The amount to charge, in currency, and how it was computed unless it came with the request."""
    refuse_inexpressible(request.amount, SETTINGS.currency)
    if request.amount is not None:
        require_completed(request.trip_id, trace)
        return request.amount, None
    trip = completed_trip(request.trip_id, trace)
    if trip.distance_km is None:
        raise missing_distance()
    try:
        fare = compute_fare(
            SETTINGS.base_fare, trip.distance_km, SETTINGS.rate_per_km, trip.surge_multiplier, SETTINGS.fare_rounding
        )
    except NotChargeable as wrong:
        raise Problem("trip_not_chargeable", f"Trip {request.trip_id}: {wrong}.") from wrong
    return fare.total, fare


def claim_payment(processor: Processor, gateway: Gateway, claim: Row, request: PaymentRequest) -> Lease:
    """The claim, in one commit. Raises Conflict where another request was faster."""
    taken_at = time.monotonic()
    claim |= {"gateway": gateway.name, "gateway_account": gateway.account}
    claim |= {"payment_token": request.payment_token, "payment_customer": request.payment_customer}
    row = processor.database.run("claim_payment", lease_seconds=SETTINGS.idempotency_lock_timeout, **claim)[0]
    return first_lease(claim | row, request.metadata, taken_at)


def collect_cash(processor: Processor, claim: Row) -> Answer:
    """Cash is claimed and settled in one commit. Raises Conflict where another request was faster."""
    row = processor.database.run("charge_cash", gateway=CASH.name, key_ttl=SETTINGS.idempotency_key_ttl, **claim)[0]
    processor.publisher.publish(event_in(row))
    return final_answer(row["answer_status"], row["answer"], row["payment_id"], None, row["correlation_id"])


def refuse_if_collected(processor: Processor, trip_id: int) -> None:
    """Raises Problem trip_already_paid, naming the payment that has the trip's fare, unless it was declined meanwhile."""
    collected = processor.database.one("fare_of_trip", trip_id=trip_id)
    if collected:
        raise Problem(
            "trip_already_paid",
            f"The fare of trip {trip_id} is collected by payment {collected['payment_id']}.",
            members={"payment_id": str(collected["payment_id"])},
            retry_after=RETRY_AFTER if collected["status"] == "PENDING" else None,
        )


def _claim_of(
    request: PaymentRequest, amount: Decimal, fare: Fare | None, key_hash: bytes, content: bytes, trace: Trace
) -> Row:
    return {
        "key_hash": key_hash,
        "fingerprint": content,
        "correlation_id": trace.correlation_id,
        "traceparent": trace.traceparent,
        "trip_id": request.trip_id,
        "amount": amount,
        "currency": SETTINGS.currency,
        "method": request.method,
        "reference": new_reference("PAY"),
        "base_fare": fare and fare.base_fare,
        "distance_km": fare and fare.distance_km,
        "rate_per_km": fare and fare.rate_per_km,
        "surge_multiplier": fare and fare.surge_multiplier,
        "metadata": json_text.write(request.metadata),
    }
