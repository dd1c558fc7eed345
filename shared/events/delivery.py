"""Events: CloudEvents 1.0 in HTTP binary mode, from the outbox to the sink."""

from typing import NamedTuple

from cloudevents.conversion import to_binary
from cloudevents.http import CloudEvent

from shared.events.event import SOURCE, Event, header_text
from shared.platform import http_client
from shared.platform.log import log
from shared.platform.settings import Settings
from shared.web.tracing import Trace

# Seconds, for a delivery as a whole. Through a Broker it is notify's call of the Notification Service (5 s) and a repeat of
# what failed fast; what hangs longer is tried again later.
DELIVERY_TIMEOUT = 5.0
# What 4xx is no refusal for good: the request came too slowly, too early, or too often.
PASSING = frozenset({408, 425, 429})


class Failed(NamedTuple):
    """What came of a delivery that the sink did not take. `for_good`: it was refused, and will be again."""

    event_id: str
    why: str
    for_good: bool = False


def is_for_good(status: int) -> bool:
    """Whether an HTTP status is a refusal that another try does not change."""
    return 400 <= status < 500 and status not in PASSING


class EventSink:
    """Where events go: K_SINK, and what K_CE_OVERRIDES adds to each. An empty `url`: nobody is to get them."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings.k_sink
        self._overrides = settings.k_ce_overrides

    def deliver(self, event: Event) -> Failed | None:
        """POSTs an event; None only if the sink took it (2xx). Raises nothing: one event that cannot be sent keeps no other
        from its delivery."""
        failed = self._failure(event)
        if failed:
            log.warning("event not delivered", extra={"event_id": event.event_id, "why": failed.why})
        return failed

    def _failure(self, event: Event) -> Failed | None:
        try:
            reply = self._post(event)
        except http_client.NoResponse as failure:
            return Failed(event.event_id, str(failure))
        except Exception as failure:
            log.exception("event not sent", extra={"event_id": event.event_id})
            return Failed(event.event_id, f"it could not be sent ({type(failure).__name__})")
        if 200 <= reply.status < 300:
            return None
        return Failed(event.event_id, f"the sink said {reply.status}", is_for_good(reply.status))

    def _post(self, event: Event) -> http_client.Response:
        attributes = _attributes(event) | {name: header_text(text) for name, text in self._overrides.items()}
        headers, body = to_binary(CloudEvent(attributes, event.data.encode()), lambda data: data)
        return http_client.request(
            "POST",
            self.url,
            timeout=DELIVERY_TIMEOUT,
            headers=headers | Trace(event.correlation_id, event.traceparent).headers(),
            body=body,
            status_says_all=True,
        )


def _attributes(event: Event) -> dict[str, str]:
    attributes = {
        "id": event.event_id,
        "type": event.type,
        "source": SOURCE,
        "subject": event.subject,
        "time": event.created_at.isoformat(),
        "datacontenttype": "application/json",
        "correlationid": event.correlation_id,
    }
    return attributes | ({"traceparent": event.traceparent} if event.traceparent else {})
