"""What may have happened to a payment, or to a refund of it, each at a moment: what a story is told in."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple


class Claimed(NamedTuple):
    """Somebody asked for it: the charge, or a refund where `refund_id` is set (as in every moment). `actor` is the caller and
    `correlation_id` the request's, as far as known. `imported`: a row of the seed, of which nothing else is known. `source` is
    who asked for a refund, as shared/rules/states.py has it: None of a charge."""

    at: datetime
    refund_id: int | None
    actor: str | None
    correlation_id: str | None
    amount: Decimal
    reason: str | None
    imported: bool
    source: str | None = None
    kind: Literal["claimed"] = "claimed"


class Asking(NamedTuple):
    """The gateway was asked. `at` is when its answer was written down, `duration_ms` how long it took to give it.

    `asked` counts the times that somebody took the work on, from 1, and `step` the askings of one such time, from 1. `how`:
    asked to `charge` or to `refund`, or only to `find` what became of it. `code` is why it declined, `why` what kept it from an
    answer. `actor` is the person who had it asked, where one had."""

    at: datetime
    refund_id: int | None
    asked: int
    step: int
    how: Literal["charge", "refund", "find"]
    said: Literal["succeeded", "declined", "unknown", "never_heard", "waiting"]
    code: str | None
    why: str | None
    gateway_id: str | None
    duration_ms: int
    actor: str | None
    kind: Literal["asking"] = "asking"


class Lost(NamedTuple):
    """Somebody took it on, and what the gateway said then is not known, if it was asked at all: whoever asked died before it
    was written down, or was of an older version, or is asking now (`under_way`). So it was so many `times` in a row, the last
    of them the time `asked`, as Asking counts. `at` is when it was over at the latest; of the last, as far as known, when it
    began."""

    at: datetime
    refund_id: int | None
    asked: int
    times: int
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


class Reversed(NamedTuple):
    """A refund that had been given back came back, for the reason `code`. `source` is who had asked for it, as in Claimed."""

    at: datetime
    refund_id: int | None
    code: str | None
    amount: Decimal
    source: str | None
    kind: Literal["reversed"] = "reversed"


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


class Adopted(NamedTuple):
    """It had failed, was paid late, and is taken for paid from then on. `actor` is the function that learned of it."""

    at: datetime
    refund_id: int | None
    actor: str
    amount: Decimal
    kind: Literal["adopted"] = "adopted"


class EnteredAgain(NamedTuple):
    """The books had lost it, and a person had it entered again, for a reason, as the gateway said that it was."""

    at: datetime
    refund_id: int | None
    actor: str
    reason: str
    gateway_said: str
    kind: Literal["entered"] = "entered"


class Contradicted(NamedTuple):
    """The gateway said otherwise than what is `stored` of what was settled."""

    at: datetime
    refund_id: int | None
    actor: str
    stored: str
    gateway_said: str
    kind: Literal["contradicted"] = "contradicted"


class DisputeOpened(NamedTuple):
    """A bank wants the money back, or only asks while `status` is INQUIRY. `at` and what follows are as the gateway says;
    `status` is what has become of it. Money in `currency`."""

    at: datetime
    refund_id: None
    gateway_id: str
    status: str
    amount: Decimal
    currency: str
    reason: str | None
    evidence_due_by: datetime | None
    kind: Literal["dispute_opened"] = "dispute_opened"


class DisputeOver(NamedTuple):
    """A dispute was decided, or withdrawn: when the books heard of it."""

    at: datetime
    refund_id: None
    gateway_id: str
    status: str
    amount: Decimal
    currency: str
    kind: Literal["dispute_over"] = "dispute_over"


class EventWritten(NamedTuple):
    """What became of it was written down for others to hear. So many `attempts` to deliver it failed since. `next_attempt_at`:
    None where it was delivered or is set aside."""

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
    Claimed
    | Asking
    | Lost
    | Settled
    | Reversed
    | SettledByHand
    | Adopted
    | EnteredAgain
    | Contradicted
    | DisputeOpened
    | DisputeOver
    | EventWritten
    | EventDelivered
    | EventSetAside
)
