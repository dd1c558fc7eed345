"""The Notification Service: told of an event once, however often the event comes."""

import codecs
import json
from collections.abc import Mapping
from typing import Any

import cloudevents.exceptions
from cloudevents.http import CloudEvent, from_http

from shared import json_text, outward
from shared.answer import Answer
from shared.events import EVENT_TYPES
from shared.log import log
from shared.settings import SETTINGS
from shared.tracing import read_trace

PLAIN = "text/plain; charset=utf-8"


def notify(headers: Mapping[str, str], body: bytes) -> Answer:
    """Passes an event on, with its id as Idempotency-Key, by which a repeat is dropped there.

    204 with an empty body where the Notification Service took it; 400 with one short line for what is not such an event (it
    goes to the dead letter sink); 503 where the Notification Service is down or refuses for now (it is sent again).
    """
    try:
        event, payment = _read(headers, body)
    except ValueError as wrong:
        log.warning("not an event of ours", extra={"why": str(wrong)})
        return Answer(400, str(wrong), PLAIN)
    trace = read_trace(event.get("correlationid"), event.get("traceparent"))
    notification = {
        "event_id": event["id"],
        "type": event["type"],
        "subject": event["subject"],
        "time": event["time"],
        "correlation_id": trace.correlation_id,
    }
    try:
        reply = outward.call(
            "POST",
            f"{SETTINGS.notification_service_url}/v1/notifications",
            timeout=SETTINGS.notification_service_timeout,
            headers=trace.headers() | {"Content-Type": "application/json", "Idempotency-Key": event["id"]},
            body=(json_text.write(notification)[:-1] + f',"data":{payment}}}').encode(),
        )
    except outward.NoReply as failure:
        return _later(event["id"], str(failure))
    if 200 <= reply.status < 300:
        return Answer(204)
    return _later(event["id"], f"it answered {reply.status}")


def _read(headers: Mapping[str, str], body: bytes) -> tuple[CloudEvent, str]:
    """The event in a request, and its data as JSON text; ValueError, in one short line, for anything that is not ours."""
    try:
        event = from_http(headers, body, data_unmarshaller=lambda data: data)
    except (cloudevents.exceptions.GenericException, ValueError) as wrong:
        raise ValueError("not a CloudEvent in HTTP binary mode") from wrong
    if event["type"] not in EVENT_TYPES:
        raise ValueError("not an event type that is notified of")
    attributes: dict[str, Any] = dict(event.get_attributes())
    for name in ("id", "subject"):
        if not isinstance(attributes.get(name), str):
            raise ValueError(f"the attribute {name} is missing")
    try:
        payment = bytes(event.data or b"").removeprefix(codecs.BOM_UTF8).decode()
        fields = json.loads(payment)
    except (ValueError, TypeError, RecursionError):
        raise ValueError("the data is not JSON") from None
    if not isinstance(fields, dict) or "payment_id" not in fields:
        raise ValueError("the data is not a payment")
    return event, payment


def _later(event_id: str, why: str) -> Answer:
    log.warning("not notified yet", extra={"event_id": event_id, "why": why})
    return Answer(503, "the Notification Service did not take it", PLAIN, {"Retry-After": "5"})
