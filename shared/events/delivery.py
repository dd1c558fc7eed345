"""Events: CloudEvents 1.0 in HTTP binary mode, from the outbox to the sink."""

from dataclasses import dataclass

from cloudevents.conversion import to_binary
from cloudevents.http import CloudEvent

from shared.events.event import SOURCE, Event, header_text
from shared.platform import http_client
from shared.platform.log import log
from shared.platform.settings import SETTINGS

DELIVERY_TIMEOUT = 5.0  # seconds
# What 4xx is no refusal for good: the request came too slowly, too early, or too often.
PASSING = frozenset({408, 425, 429})


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
    except http_client.NoResponse as failure:
        return Failed(event.event_id, str(failure))
    except Exception as failure:
        log.exception("event not sent", extra={"event_id": event.event_id})
        return Failed(event.event_id, f"it could not be sent ({type(failure).__name__})")
    if 200 <= reply.status < 300:
        return None
    return Failed(event.event_id, f"the sink said {reply.status}", is_for_good(reply.status))


def _post(event: Event) -> http_client.Response:
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
    return http_client.request(
        "POST",
        SETTINGS.k_sink,
        timeout=DELIVERY_TIMEOUT,
        headers=headers | _trace(event),
        body=body,
        status_says_all=True,
    )


def _trace(event: Event) -> dict[str, str]:
    headers = {"X-Correlation-ID": event.correlation_id}
    return headers | ({"traceparent": event.traceparent} if event.traceparent else {})
