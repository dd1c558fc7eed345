"""What a gateway's own objects are, read by their id: the truth that the books follow, whatever rang for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

Kind = Literal["charge", "refund", "dispute"]
DisputeStatus = Literal["INQUIRY", "OPEN", "WON", "LOST", "WITHDRAWN"]
MovementKind = Literal["charge", "refund", "refund_failure", "dispute", "fee", "payout", "other"]
# What a computed fare is made of, by the names of the columns.
FARE = ("base_fare", "distance_km", "rate_per_km", "surge_multiplier")


class Told(NamedTuple):
    """What the gateway is told of a claim beside our reference, and shows again: enough to enter it once more where the
    books lost it. `key_hash` and `fingerprint` are the client's key and request, as SHA-256 in hexadecimal. `fare` is
    what the computed fare was made of (FARE), in plain decimals: none where the amount came with the request.
    `commission` in the currency of the charge. Of a refund only `payment_id`, `key_hash` and `fingerprint` are told.
    `understood`: False where some of it is not what we tell, since somebody changed it there or it was too long to be
    told: that is as if it had not been told."""

    payment_id: int | None
    key_hash: str | None
    fingerprint: str | None
    trip_id: int | None = None
    method: str | None = None
    fare: Mapping[str, Decimal] | None = None
    driver_id: str | None = None
    commission: Decimal | None = None
    understood: bool = True

    def key(self) -> tuple[bytes, bytes] | None:
        """Hash and fingerprint of the client's key, as the books have them; None where one is missing."""
        if self.key_hash is None or self.fingerprint is None:
            return None
        return bytes.fromhex(self.key_hash), bytes.fromhex(self.fingerprint)


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
    told: Told | None = None
    created_at: datetime | None = None


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
    told: Told | None = None
    created_at: datetime | None = None


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


class Movement(NamedTuple):
    """Money that moved at a gateway, as its own books have it. `movement` is the name of the entry there, `object_id` of
    what moved it (a charge's is the name by which it is read, see `read`), `charge_id` of the charge that this is
    about, and `reference` is ours, where it bears one. `amount` in `currency` is signed, above zero what comes to us,
    before the `fee`, which is above zero where it costs. `object_amount` in `object_currency` is what the charge,
    refund or dispute is of, above zero: another currency where the gateway exchanged it. `status` is what the object
    is now, in the words of its fact; None where it has none."""

    movement: str
    kind: MovementKind
    at: datetime
    object_id: str | None
    charge_id: str | None
    reference: str | None
    amount: Decimal
    fee: Decimal
    currency: str
    object_amount: Decimal | None
    object_currency: str | None
    status: str | None


class MovementPage(NamedTuple):
    """A page of a gateway's books, newest first. `after` names the place at which the next begins; None where this is the
    last."""

    movements: Sequence[Movement]
    after: str | None


class ChargePage(NamedTuple):
    """A page of the charges that a gateway has, newest first, paid or not. `after` as in MovementPage."""

    charges: Sequence[ChargeFact]
    after: str | None
