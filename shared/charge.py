"""Charging a completed trip exactly once: look, claim, charge, settle."""

import time
from decimal import Decimal

from shared import json_text
from shared.answer import Answer, final_answer
from shared.database import Conflict, Row
from shared.events import event_in
from shared.fare import Fare, NotChargeable, compute_fare
from shared.gateway import CASH, Gateway, gateway_for
from shared.idempotency import fingerprint, hash_key
from shared.known import RACES, Ledger, answer_if_known, in_progress
from shared.lease import Lease, first_lease
from shared.models import PaymentRequest, refuse_inexpressible
from shared.problems import Problem, invalid
from shared.reference import new_reference
from shared.settings import RETRY_AFTER, SETTINGS
from shared.settle import carry_out
from shared.tracing import Trace
from shared.trips import completed_trip, missing_distance, require_completed

ONE_FARE = "payments_one_fare_per_trip"


def charge(ledger: Ledger, request: PaymentRequest, key: str, trace: Trace) -> Answer:
    """Charges a trip once for a key, whatever dies in between, and answers as the contract says.

    Nothing is written before the claim, so a refusal uses up nothing. Raises Problem for a refusal, and DatabaseUnavailable
    where the claim's outcome is not known; once it is, every failure answers 202.
    """
    key_hash = hash_key(key)
    content = fingerprint("/payments", request.content())
    gateway = gateway_for(ledger.gateway, request.method)
    priced: tuple[Decimal, Fare | None] | None = None
    lost_to = ""
    for _ in range(RACES):
        if known := answer_if_known(ledger, key_hash, content):
            return known
        if lost_to == ONE_FARE:
            refuse_if_collected(ledger, request.trip_id)
        refuse_if_not_chargeable(gateway, request)
        priced = priced or price(request, trace)
        claim = _claim_of(request, *priced, key_hash, content, trace)
        try:
            if gateway is CASH:
                return collect_cash(ledger, claim)
            lease = claim_payment(ledger, gateway, claim, request)
        except Conflict as lost:
            lost_to = lost.constraint
        else:
            return carry_out(ledger.database, gateway, ledger.publisher, lease)
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


def claim_payment(ledger: Ledger, gateway: Gateway, claim: Row, request: PaymentRequest) -> Lease:
    """The claim, in one commit. Raises Conflict where another request was faster."""
    taken_at = time.monotonic()
    claim |= {"gateway": gateway.name, "gateway_account": gateway.account}
    claim |= {"payment_token": request.payment_token, "payment_customer": request.payment_customer}
    row = ledger.database.run("claim_payment", lock_timeout=SETTINGS.idempotency_lock_timeout, **claim)[0]
    return first_lease(claim | row, request.metadata, taken_at)


def collect_cash(ledger: Ledger, claim: Row) -> Answer:
    """Cash is claimed and settled in one commit. Raises Conflict where another request was faster."""
    row = ledger.database.run("charge_cash", gateway=CASH.name, key_ttl=SETTINGS.idempotency_key_ttl, **claim)[0]
    ledger.publisher.publish(event_in(row))
    return final_answer(row["answer_status"], row["answer"], row["payment_id"], None, row["correlation_id"])


def refuse_if_collected(ledger: Ledger, trip_id: int) -> None:
    """Raises Problem trip_already_paid, naming the payment that has the trip's fare, unless it was declined meanwhile."""
    collected = ledger.database.one("fare_of_trip", trip_id=trip_id)
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
