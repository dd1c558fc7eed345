"""What every gateway understands, and the three things it can say."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True)
class Succeeded:
    """The money moved. `gateway_id` is what the gateway calls it, where it has a name of its own."""

    gateway_id: str | None = None


@dataclass(frozen=True)
class Declined:
    """The money did not move and will not, under this reference. `code` says why, in the gateway's words."""

    code: str
    gateway_id: str | None = None


@dataclass(frozen=True)
class Unknown:
    """Whether the money moved is not known: it may have, or may yet. `why` is for the log.

    `answered` is False where the gateway gave no answer at all, so that nobody hurries to ask it about others.
    """

    why: str
    gateway_id: str | None = None
    answered: bool = True


Outcome = Succeeded | Declined | Unknown


@dataclass(frozen=True)
class Order:
    """A charge, or a refund, as the gateway is asked for it: the same however often it is asked, but for `age`.

    `amount` in `currency`; `reference` is ours and the idempotency key; `created_at` is when it was claimed, by the
    database's clock, and `age` how long ago that was, in seconds; `gateway_id` is what the gateway calls it, as far as
    known. `charge_id` and `charge_reference` name the charge that a refund gives back. `simulate` is for the simulated
    gateway alone.
    """

    reference: str
    payment_id: int
    amount: Decimal
    currency: str
    created_at: datetime
    age: float
    payment_token: str | None = None
    gateway_id: str | None = None
    charge_id: str | None = None
    charge_reference: str | None = None
    simulate: str | None = None


class Gateway(Protocol):
    """Each call answers within GATEWAY_TIMEOUT seconds and raises nothing: an error after the request may have left is
    Unknown, never Declined. Asked twice with one reference, it moves the money once."""

    name: str
    needs_token: bool

    def charge(self, order: Order) -> Outcome: ...

    def refund(self, order: Order) -> Outcome: ...

    def find_charge(self, order: Order) -> Outcome | None:
        """What became of a charge, without asking for it again: None where it provably never was."""

    def find_refund(self, order: Order) -> Outcome | None:
        """What became of a refund, without asking for it again: None where it provably never was."""
