"""Charging a completed trip exactly once: look, claim, charge, settle."""

import time

from shared.charging.attempt import attempt
from shared.charging.dependencies import Dependencies
from shared.charging.idempotency import IdempotencyKey
from shared.charging.lease import Lease, lease_of
from shared.charging.look import RACES, in_progress, look
from shared.charging.payment_answers import final_answer
from shared.events.event import event_in
from shared.gateways.protocol import Gateway
from shared.platform import json_text
from shared.platform.database import Conflict, Row
from shared.platform.settings import RETRY_AFTER
from shared.pricing.price import Price, Pricing
from shared.rules.identifiers import new_reference
from shared.web.answers import Answer
from shared.web.origin import Origin
from shared.web.problems import Problem, invalid
from shared.web.requests import PaymentRequest, content
from shared.web.tracing import Trace

# Where a client asks for a charge.
PATH = "/payments"
ONE_FARE = "payments_one_fare_per_trip"


def charge(deps: Dependencies, pricing: Pricing, request: PaymentRequest, key: str, origin: Origin) -> Answer:
    """Charges a trip once for a caller's key, as `charge_once` says."""
    idempotency_key = IdempotencyKey.of(key, PATH, content(request), origin, deps.settings.auth_open_keys)
    return charge_once(deps, pricing, request, idempotency_key, origin.trace)


def charge_once(
    deps: Dependencies, pricing: Pricing, request: PaymentRequest, idempotency_key: IdempotencyKey, trace: Trace
) -> Answer:
    """Charges a trip once for a key, whatever dies in between, and answers as the contract says.

    Nothing is written before the claim, so a refusal uses up nothing. Raises Problem for a refusal, and DatabaseUnavailable
    where the claim's outcome is not known; once it is, every failure answers 202.
    """
    gateway = deps.gateways.for_method(request.method)
    price: Price | None = None
    lost_to = ""
    for _ in range(RACES):
        if answer := look(deps, idempotency_key):
            return answer
        if lost_to == ONE_FARE:
            refuse_if_collected(deps, request.trip_id)
        refuse_if_not_chargeable(gateway, request, deps.settings.currency)
        price = price or pricing.price(request.trip_id, request.amount, request.driver_id, trace)
        payment = new_payment(gateway, request, price, deps.settings.cell)
        try:
            if gateway.abilities.settles_at_once:
                return charge_at_once(deps, idempotency_key, payment)
            lease = claim(deps, idempotency_key, payment)
        except Conflict as lost:
            lost_to = lost.constraint
        else:
            return attempt(deps, lease)
    raise in_progress()


def refuse_if_not_chargeable(gateway: Gateway, request: PaymentRequest, currency: str) -> None:
    """Raises the Problem that says why this gateway cannot be asked for such a payment. It comes after the look: what was
    claimed under other settings is answered as it was."""
    able, present = gateway.abilities, request.customer_present is True
    if why_not := able.why_not(request.method, currency, customer_present=present):
        raise Problem("method_not_supported", f"The gateway {gateway.name} {why_not}.")
    if able.needs_token and request.payment_token is None and not present:
        raise invalid(("payment_token", f"is required with {request.method} unless the customer is present"))


def new_payment(gateway: Gateway, request: PaymentRequest, price: Price, cell: int) -> Row:
    """What is written of a payment, under a new reference, which is the cell's: everything that the gateway is asked with, so
    that a repeat is the same request byte for byte."""
    return {
        "trip_id": request.trip_id,
        "amount": price.amount,
        "currency": price.currency,
        "method": request.method,
        "reference": new_reference("PAY", cell),
        "gateway": gateway.name,
        "gateway_account": gateway.account,
        "payment_token": request.payment_token,
        "payment_customer": request.payment_customer,
        "customer_present": bool(request.customer_present),
        "base_fare": price.fare and price.fare.base_fare,
        "distance_km": price.fare and price.fare.distance_km,
        "rate_per_km": price.fare and price.fare.rate_per_km,
        "surge_multiplier": price.fare and price.fare.surge_multiplier,
        "driver_id": price.driver_id,
        "commission": price.commission,
        "metadata": json_text.write(request.metadata),
        "simulate": request.simulate,
    }


def claim(deps: Dependencies, idempotency_key: IdempotencyKey, payment: Row) -> Lease:
    """The claim, in one commit, and the lease that it takes. Raises Conflict where another request was faster."""
    taken_at = time.monotonic()
    claimed = idempotency_key._asdict() | payment
    seconds = deps.settings.idempotency_lock_timeout
    [row] = deps.database.run("claim_payment", lease_seconds=seconds, **claimed)
    return lease_of(deps, claimed | row, taken_at)


def charge_at_once(deps: Dependencies, idempotency_key: IdempotencyKey, payment: Row) -> Answer:
    """Where there is nobody to ask, claimed and settled in one commit. Raises Conflict where another request was faster."""
    [row] = deps.database.run(
        "charge_at_once",
        key_ttl=deps.settings.idempotency_key_ttl,
        **idempotency_key._asdict(),
        **payment,
    )
    deps.publisher.publish(event_in(row))
    return final_answer(row)


def refuse_if_collected(deps: Dependencies, trip_id: int) -> None:
    """Raises Problem trip_already_paid, naming the payment that has the trip's fare, unless it was declined meanwhile."""
    collected = deps.database.one("fare_of_trip", trip_id=trip_id)
    if collected:
        raise Problem(
            "trip_already_paid",
            f"The fare of trip {trip_id} is collected by payment {collected['payment_id']}.",
            members={"payment_id": collected["payment_id"]},
            retry_after=RETRY_AFTER if collected["status"] == "PENDING" else None,
        )
