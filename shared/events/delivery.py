"""Events: CloudEvents 1.0 in HTTP binary mode, from the outbox to the sink."""

import time

from shared.events.event import SOURCE, Event, header_text
from shared.events.failed import Failed, is_for_good
from shared.platform import http_client
from shared.platform.bearer import NoToken, bearer
from shared.platform.counting import Durations
from shared.platform.log import log, trace_id
from shared.platform.settings import Settings
from shared.platform.spans import carried, span
from shared.web.answers import JSON
from shared.web.tracing import Trace

# Seconds, for a delivery as a whole. Through a Broker it is notify's call of the Notification Service (5 s) and a repeat of
# what failed fast; what hangs longer is tried again later.
DELIVERY_TIMEOUT = 5.0

EVENT_DELIVERY = Durations(
    "payment_event_delivery_seconds", "Each time an event was sent to the sink, and what came of it.", "outcome"
)


class EventSink:
    """Where events go: K_SINK, what K_CE_OVERRIDES adds to each, and whose they are (EVENT_TOKEN_FILE). An empty `url`: nobody
    is to get them."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings.k_sink
        self._token_file = settings.event_token_file
        self._overrides = {name: header_text(text) for name, text in settings.k_ce_overrides.items()}

    def deliver(self, event: Event) -> Failed | None:
        """POSTs an event; None only if the sink took it (2xx). Raises nothing: one event that cannot be sent keeps no other
        from its delivery."""
        trace = Trace(event.correlation_id, event.traceparent)
        trace_id.set(trace.trace_id)
        about = {"event_id": event.event_id, "event_type": event.type}
        with span("deliver event", "producer", about, parent=trace) as delivery:
            began = time.perf_counter()
            failed = self._failure(event)
            EVENT_DELIVERY.note(time.perf_counter() - began, _outcome(failed))
            if failed:
                delivery.fail("refused" if failed.for_good else "not_taken")
                log.warning("event not delivered", extra={"event_id": event.event_id, "why": failed.why})
        return failed

    def _failure(self, event: Event) -> Failed | None:
        try:
            reply = self._post(event)
        except (http_client.NoResponse, NoToken) as failure:
            return Failed(event.event_id, str(failure))
        except Exception as failure:
            log.exception("event not sent", extra={"event_id": event.event_id})
            return Failed(event.event_id, f"it could not be sent ({type(failure).__name__})")
        if 200 <= reply.status < 300:
            return None
        return Failed(event.event_id, f"the sink said {reply.status}", is_for_good(reply.status))

    def _post(self, event: Event) -> http_client.Response:
        return http_client.request(
            "POST",
            self.url,
            timeout=DELIVERY_TIMEOUT,
            headers={**self._headers(event), **bearer(self._token_file)},
            body=event.data.encode(),
            status_says_all=True,
        )

    def _headers(self, event: Event) -> dict[str, str]:
        """The attributes as CloudEvents' HTTP binding 1.0.2 has them (3.1.3), and what ties the event to its request."""
        trace = Trace(event.correlation_id, event.traceparent).within(carried())
        attributes = {
            "specversion": "1.0",
            "id": event.event_id,
            "type": event.type,
            "source": SOURCE,
            "subject": event.subject,
            "time": event.created_at.isoformat(),
            "correlationid": event.correlation_id,
        }
        if trace.traceparent:
            attributes["traceparent"] = trace.traceparent
        if event.caller:
            attributes["caller"] = header_text(event.caller)
        attributes |= self._overrides
        return {"Content-Type": JSON, **trace.headers(), **{f"ce-{name}": text for name, text in attributes.items()}}


def _outcome(failed: Failed | None) -> str:
    if failed is None:
        return "delivered"
    return "refused" if failed.for_good else "failed"
