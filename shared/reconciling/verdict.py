"""What a movement of a gateway's is beside what the books have of it, and the other way round: plain values, no I/O."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from shared.gateways.facts import ChargeFact, DisputeFact, Fact, Kind, Movement, MovementKind
from shared.reconciling.window import Window
from shared.rules.identifiers import cell_of_reference

Verdict = Literal["matched", "missing_here", "missing_there", "amount_differs", "status_differs", "not_yet_due"]
VERDICTS: Sequence[Verdict] = (
    "matched",
    "missing_here",
    "missing_there",
    "amount_differs",
    "status_differs",
    "not_yet_due",
)
DIFFERENCES: Sequence[Verdict] = VERDICTS[1:5]

# What each kind of movement is of, where the books have a row of it.
OBJECTS: Mapping[MovementKind, Kind] = {
    "charge": "charge",
    "refund": "refund",
    "refund_failure": "refund",
    "dispute": "dispute",
}
# Which of a gateway's words are right for a status of ours. A payment that FAILED was paid late where it is known as a charge.
_RIGHT: Mapping[Kind, Mapping[str, str]] = {
    "charge": {"SUCCESS": "succeeded", "REFUNDED": "succeeded", "FAILED": "canceled"},
    "refund": {"REFUNDED": "succeeded", "FAILED": "failed", "REVERSED": "failed"},
    "dispute": {status: status for status in ("INQUIRY", "OPEN", "WON", "LOST", "WITHDRAWN")},
}
_COMES_IN: Mapping[MovementKind, bool] = {"charge": True, "refund": False, "refund_failure": True}
# How far the gateway's clock and ours may be apart; and after which time what came back, or a bank gave back, is in its books.
CLOCKS = timedelta(minutes=10)
COMING_BACK = timedelta(days=3)


class Ours(NamedTuple):
    """What the books have of a movement. Of a refund or a dispute that they have not, the payment alone: `status` is None.
    `known_as` is what our row is called at the gateway, once it is settled. `rung`: it is still to be read there."""

    payment_id: int
    refund_id: int | None
    amount: Decimal | None
    currency: str | None
    status: str | None
    known_as: str | None
    payment_status: str
    rung: bool


class Entry(NamedTuple):
    """An entry of ours that is in no list of the gateway's. `amount` is signed: above zero came to us. `object_id` is None
    where the books have no name of it, and `claimed_at` where it was not asked for here: else it was not made there before.
    `rung` as in Ours."""

    entry_id: int
    at: datetime
    kind: MovementKind
    payment_id: int
    refund_id: int | None
    object_id: str | None
    charge_id: str | None
    reference: str | None
    currency: str
    amount: Decimal
    status: str
    claimed_at: datetime | None
    rung: bool


class Judged(NamedTuple):
    """A verdict, and why, for people: None where there is nothing to say."""

    verdict: Verdict
    why: str | None = None


def judge(moved: Movement, ours: Ours | None, cell: int) -> Judged:
    """What a movement in the gateway's books is, beside ours, those of this cell. What differs is not yet due while it is still
    to be read."""
    return _unless_rung(_judge(moved, ours, cell), ours is not None and ours.rung)


def _unless_rung(judged: Judged, rung: bool) -> Judged:
    if rung and judged.verdict in DIFFERENCES:
        return Judged("not_yet_due", f"{judged.why}; it was rung for, and is to be read")
    return judged


def _judge(moved: Movement, ours: Ours | None, cell: int) -> Judged:
    if moved.kind in ("fee", "payout"):
        return Judged("matched")
    if moved.kind == "other":
        return Judged("missing_here", "it is of a kind that the books have no account for")
    kind = OBJECTS[moved.kind]
    if ours is None:
        return Judged("missing_here", f"the books have no such {kind}; it {_bears(moved.reference, cell)}")
    if ours.status is None:
        if gave_back_late_charge(moved, ours):
            return Judged("matched", f"given back there of what was paid late for payment {ours.payment_id}")
        if ours.payment_status == "PENDING":
            return Judged("not_yet_due", f"its payment {ours.payment_id} is PENDING here")
        return Judged("missing_here", f"payment {ours.payment_id} has its charge, and the books have no such {kind}")
    if ours.status == "PENDING":
        return Judged("not_yet_due", f"the {kind} is PENDING here")
    if ours.known_as not in (None, moved.object_id):
        return Judged("missing_here", f"the {kind} {moved.reference} is {ours.known_as} here: this is another")
    return _compare(kind, moved, ours)


def _bears(reference: str | None, cell: int) -> str:
    other = cell_of_reference(reference)
    if other not in (None, cell):
        return f"is of cell {other}, and bears its reference {reference}"
    return f"bears our reference {reference}" if reference else "does not bear a reference of ours"


def gave_back_late_charge(moved: Movement, ours: Ours | None) -> bool:
    """Whether somebody gave back at the gateway what was paid late for a payment that FAILED: nothing of it is the payment's,
    and no row of a refund is written."""
    return (
        ours is not None
        and (ours.status, ours.payment_status) == (None, "FAILED")
        and ours.known_as is not None
        and ours.known_as == moved.charge_id
        and OBJECTS.get(moved.kind) == "refund"
    )


def _compare(kind: Kind, moved: Movement, ours: Ours) -> Judged:
    amount = abs(moved.amount) if moved.object_amount is None else moved.object_amount
    currency = moved.object_currency or moved.currency
    if (amount, currency) != (ours.amount, ours.currency):
        return Judged("amount_differs", f"{amount} {currency} there, {ours.amount} {ours.currency} here")
    exchanged = moved.currency != currency
    if not exchanged and not _moves_right(moved, amount):
        return Judged("amount_differs", f"{amount} {currency} here, and {moved.amount} moved there")
    right = _RIGHT[kind].get(ours.status or "")
    if kind == "charge" and ours.status == "FAILED" and ours.known_as is not None:
        right = "succeeded"
    if moved.status not in (None, right):
        return Judged("status_differs", f"{moved.status} there, {ours.status} here")
    return Judged("matched", f"exchanged from {amount} {currency}" if exchanged else None)


def _moves_right(moved: Movement, amount: Decimal) -> bool:
    """Whether as much moved as the object is of, in its direction. Of a dispute a part may come back."""
    if moved.kind == "dispute":
        return abs(moved.amount) <= amount
    return moved.amount == (amount if _COMES_IN[moved.kind] else -amount)


def our_amount(moved: Movement, ours: Ours | None) -> Decimal | None:
    """What our row makes of a movement, signed as that is: None where we have none, or it is of another currency."""
    if ours is None or ours.amount is None or ours.currency != moved.currency:
        return None
    comes_in = _COMES_IN.get(moved.kind, moved.amount > 0)
    return ours.amount if comes_in else -ours.amount


def judge_entry(entry: Entry, fact: Fact | None, window: Window) -> Judged:
    """What an entry of ours is that no movement in the gateway's books is, in the window or in any that was reconciled, beside
    what the gateway shows of its object now. Its movement came after the object was made and before we heard of it: where all
    of that lies in the window, it is missing there."""
    return _unless_rung(_judge_entry(entry, fact, window), entry.rung)


def _judge_entry(entry: Entry, fact: Fact | None, window: Window) -> Judged:
    kind = OBJECTS[entry.kind]
    if entry.object_id is None:
        return Judged("missing_there", f"the books have no name that the gateway knows the {kind} by")
    if fact is None:
        return Judged("missing_there", f"the gateway shows no {kind} {entry.object_id}")
    right = "succeeded" if entry.kind == "charge" else _RIGHT[kind].get(entry.status)
    if fact.status != right:
        return Judged("status_differs", f"{fact.status} there, {entry.status} here")
    made_at = entry.claimed_at if isinstance(fact, DisputeFact) else fact.created_at or entry.claimed_at
    heard_by = entry.at + (CLOCKS if entry.kind in ("charge", "refund") else COMING_BACK)
    if made_at is not None and window.begins <= made_at - CLOCKS and heard_by <= window.ends:
        return Judged("missing_there", f"the gateway shows the {kind}, and nothing that it moved")
    return Judged("not_yet_due", f"the gateway shows the {kind}: it may have moved outside of this time")


def charge_of(entry: Entry, fact: Fact | None) -> str | None:
    """The charge that an entry is about, as the books have it, else as the gateway says."""
    named = fact.gateway_id if isinstance(fact, ChargeFact) else fact.charge_id if fact is not None else None
    return entry.charge_id or named
