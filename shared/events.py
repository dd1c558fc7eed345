"""Events: CloudEvents 1.0 in HTTP binary mode, from the outbox to the sink."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from cloudevents.conversion import to_binary
from cloudevents.http import CloudEvent

from shared import outward
from shared.database import Row
from shared.log import log
from shared.settings import SETTINGS

SOURCE = "/payment-service"
EVENT_TYPES = (
    "com.ridehailing.payment.succeeded.v1",
    "com.ridehailing.payment.failed.v1",
    "com.ridehailing.payment.refunded.v1",
    "com.ridehailing.refund.failed.v1",
)
# Nothing of a payment's comes before these: whatever else there is of it is told after them.
FIRST_TYPES = frozenset(EVENT_TYPES[:2])
DELIVERY_TIMEOUT = 5.0  # seconds
# What 4xx is no refusal for good: the request came too slowly, too early, or too often.
PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Event:
    """An event as the outbox holds it. `data` is JSON text."""

    event_id: str
    type: str
    subject: str
    correlation_id: str
    traceparent: str | None
    data: str
    created_at: datetime
    failed_before: bool = False


@dataclass(frozen=True)
class Failed:
    """What came of a delivery that the sink did not take. `for_good`: it was refused, and will be again."""

    event_id: str
    why: str
    for_good: bool = False


def is_for_good(status: int) -> bool:
    """Whether an HTTP status is a refusal that another try does not change."""
    return 400 <= status < 500 and status not in PASSING


def deliver(event: Event) -> Failed | None:
    """POSTs an event to K_SINK, with K_CE_OVERRIDES applied; None only if the sink took it (2xx). Raises nothing: one event
    that cannot be sent keeps no other from its delivery."""
    failed = _failure(event)
    if failed:
        log.warning("event not delivered", extra={"event_id": event.event_id, "why": failed.why})
    return failed


def _failure(event: Event) -> Failed | None:
    try:
        reply = _post(event)
    except outward.NoReply as failure:
        return Failed(event.event_id, str(failure))
    except Exception as failure:
        log.exception("event not sent", extra={"event_id": event.event_id})
        return Failed(event.event_id, f"it could not be sent ({type(failure).__name__})")
    if 200 <= reply.status < 300:
        return None
    return Failed(event.event_id, f"the sink said {reply.status}", is_for_good(reply.status))


def _post(event: Event) -> outward.Reply:
    attributes = {
        "id": event.event_id,
        "type": event.type,
        "source": SOURCE,
        "subject": event.subject,
        "time": event.created_at.isoformat(),
        "datacontenttype": "application/json",
        "correlationid": event.correlation_id,
    }
    if event.traceparent:
        attributes["traceparent"] = event.traceparent
    attributes |= {name: header_text(text) for name, text in SETTINGS.k_ce_overrides.items()}
    headers, body = to_binary(CloudEvent(attributes, event.data.encode()), lambda data: data)
    return outward.call(
        "POST",
        SETTINGS.k_sink,
        timeout=DELIVERY_TIMEOUT,
        headers=headers | _trace(event),
        body=body,
        status_says_all=True,
    )


def event_in(row: Row) -> Event:
    """The event in a row of `events`, or in what a settling statement returned."""
    return Event(
        event_id=row["event_id"],
        type=row["type"],
        subject=row["subject"],
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
        data=row["data"],
        created_at=row["created_at"],
        failed_before=row.get("attempts", 0) > 0,
    )


def header_text(text: str) -> str:
    """An attribute as a header has it: visible ASCII as it is, the rest percent-encoded (CloudEvents, HTTP binding 1.0.2,
    3.1.3.2)."""
    return quote(text, safe=_AS_IT_IS)


_AS_IT_IS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def _trace(event: Event) -> dict[str, str]:
    headers = {"X-Correlation-ID": event.correlation_id}
    return headers | ({"traceparent": event.traceparent} if event.traceparent else {})
