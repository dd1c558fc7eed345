"""A completed trip charges by itself: an event asks for its fare, as POST /payments does without an amount."""

from collections.abc import Mapping
from typing import NamedTuple

from shared.charging.charge import PATH, charge_once
from shared.charging.dependencies import Dependencies
from shared.charging.idempotency import IdempotencyKey
from shared.events.cloud_event import Received, read_event
from shared.events.event import TRIP_COMPLETED
from shared.platform import json_text, log
from shared.platform.settings import RETRY_AFTER
from shared.platform.spans import carried, span
from shared.pricing.price import Pricing
from shared.web.answers import PLAIN, Answer
from shared.web.origin import Origin
from shared.web.problems import Problem
from shared.web.requests import PaymentRequest, content, read_payment
from shared.web.tracing import Trace, read_trace

# What is read of the event's data; whatever else it has is for others.
FIELDS = ("trip_id", "method", "payment_token", "payment_customer")
# Where a client is told of its key.
OF_EVENTS = {
    "idempotency_key_reused": "The event came before, with other data.",
    "idempotency_in_progress": "The event is being worked on.",
}


class Completed(NamedTuple):
    """A trip that an event says is completed, and how it is to be paid."""

    event: Received
    request: PaymentRequest


def charge_completed_trip(
    deps: Dependencies, pricing: Pricing, headers: Mapping[str, str], body: bytes, origin: Origin
) -> Answer:
    """Charges the fare of the trip that an event tells of. The key is the event itself, so that however often it comes, and
    however many at once, it charges once.

    204 with an empty body where that is final: charged, declined (which an event of ours says), or collected before. 503 where
    the event is to come again: what the gateway did is not known, somebody else has it or the trip's fare in hand, the Trip
    Service gives no answer, or none yet that says completed. 400 with one short line for what never succeeds. Raises
    DatabaseUnavailable.
    """
    try:
        completed = _read(headers, body)
    except ValueError as wrong:
        log.log.warning("not a completed trip", extra={"why": str(wrong)})
        return Answer(400, str(wrong), PLAIN)
    event = completed.event
    trace = _trace(event, origin.trace)
    log.correlation_id.set(trace.correlation_id)
    with span("charge trip", "consumer", {"event_type": event.type}, parent=trace):
        trace = trace.within(carried())
        try:
            return _charged(deps, pricing, completed, Origin(trace, origin.caller))
        except Problem as refusal:
            return _refused(refusal, completed)


def _charged(deps: Dependencies, pricing: Pricing, completed: Completed, origin: Origin) -> Answer:
    event, request = completed
    key = IdempotencyKey.of_event(event.source, event.id, PATH, content(request), origin)
    answer = charge_once(deps, pricing, request, key, origin.trace)
    return _later("the payment is pending") if answer.status == 202 else Answer(204, about=answer.about)


def _refused(refusal: Problem, completed: Completed) -> Answer:
    """What a refusal of the charge comes to for whoever delivers the event."""
    why = OF_EVENTS.get(refusal.code, refusal.detail)
    about = {"event_id": completed.event.id, "trip_id": completed.request.trip_id, "why": why}
    # A Trip Service may read what it has just written from a copy that does not have it yet.
    if refusal.retry_after is not None or refusal.code == "trip_not_completed":
        log.log.info("a completed trip is not charged yet", extra=about)
        return _later(why)
    if refusal.code == "trip_already_paid":
        return Answer(204, about={"payment_id": refusal.members["payment_id"]})
    log.log.error("a completed trip is not charged", extra=about)
    return Answer(400, why, PLAIN)


def _read(headers: Mapping[str, str], body: bytes) -> Completed:
    """The event in a request; ValueError, in one short line, for what is no completed trip that can be charged."""
    event = read_event(headers, body)
    if event.type != TRIP_COMPLETED:
        raise ValueError(f"not an event of type {TRIP_COMPLETED}")
    try:
        data = json_text.read(event.data.encode(), of_a_neighbour=True)
    except json_text.JsonError:
        raise ValueError("the data is not JSON as it is read here") from None
    if not isinstance(data, dict):
        raise ValueError("the data is not an object")
    try:
        return Completed(event, read_payment({name: data[name] for name in FIELDS if name in data}))
    except Problem as problem:
        raise ValueError(problem.detail) from None


def _trace(event: Received, of_delivery: Trace) -> Trace:
    """The event's own, which it keeps whoever delivers it; else that of this delivery."""
    correlation_id = event.correlation_id or of_delivery.correlation_id
    if event.traceparent:
        return read_trace(correlation_id, event.traceparent, event.tracestate)
    return read_trace(correlation_id, of_delivery.traceparent, of_delivery.tracestate)


def _later(why: str) -> Answer:
    return Answer(503, why, PLAIN, {"Retry-After": str(RETRY_AFTER)})
