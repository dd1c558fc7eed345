"""What a gateway's own objects are, read by their id: the truth that the books follow, whatever rang for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

Kind = Literal["charge", "refund", "dispute"]
DisputeStatus = Literal["INQUIRY", "OPEN", "WON", "LOST", "WITHDRAWN"]


class ChargeFact(NamedTuple):
    """A charge. `reference` is ours, where it bears one: what bears none was never asked for by us. `status`:
    `canceled` is final, `open` is everything that is not. `amount` in `currency`; `code` says why it was declined.
    `said` is the object as it was read, without secrets and card data."""

    gateway_id: str
    reference: str | None
    status: Literal["succeeded", "canceled", "open"]
    amount: Decimal
    currency: str
    code: str | None
    said: Mapping[str, Any]


class RefundFact(NamedTuple):
    """A refund of the charge `charge_id`. `reference` is ours; None where it was made in the gateway's own pages."""

    gateway_id: str
    reference: str | None
    charge_id: str | None
    status: Literal["succeeded", "failed", "pending"]
    amount: Decimal
    currency: str
    code: str | None
    said: Mapping[str, Any]


class DisputeFact(NamedTuple):
    """A dispute of the charge `charge_id`: `amount` in `currency` is what the bank holds back, or took. `evidence_due_by`: None
    where none can be sent, or it was."""

    gateway_id: str
    charge_id: str | None
    status: DisputeStatus
    amount: Decimal
    currency: str
    reason: str | None
    evidence_due_by: datetime | None
    opened_at: datetime
    said: Mapping[str, Any]


Fact = ChargeFact | RefundFact | DisputeFact


class NotSigned(Exception):
    """A webhook does not bear the gateway's signature, or not one of now; the message says which, for the log."""


class Event(NamedTuple):
    """What a gateway rang with, or lists: it may be late, repeated, out of order or forged, so only the names in it
    are used. `kind` is None where nothing is to be read because of it. `succeeded`: it says that the charge was
    paid, which needs no reading where the books say so already. `said` is the event, without secrets and card
    data."""

    event_id: str
    type: str
    kind: Kind | None
    object_id: str
    charge_id: str | None
    succeeded: bool
    said: Mapping[str, Any]


class EventPage(NamedTuple):
    """A page of a gateway's own list of events, newest first. `after` names the place at which the next page begins; None where
    this is the last."""

    events: Sequence[Event]
    after: str | None
