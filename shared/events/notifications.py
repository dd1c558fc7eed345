"""The Notification Service: told of an event once, however often the event comes."""

import time
from collections.abc import Mapping

from shared.events.cloud_event import Received, read_event
from shared.events.event import EVENT_TYPES, header_text
from shared.events.failed import is_for_good
from shared.platform import http_client, json_text
from shared.platform.counting import Durations
from shared.platform.log import log
from shared.platform.spans import carried, span
from shared.web.answers import PLAIN, Answer
from shared.web.tracing import Trace, read_trace

_OUTCOMES = {204: "delivered", 422: "refused", 503: "failed"}

NOTIFICATION = Durations(
    "payment_notification_seconds", "Each time the Notification Service was told, and what came of it.", "outcome"
)


class NotificationService:
    """The Notification Service at `url`, which answers within `timeout` seconds or counts as not answering."""

    def __init__(self, url: str, timeout: float) -> None:
        self._url = url
        self._timeout = timeout

    def notify(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Passes an event on, with its id as Idempotency-Key, by which a repeat is dropped there.

        204 with an empty body where the Notification Service took it; 400 with one short line for what is not such an event;
        422 where the Notification Service refuses it for good, whatever its status: Knative would repeat after its 404 or
        409; 503 where it is down or refuses for now, so that the event is sent again.
        """
        try:
            event = _read(headers, body)
        except ValueError as wrong:
            log.warning("not an event of ours", extra={"why": str(wrong)})
            return Answer(400, str(wrong), PLAIN)
        began = time.perf_counter()
        answer = self._tell(event)
        NOTIFICATION.note(time.perf_counter() - began, _OUTCOMES[answer.status])
        return answer

    def _tell(self, event: Received) -> Answer:
        try:
            reply = self._told(event)
        except http_client.NoResponse as failure:
            return _later(event.id, str(failure))
        if 200 <= reply.status < 300:
            return Answer(204)
        if is_for_good(reply.status):
            log.warning(
                "refused by the Notification Service", extra={"event_id": event.id, "why": f"it said {reply.status}"}
            )
            return Answer(422, f"the Notification Service refused it for good ({reply.status})", PLAIN)
        return _later(event.id, f"it answered {reply.status}")

    def _told(self, event: Received) -> http_client.Response:
        """The Notification Service's answer. The span is the event's own trace's, whichever a Broker's request came with."""
        trace = read_trace(event.correlation_id, event.traceparent, event.tracestate)
        with span("notify", "consumer", {"event_id": event.id, "event_type": event.type}, parent=trace):
            return self._post(event, trace.within(carried()))

    def _post(self, event: Received, trace: Trace) -> http_client.Response:
        notification = {
            "event_id": event.id,
            "type": event.type,
            "subject": event.subject,
            "time": event.time,
            "correlation_id": trace.correlation_id,
            "data": json_text.Written(event.data),
        }
        if event.caller:
            notification["caller"] = event.caller
        key = header_text(event.id)
        return http_client.request(
            "POST",
            f"{self._url}/v1/notifications",
            timeout=self._timeout,
            headers=trace.headers() | {"Content-Type": "application/json", "Idempotency-Key": key},
            body=json_text.write(notification).encode(),
            status_says_all=True,
            template="/v1/notifications",
        )


def _read(headers: Mapping[str, str], body: bytes) -> Received:
    """The event in a request; ValueError, in one short line, for anything that is not ours."""
    event = read_event(headers, body)
    if event.type not in EVENT_TYPES:
        raise ValueError("not an event type that is notified of")
    if event.subject is None:
        raise ValueError("the attribute subject is missing")
    if not isinstance(event.fields, dict) or "payment_id" not in event.fields:
        raise ValueError("the data is not a payment")
    return event


def _later(event_id: str, why: str) -> Answer:
    log.warning("not notified yet", extra={"event_id": event_id, "why": why})
    return Answer(503, "the Notification Service did not take it", PLAIN, {"Retry-After": "5"})
