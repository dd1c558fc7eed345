"""The story of a payment: everything that is kept of what happened to it, from its claim on, for whoever looks into one."""

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from shared.platform.database import Database, Row
from shared.reading.disputes import moments_of
from shared.reading.moments import (
    Adopted,
    Asking,
    Claimed,
    Contradicted,
    DisputeOpened,
    DisputeOver,
    EnteredAgain,
    EventDelivered,
    EventSetAside,
    EventWritten,
    Lost,
    Moment,
    Reversed,
    Settled,
    SettledByHand,
)
from shared.reading.payments import not_found
from shared.rules.identifiers import GREATEST_ID

__all__ = [
    "Adopted",
    "Asking",
    "Claimed",
    "Contradicted",
    "DisputeOpened",
    "DisputeOver",
    "EnteredAgain",
    "EventDelivered",
    "EventSetAside",
    "EventWritten",
    "Lost",
    "Moment",
    "Reversed",
    "Settled",
    "SettledByHand",
    "Standing",
    "Story",
    "story",
]

# As many as a person reads: refunds, askings of a charge or refund, and other things that happened. How many there are besides
# is counted so far, and no further.
REFUNDS = 50
ASKINGS = 20
HAPPENED = 250
MOST_COUNTED = 2_000

# What comes first of what came at one moment.
_ORDER = (
    "claimed",
    "lost",
    "asking",
    "settled_by_hand",
    "adopted",
    "entered",
    "settled",
    "contradicted",
    "reversed",
    "dispute_opened",
    "dispute_over",
    "event_written",
    "event_delivered",
    "event_set_aside",
)


class Standing(NamedTuple):
    """How a charge, or a refund of it, stands: what we say, and what the gateway said when it was asked last.

    `status`, `failure_code` and `gateway_id` are as stored. `last` is the last asking whose answer is known, if any is.
    `asked` is how often somebody took it on; None where that is not known any more. While it is PENDING, `next_asking_at` is
    when a sweep asks again, at the earliest, and `under_way` says that somebody is asking at this moment. `source` is who
    asked for a refund, as shared/rules/states.py has it. `paid_late`: a charge that was paid after it had failed, and is
    adopted or given back since.
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
    source: str | None = None
    paid_late: bool = False

    @property
    def agrees(self) -> bool | None:
        """Whether the last that the gateway said is what is stored; None where it said nothing final, or nothing is, and of a
        refund that came back or a charge that was paid late: it may have been asked before that."""
        if self.paid_late:
            return True if self.last and self.last.said == "succeeded" else None
        if self.last is None or self.status in ("PENDING", "REVERSED") or self.last.said in ("unknown", "waiting"):
            return None
        return (self.last.said == "succeeded") == (self.status != "FAILED")


class Story(NamedTuple):
    """`payment` is the JSON text of it, as a client sees it. `gateway` charges it, and `account` is what its account there is
    called, where it has a name (never a key); a row of the seed has neither. `refunds`: newest first; `moments`: oldest
    first. Of very many refunds and askings the newest are here, and so many older ones are left out."""

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


def story(database: Database, payment_id: int) -> Story:
    """The story of a payment, as far as it is kept. Raises Problem payment_not_found, and DatabaseUnavailable."""
    stands = database.run_again("story", payment_id=payment_id, limit=REFUNDS, most_counted=MOST_COUNTED)
    if not stands:
        raise not_found(payment_id)
    charge, *refunds = stands
    refund_ids = [row["refund_id"] for row in refunds]
    found = database.run_again(
        "story_askings", payment_id=payment_id, refund_ids=refund_ids, limit=ASKINGS, most_counted=MOST_COUNTED
    )
    askings: dict[int | None, list[Asking]] = defaultdict(list)
    for row in found:
        if row["asked"] is not None:
            askings[row["refund_id"]].append(Asking(**{name: row[name] for name in Asking._fields if name != "kind"}))
    standings = {row["refund_id"]: _standing(row, askings[row["refund_id"]]) for row in stands}
    moments: list[Moment] = [asking for each in askings.values() for asking in each]
    moments += [lost for row in stands for lost in _lost(row, askings[row["refund_id"]])]
    moments += _happened(database, payment_id, charge["created_at"], standings)
    moments += moments_of(database, payment_id)
    return Story(
        payment_id=payment_id,
        payment=charge["payment"],
        currency=charge["currency"],
        gateway=charge["gateway"],
        account=charge["account"],
        charge=standings.pop(None),
        refunds=list(standings.values()),
        moments=sorted(moments, key=_place),
        refunds_left_out=charge["refunds"] - len(refunds),
        askings_left_out=found[0]["every"] - sum(row["alone"] is False for row in found),
    )


def _standing(row: Row, askings: list[Asking]) -> Standing:
    return Standing(
        refund_id=row["refund_id"],
        reference=row["reference"],
        amount=row["amount"],
        status=row["status"],
        failure_code=row["failure_code"],
        gateway_id=row["gateway_id"],
        last=askings[-1] if askings else None,
        asked=row["asked"] or (askings[-1].asked if askings else None),
        next_asking_at=row["ask_after"],
        under_way=row["under_way"],
        source=row["source"],
        paid_late=row["paid_late"],
    )


def _lost(row: Row, askings: list[Asking]) -> Iterator[Lost]:
    """The times that somebody took it on of which no asking is kept: between those that are, and behind the last while it is
    not settled. What is missing before the first of very many is not looked at."""
    refund_id, previous = row["refund_id"], askings[0].asked if len(askings) == ASKINGS else 0
    for asking in askings:
        if asking.asked > previous + 1:
            began = asking.at - timedelta(milliseconds=asking.duration_ms)
            yield Lost(began, refund_id, asking.asked - 1, asking.asked - 1 - previous, under_way=False)
        previous = asking.asked
    began = row["locked_at"] or (askings[-1].at if askings else row["created_at"])
    over = (row["asked"] or 0) - row["under_way"]
    if over > previous:
        yield Lost(began, refund_id, over, over - previous, under_way=False)
    if row["under_way"]:
        yield Lost(began, refund_id, row["asked"], 1, under_way=True)


def _happened(
    database: Database, payment_id: int, claimed_at: datetime, standings: dict[int | None, Standing]
) -> Iterator[Moment]:
    """What happened to the money, and how its events are delivered: of the charge, and of the refunds that are shown; of very
    much the newest, and the charge's claim."""
    subject: Row = {"payment_id": payment_id, "limit": HAPPENED}
    rows = database.run_again("payment_events", before="infinity", before_id=GREATEST_ID, **subject)
    if all(row["place"] for row in rows):  # of so many none is the first, the charge's claim
        rows += database.run_again("payment_events", before=claimed_at, before_id=1, **subject)
    happened = [(row["created_at"], json.loads(row["shown"])) for row in rows if row["place"] is not None]
    happened = [(at, told) for at, told in happened if told["refund_id"] in standings]
    # What happened to disputes is told with more, by moments_of.
    yield from (
        _moment(at, told, standings[told["refund_id"]])
        for at, told in happened
        if not told["type"].startswith("payment.dispute.")
    )
    ends = {told["event_id"]: told["refund_id"] for _, told in happened}
    for row in database.run_again("story_events", event_ids=list(ends)):
        yield from _delivery(row, ends[row["event_id"]])


def _moment(at: datetime, told: dict[str, Any], standing: Standing) -> Moment:
    refund_id, amount, actor = standing.refund_id, standing.amount, told["actor"]
    failed = standing.status == "FAILED" or standing.paid_late
    match told["type"].partition(".")[2]:
        case "settled_by_hand":
            return SettledByHand(at, refund_id, actor, told["reason"], not failed, told["forced"], told["gateway_said"])
        case "contradicted" | "entered" as kind:
            noted = Contradicted if kind == "contradicted" else EnteredAgain
            return noted(at, refund_id, actor, told["reason"], told["gateway_said"])
        case "adopted":
            return Adopted(at, refund_id, actor, amount)
        case "succeeded" | "refunded" | "given_back" | "failed" as end:
            return Settled(at, refund_id, end != "failed", told["failure_code"], standing.gateway_id, amount)
        case "reversed":
            return Reversed(at, refund_id, told["failure_code"], amount, standing.source)
    imported = told["type"] == "payment.imported"
    return Claimed(at, refund_id, actor, told["correlation_id"], amount, told["reason"], imported, standing.source)


def _delivery(row: Row, refund_id: int | None) -> Iterator[Moment]:
    event_id, kind = row["event_id"], row["type"]
    waits = row["delivered_at"] is None and row["refused_at"] is None
    next_attempt_at = row["next_attempt_at"] if waits else None
    yield EventWritten(row["created_at"], refund_id, event_id, kind, row["attempts"], next_attempt_at)
    if row["delivered_at"] is not None:
        yield EventDelivered(row["delivered_at"], refund_id, event_id, kind)
    elif row["refused_at"] is not None:
        yield EventSetAside(row["refused_at"], refund_id, event_id, kind, row["refusals"], row["refusal"])


def _place(moment: Moment) -> tuple[datetime, int]:
    return moment.at, _ORDER.index(moment.kind)
