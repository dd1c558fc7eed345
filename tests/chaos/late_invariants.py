"""What must hold of what the gateway said after its first word: of customers, webhooks, late charges, refunds and disputes."""

from collections.abc import Iterator

from tests.chaos.accounts import Books, Row, cents
from tests.chaos.invariants import INVARIANTS, invariant
from tests.support.outcomes import CHARGED

__all__ = ["INVARIANTS"]  # with those of this file

DISPUTES = {
    "warning_needs_response": "INQUIRY",
    "warning_under_review": "INQUIRY",
    "needs_response": "OPEN",
    "under_review": "OPEN",
    "won": "WON",
    "lost": "LOST",
    "warning_closed": "WITHDRAWN",
}


@invariant("a charge that was paid after it had failed is adopted, or given back once and in whole")
def late_charges(books: Books) -> Iterator[str]:
    """Where the gateway would not give it back, or it came back, somebody was told: the refund says so."""
    given_back: dict[int, list[Row]] = {}
    for refund in books.refunds.values():
        if refund["source"] == "late_payment":
            given_back.setdefault(refund["payment_id"], []).append(refund)
    for payment_id, payment in books.payments.items():
        refunds, paid = given_back.get(payment_id, []), sum(charge["paid"] for charge in books.truth_of(payment))
        late = payment["status"] == "FAILED" and paid > 0
        if len(refunds) != int(late):
            yield f"{payment['reference']}: {payment['status']}, {paid} paid, refunds {refunds}"
        for refund in refunds:
            if cents(refund["amount"]) != paid:
                yield f"{payment['reference']}: {refund['amount']} given back of {paid}"


@invariant("charge by charge, what was given back, came back and is disputed is what the gateway says")
def charge_by_charge(books: Books) -> Iterator[str]:
    for payment in books.payments.values():
        if payment["status"] not in CHARGED or payment["gateway"] == "cash":
            continue
        charges = [charge for charge in books.truth_of(payment) if charge["paid"]]
        truth = tuple(sum(charge[what] for charge in charges) for what in ("given_back", "disputed"))
        kept = (cents(payment["refunded_amount"]), cents(payment["disputed_amount"]))
        if kept != truth:
            yield f"{payment['reference']}: refunded and disputed {kept}, at the gateway {truth}: {charges}"


@invariant("disputes are the gateway's, each as it stands there")
def disputes(books: Books) -> Iterator[str]:
    kept = {row["gateway_id"]: row for row in books.tables["disputes"]}
    told = {event_id.partition(".")[0] for event_id in books.events}
    yield from (f"{dispute_id}: no event tells of it" for dispute_id in kept if dispute_id not in told)
    for charge in books.gateway["by_charge"].values():
        for dispute_id, dispute in charge["disputes"].items():
            row = kept.pop(dispute_id, None)
            if row is None or (cents(row["amount"]), row["status"]) != (dispute["amount"], DISPUTES[dispute["status"]]):
                yield f"{dispute_id} of {charge['reference']}: {row}, at the gateway {dispute}"
    yield from (f"{dispute_id}: the gateway has no such dispute" for dispute_id in kept)


@invariant("no ring is left")
def no_ring(books: Books) -> Iterator[str]:
    yield from (str(ring) for ring in books.tables["rings"])


@invariant("every event of the gateway's was heard, by whichever way")
def all_events_heard(books: Books) -> Iterator[str]:
    heard = {row["event_id"] for row in books.tables["said"]}
    yield from (event_id for event_id in books.gateway["rung_for"] if event_id not in heard)


@invariant("a webhook that is not signed as it should be is refused")
def forgeries_refused(books: Books) -> Iterator[str]:
    for answered, number in books.gateway["webhooks"].items():
        kind, _, status = answered.rpartition(" ")
        if kind in ("forged signature", "forged time") and status.startswith("2"):
            yield f"{kind}: {number} of them taken"


@invariant("what a customer was to do is told to nobody else, and forgotten once it is over")
def nothing_to_do(books: Books) -> Iterator[str]:
    yield from (row["reference"] for row in books.payments.values() if row["next_action"] is not None)
    for event_id, deliveries in books.events.items():
        if any(b"next_action" in each["body"] or b"_secret_" in each["body"] for each in deliveries):
            yield event_id
