"""A payment's story in words: one line for each moment of it, oldest first."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from functions.console.codes import failure, gateway
from shared.reading import story
from shared.reading.story import Story

if TYPE_CHECKING:
    from shared.reading.words import Words

Tone = Literal["plain", "good", "bad", "open"]

_ASKED = {"charge": "was asked to charge", "refund": "was asked to give back", "find": "was asked what became of it"}
_SAID: dict[str, tuple[str, Tone]] = {
    "succeeded": ("succeeded", "plain"),
    "declined": ("declined", "plain"),
    "unknown": ("no final answer", "open"),
    "never_heard": ("never heard of it", "open"),
    "waiting": ("waits for the customer", "open"),
}


class Line(NamedTuple):
    """What happened at a moment: `told` is when, empty where the line before says the same; `after`, how long after the first.
    `details` are names and values; `refund`: of which refund, as people call it."""

    at: datetime
    told: str
    after: str
    tone: Tone
    title: str
    refund: str
    note: str
    details: list[tuple[str, str]]


def lines(told: Story, words: "Words") -> list[Line]:
    """The story as lines. A refund is called by its place among the refunds: the first is `Refund 1`."""
    numbers = refund_numbers(told)
    found: list[Line] = []
    before = ""
    for moment in told.moments:
        line = _TELL[moment.kind](moment, told, words)
        if line:
            tone, title, note, details = line
            kept = [(name, str(value)) for name, value in details if value not in (None, "")]
            refund = "" if moment.refund_id is None else f"Refund {numbers.get(moment.refund_id, moment.refund_id)}"
            when = words.moment(moment.at, seconds=True)
            after = words.duration((moment.at - found[0].at).total_seconds()) if found else ""
            found.append(Line(moment.at, when if when != before else "", after, tone, title, refund, note, kept))
            before = when
    return found


def refund_numbers(told: Story) -> dict[int, int]:
    """The place of each refund among all of the payment, from 1, by its id."""
    ids = sorted(standing.refund_id for standing in told.refunds if standing.refund_id is not None)
    return {refund_id: place for place, refund_id in enumerate(ids, told.refunds_left_out + 1)}


def _gateway(told: Story) -> str:
    return gateway(told.gateway) if told.gateway else "The gateway"


# Tone, title, a sentence, and details whose value may be missing.
_Told = tuple[Tone, str, str, list[tuple[str, Any]]]


def _claimed(moment: story.Claimed, told: Story, words: "Words") -> _Told:
    if moment.imported:
        return "plain", "Loaded as history", "It was charged before this service took payments.", []
    amount = words.money(moment.amount, told.currency)
    title, note = f"Asked for: {amount}", ""
    if moment.source == "gateway":
        title, note = f"Entered: {amount}", f"Somebody gave it back in {_gateway(told)}'s own pages."
    elif moment.source == "late_payment":
        title, note = f"To be given back: {amount}", "It was paid after it had failed, and nothing of it is ours."
    elif moment.refund_id is not None:
        title = f"Asked for: {amount} to be given back"
    return (
        "plain",
        title,
        note,
        [("Reason", moment.reason), ("By", moment.actor), ("Correlation id", moment.correlation_id)],
    )


def _asking(moment: story.Asking, told: Story, words: "Words") -> _Told:
    said, tone = _SAID[moment.said]
    declined = failure(moment.code) if moment.said == "declined" else None
    details = [
        ("Took", words.duration(moment.duration_ms / 1000)),
        ("Why", declined or moment.why),
        ("Gateway's id", moment.gateway_id),
        ("Attempt", moment.asked if moment.asked > 1 else None),
        ("Asked by", moment.actor),
    ]
    # Of what somebody gave back there it is only asked what became of it.
    entered = any(each.refund_id == moment.refund_id and each.source == "gateway" for each in told.refunds)
    how = "find" if entered else moment.how
    return tone, f"{_gateway(told)} {_ASKED[how]}: {said}", "", details


def _lost(moment: story.Lost, told: Story, _: "Words") -> _Told:
    asked = _gateway(told)
    if moment.under_way:
        return "open", f"{asked} is being asked at this moment", "", [("Attempt", moment.asked)]
    note = "Whoever asked ended before the answer was written down, or was of an older version."
    title = f"What {asked} answered is not known"
    return "open", title, note, [("Times", moment.times if moment.times > 1 else None), ("Attempt", moment.asked)]


def _settled(moment: story.Settled, told: Story, words: "Words") -> _Told:
    amount = words.money(moment.amount, told.currency)
    if moment.succeeded:
        title = f"Charged: {amount}" if moment.refund_id is None else f"Given back: {amount}"
        return "good", title, "", []
    title = "Not charged" if moment.refund_id is None else "Not given back"
    return "bad", title, failure(moment.code), []


def _reversed(moment: story.Reversed, told: Story, words: "Words") -> _Told:
    note = "The amount is the payment's again, and may be given back once more."
    if moment.source == "late_payment":
        note = "It was never the payment's: somebody is to give it back some other way."
    title = f"Came back: {words.money(moment.amount, told.currency)}"
    return "bad", title, f"{failure(moment.code)}. {note}", []


def _adopted(moment: story.Adopted, told: Story, words: "Words") -> _Told:
    note = "It had failed, was paid all the same, and nobody else has paid the trip."
    return "good", f"Paid late, and adopted: {words.money(moment.amount, told.currency)}", note, [("By", moment.actor)]


def _entered(moment: story.EnteredAgain, _: Story, __: "Words") -> _Told:
    details = [("By", moment.actor), ("Why", moment.reason), ("The gateway said", moment.gateway_said)]
    return "plain", "Entered again: the books had lost it", "Its client's own fields are not known any more.", details


def _by_hand(moment: story.SettledByHand, _: Story, __: "Words") -> _Told:
    outcome = "succeeded" if moment.succeeded else "failed"
    details = [("By", moment.actor), ("Why", moment.reason), ("The gateway said", moment.gateway_said)]
    note = "Against what the gateway said." if moment.forced else ""
    return "open" if moment.forced else "plain", f"Settled by hand as {outcome}", note, details


def _contradicted(moment: story.Contradicted, told: Story, _: "Words") -> _Told:
    details = [
        ("Stored", moment.stored),
        ("The gateway said", moment.gateway_said),
        ("Noted by", moment.actor),
    ]
    note = "Money moved, or did not, against the books: a person decides what becomes of it."
    if moment.refund_id is None and told.charge.paid_late:
        note = "It was paid after it had failed: what became of that is told here."
    return "bad", "The gateway contradicts what is stored", note, details


def _dispute_opened(moment: story.DisputeOpened, _: Story, words: "Words") -> _Told:
    amount = words.money(moment.amount, moment.currency)
    due = moment.evidence_due_by if moment.status in ("INQUIRY", "OPEN") else None
    details = [
        ("Reason", moment.reason),
        ("Evidence is due", due and words.moment(due, seconds=True)),
        ("Gateway's id", moment.gateway_id),
    ]
    if moment.status == "INQUIRY":
        return "open", f"The rider's bank asks about {amount}", "Nothing is held back for that.", details
    note = "The bank holds it back until it has decided." if moment.status == "OPEN" else ""
    return "bad" if moment.status == "OPEN" else "plain", f"Disputed: {amount}", note, details


def _dispute_over(moment: story.DisputeOver, _: Story, words: "Words") -> _Told:
    tone, outcome = _DECIDED[moment.status]
    details = [("Gateway's id", moment.gateway_id)]
    return tone, f"Dispute {outcome}: {words.money(moment.amount, moment.currency)}", "", details


_DECIDED: dict[str, tuple[Tone, str]] = {
    "WON": ("good", "won"),
    "LOST": ("bad", "lost"),
    "WITHDRAWN": ("good", "withdrawn"),
}


def _written(moment: story.EventWritten, _: Story, words: "Words") -> _Told | None:
    """Only an event that is not delivered at once is worth a line of its own."""
    if moment.next_attempt_at is None and not moment.attempts:
        return None
    waits = moment.next_attempt_at
    details = [
        ("Event", moment.type),
        ("Deliveries that failed", moment.attempts or None),
        ("Next", waits and words.moment(waits, seconds=True)),
    ]
    return "open", "Event is to be delivered" if waits else "Event was not delivered at once", "", details


def _delivered(moment: story.EventDelivered, _: Story, __: "Words") -> _Told:
    note = "The Broker took it; or, without a Broker, the Notification Service was told."
    return "good", "Event delivered", note, [("Event", moment.type)]


def _set_aside(moment: story.EventSetAside, _: Story, __: "Words") -> _Told:
    details = [("Event", moment.type), ("Refused", f"{moment.refusals} times"), ("Last", moment.refusal)]
    return (
        "bad",
        "Event set aside",
        "Its sink refused it for good. Once the cause is mended: make events RESEND.",
        details,
    )


_TELL: dict[str, Callable[[Any, Story, "Words"], _Told | None]] = {
    "claimed": _claimed,
    "asking": _asking,
    "lost": _lost,
    "settled": _settled,
    "adopted": _adopted,
    "entered": _entered,
    "reversed": _reversed,
    "settled_by_hand": _by_hand,
    "contradicted": _contradicted,
    "dispute_opened": _dispute_opened,
    "dispute_over": _dispute_over,
    "event_written": _written,
    "event_delivered": _delivered,
    "event_set_aside": _set_aside,
}
