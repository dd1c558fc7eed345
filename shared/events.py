"""Events: CloudEvents 1.0 in HTTP binary mode, from the outbox to the sink."""

import atexit
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import quote

from cloudevents.conversion import to_binary
from cloudevents.http import CloudEvent

from shared import outward
from shared.database import Database, DatabaseUnavailable, Row
from shared.log import correlation_id, function_name, log
from shared.settings import SETTINGS

T = TypeVar("T")

SOURCE = "/payment-service"
EVENT_TYPES = (
    "com.ridehailing.payment.succeeded.v1",
    "com.ridehailing.payment.failed.v1",
    "com.ridehailing.payment.refunded.v1",
    "com.ridehailing.refund.failed.v1",
)
DELIVERY_TIMEOUT = 5.0
MARKED_TOGETHER = 100
GRACE = 8.0


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


def deliver(event: Event) -> bool:
    """POSTs an event to K_SINK, with K_CE_OVERRIDES applied; True only if the sink took it (2xx). Raises nothing: one event
    that cannot be sent keeps no other from its delivery."""
    try:
        reply = _post(event)
    except outward.NoReply as failure:
        log.warning("event not delivered", extra={"event_id": event.event_id, "why": str(failure)})
        return False
    except Exception:
        log.exception("event not delivered", extra={"event_id": event.event_id})
        return False
    if not 200 <= reply.status < 300:
        log.warning("event not delivered", extra={"event_id": event.event_id, "why": f"the sink said {reply.status}"})
        return False
    return True


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
    return outward.call("POST", SETTINGS.k_sink, timeout=DELIVERY_TIMEOUT, headers=headers | _trace(event), body=body)


def read_events(database: Database, event_ids: list[str]) -> list[Event]:
    """These events from the outbox, but for those that cannot be read. Raises DatabaseUnavailable."""
    return _together_or_each(
        lambda ids: [event_in(row) for row in database.run_again("events", event_ids=ids)], event_ids
    )


def mark_delivered(database: Database, event_ids: list[str]) -> None:
    """Notes that the sink took these events, but for those where that cannot be noted. Raises DatabaseUnavailable."""
    _together_or_each(lambda ids: database.run_again("mark_delivered", event_ids=ids), event_ids)


def _together_or_each(act: Callable[[list[str]], list[T]], event_ids: list[str]) -> list[T]:
    """What an act on events gives. Where one of them makes it fail, each is tried alone, and that one is passed over."""
    try:
        return act(event_ids)
    except DatabaseUnavailable:
        raise
    except Exception:
        if len(event_ids) == 1:
            log.exception("event passed over", extra={"event_id": event_ids[0]})
            return []
    return [given for event_id in event_ids for given in _together_or_each(act, [event_id])]


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
    )


def header_text(text: str) -> str:
    """An attribute as a header has it: visible ASCII as it is, the rest percent-encoded (CloudEvents, HTTP binding 1.0.2,
    3.1.3.2)."""
    return quote(text, safe=_AS_IT_IS)


_AS_IT_IS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')


def _trace(event: Event) -> dict[str, str]:
    headers = {"X-Correlation-ID": event.correlation_id}
    return headers | ({"traceparent": event.traceparent} if event.traceparent else {})


class Publisher:
    """Delivers events right after their commit, from a bounded queue that no answer waits for.

    What is not delivered (queue full, sink down, process killed) stays in the outbox for a sweep. The thread starts with the
    first event, never at import, and at the end of the process delivers what is queued, within its grace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queue: queue.Queue[Event | None] = queue.Queue(SETTINGS.event_queue_size)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def publish(self, event: Event) -> None:
        """Queues an event for delivery and returns at once. Raises nothing: what the event reports is done and will be
        answered so, and an event that cannot be queued is left to the sweep."""
        if not SETTINGS.k_sink:
            return
        try:
            if self._thread is None:
                self._start()
            self._queue.put_nowait(event)
        except queue.Full:
            log.warning("event left to the sweep: the queue is full", extra={"event_id": event.event_id})
        except Exception:
            log.exception("event left to the sweep", extra={"event_id": event.event_id})

    def drain(self) -> None:
        """Delivers what is queued, for at most 8 seconds, and ends."""
        if self._thread is not None:
            deadline = time.monotonic() + GRACE
            with suppress(queue.Full):
                self._queue.put(None, timeout=GRACE)
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                thread = threading.Thread(target=self._work, args=(function_name.get(),), name="publisher", daemon=True)
                thread.start()
                self._thread = thread
                atexit.register(self.drain)

    def _work(self, function: str | None) -> None:
        function_name.set(function)
        delivered: list[str] = []
        ended = False
        while not ended:
            event = self._queue.get()
            correlation_id.set(event.correlation_id if event else None)
            if event is None:
                ended = True
            elif deliver(event):
                delivered.append(event.event_id)
            if delivered and (ended or self._queue.empty() or len(delivered) >= MARKED_TOGETHER):
                self._mark(delivered)
                delivered = []

    def _mark(self, event_ids: list[str]) -> None:
        try:
            mark_delivered(self._database, event_ids)
        except DatabaseUnavailable as failure:
            log.warning("delivered events not marked; a sweep sends them again", extra={"why": str(failure)})
        except Exception:
            log.exception("delivered events not marked; a sweep sends them again")
