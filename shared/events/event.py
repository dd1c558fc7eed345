"""An event: what is told of a payment, as a CloudEvent."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

SOURCE = "/payment-service"
EVENT_TYPES = (
    "com.ridehailing.payment.succeeded.v1",
    "com.ridehailing.payment.failed.v1",
    "com.ridehailing.payment.refunded.v1",
    "com.ridehailing.refund.failed.v1",
    "com.ridehailing.payment.given_back.v1",
    "com.ridehailing.refund.reversed.v1",
    "com.ridehailing.payment.dispute.opened.v1",
    "com.ridehailing.payment.dispute.won.v1",
    "com.ridehailing.payment.dispute.lost.v1",
    "com.ridehailing.payment.dispute.withdrawn.v1",
)
# Not of ours: the Trip Service's.
TRIP_COMPLETED = "com.ridehailing.trip.completed.v1"
_FIRST_TYPES = frozenset(EVENT_TYPES[:2])


class Event(NamedTuple):
    """An event as the outbox holds it. `caller`: whose request it comes of; None while the service is open. `data` is JSON
    text. `follows`: the payment was told of before, whatever the type says."""

    event_id: str
    type: str
    subject: str
    correlation_id: str
    traceparent: str | None
    caller: str | None
    data: str
    created_at: datetime
    failed_before: bool = False
    follows: bool = False

    @property
    def comes_first(self) -> bool:
        """Whether nothing of its payment's comes before it: whatever else there is of it is told after it."""
        return self.type in _FIRST_TYPES and not self.follows


def event_in(row: Mapping[str, Any]) -> Event:
    """The event in a row of `events`, or in what a settling statement returned."""
    return Event(
        event_id=row["event_id"],
        type=row["type"],
        subject=row["subject"],
        correlation_id=row["correlation_id"],
        traceparent=row["traceparent"],
        caller=row["caller"],
        data=row["data"],
        created_at=row["created_at"],
        failed_before=row.get("attempts", 0) > 0,
    )


def header_text(text: str) -> str:
    """An attribute as a header has it: visible ASCII as it is, the rest percent-encoded (CloudEvents, HTTP binding 1.0.2,
    3.1.3.2)."""
    return quote(text, safe=_AS_IT_IS)


_AS_IT_IS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
