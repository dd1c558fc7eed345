"""The story of a payment: everything that is kept of what happened to it, from its claim on, for whoever looks into one."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple


class Claimed(NamedTuple):
    """Somebody asked for it: the charge, or a refund where `refund_id` is set (as in every moment). `actor` is the caller and
    `correlation_id` the request's, as far as known. `imported`: a row of the seed, of which nothing else is known."""

    at: datetime
    refund_id: int | None
    actor: str | None
    correlation_id: str | None
    amount: Decimal
    reason: str | None
    imported: bool
    kind: Literal["claimed"] = "claimed"


class Asking(NamedTuple):
    """The gateway was asked. `at` is when its answer was written down, `duration_ms` how long it took. `asked` counts the times
    that somebody took the work on, from 1; 0 is a look at what was settled already. `step`: from 1, within one of these times.
    `how`: asked to `charge` or `refund`, or only to `find` what became of it. `code` is why it declined, `why` what kept it from
    an answer. `actor`: the person who had it asked."""

    at: datetime
    refund_id: int | None
    asked: int
    step: int
    how: Literal["charge", "refund", "find"]
    said: Literal["succeeded", "declined", "unknown", "never_heard"]
    code: str | None
    why: str | None
    gateway_id: str | None
    duration_ms: int
    actor: str | None
    kind: Literal["asking"] = "asking"


class Lost(NamedTuple):
    """Somebody took it on, for the time `asked`, and what the gateway said then is not known: whoever asked died before it was
    written down, or is asking now (`under_way`). `at` is when that was over at the latest; None: when is not known either."""

    at: datetime | None
    refund_id: int | None
    asked: int
    under_way: bool
    kind: Literal["lost"] = "lost"


class Settled(NamedTuple):
    """What became of it, in the books: `succeeded` is charged or given back, else it was declined, by `code`."""

    at: datetime
    refund_id: int | None
    succeeded: bool
    code: str | None
    gateway_id: str | None
    amount: Decimal
    kind: Literal["settled"] = "settled"


class SettledByHand(NamedTuple):
    """A person decided what became of it. `forced`: against what the gateway said."""

    at: datetime
    refund_id: int | None
    actor: str
    reason: str
    succeeded: bool
    forced: bool
    gateway_said: str
    kind: Literal["settled_by_hand"] = "settled_by_hand"


class Contradicted(NamedTuple):
    """The gateway said otherwise than what is `stored` of what was settled."""

    at: datetime
    refund_id: int | None
    actor: str
    stored: str
    gateway_said: str
    gateway_id: str | None
    kind: Literal["contradicted"] = "contradicted"


class EventWritten(NamedTuple):
    """What became of it was written down for others to hear. `attempts` to deliver it failed since. `next_attempt_at`: None where it
    was delivered or is set aside."""

    at: datetime
    refund_id: int | None
    event_id: str
    type: str
    attempts: int
    next_attempt_at: datetime | None
    kind: Literal["event_written"] = "event_written"


class EventDelivered(NamedTuple):
    """The sink took the event."""

    at: datetime
    refund_id: int | None
    event_id: str
    type: str
    kind: Literal["event_delivered"] = "event_delivered"


class EventSetAside(NamedTuple):
    """The sink refused the event for good, so often that it is not sent any more; `refusal` is what it said last."""

    at: datetime
    refund_id: int | None
    event_id: str
    type: str
    refusals: int
    refusal: str | None
    kind: Literal["event_set_aside"] = "event_set_aside"


Moment = (
    Claimed | Asking | Lost | Settled | SettledByHand | Contradicted | EventWritten | EventDelivered | EventSetAside
)


class Standing(NamedTuple):
    """How a charge, or a refund of it, stands: what we say, and what the gateway said when it was asked last.

    `status`, `failure_code` and `gateway_id` are as stored. `last` is the last asking whose answer is known, if any is. `asked` is
    how often somebody took it on; None where that is not known any more. While it is PENDING, `next_asking_at` is when a sweep asks
    again, at the earliest, and `under_way` says that somebody is asking at this moment.
    """

    refund_id: int | None
    reference: str
    amount: Decimal
    status: str
    failure_code: str | None
    gateway_id: str | None
    last: Asking | None
    asked: int | None
    next_asking_at: datetime | None
    under_way: bool

    @property
    def agrees(self) -> bool | None:
        """Whether the last that the gateway said is what is stored; None where it said nothing final, or nothing is."""
        if self.last is None or self.status == "PENDING" or self.last.said == "unknown":
            return None
        return (self.last.said == "succeeded") == (self.status != "FAILED")


class Story(NamedTuple):
    """`payment` is the JSON text of it, as a client sees it. `gateway` charges it and `account` is what its account there is called,
    where it has a name (never a key); a row of the seed has neither. `moments`: oldest first. Of very many refunds and askings the
    newest are here, and so many older ones are left out."""

    payment_id: int
    payment: str
    currency: str
    gateway: str | None
    account: str | None
    charge: Standing
    refunds: list[Standing]
    moments: list[Moment]
    refunds_left_out: int
    askings_left_out: int
