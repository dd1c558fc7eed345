"""What must hold after every storm, each by its name: a function from the books to whatever breaks it."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal

from tests.chaos.accounts import Books, json_of, wrongly_charged, wrongly_refunded
from tests.support.outcomes import CHARGED

Invariant = Callable[[Books], Iterator[str]]
INVARIANTS: dict[str, Invariant] = {}


def invariant(name: str) -> Callable[[Invariant], Invariant]:
    def add(check: Invariant) -> Invariant:
        INVARIANTS[name] = check
        return check

    return add


@invariant("every key has one payment or refund, and it is the key's own")
def one_each(books: Books) -> Iterator[str]:
    for wish in books.wishes:
        rows, key = books.by_key.get(wish.key, []), books.key_of(wish)
        if len(rows) > 1 or (wish.settled and len(rows) != 1) or (key is None) != (not rows):
            yield f"{wish.key}: {len(rows)} of them, key {key}"
        elif key and rows:
            its_own = books.refunds[key["refund_id"]] if key["refund_id"] else books.payments[key["payment_id"]]
            if its_own is not rows[0]:
                yield f"{wish.key}: its key points at {its_own['reference']}, not {rows[0]['reference']}"
    asked = {wish.key for wish in books.wishes}
    yield from (f"{key}: nobody asked for it" for key in books.by_key if key not in asked)


@invariant("what was refused claimed nothing")
def refusals_claim_nothing(books: Books) -> Iterator[str]:
    """Where a try went unanswered it may have come in after the refusal, and have been carried out: that is not looked at."""
    for wish in books.wishes:
        refused = wish.final is not None and not wish.settled
        if refused and wish.asked == wish.answered and books.by_key.get(wish.key):
            yield f"{wish.key}: told {wish.final}, and there is {books.by_key[wish.key][0]['reference']}"


@invariant("every patient client got its final answer")
def all_answered(books: Books) -> Iterator[str]:
    yield from (f"{wish.key}: none in {wish.asked} tries" for wish in books.wishes if not wish.final and not wish.once)


@invariant("every successful payment was charged once, its amount; no other was charged")
def charged_once(books: Books) -> Iterator[str]:
    return wrongly_charged(books)


@invariant("refunds at the gateway are the settled ones, once each")
def refunded_once(books: Books) -> Iterator[str]:
    return wrongly_refunded(books)


@invariant("cash never reaches the gateway")
def cash_stays_here(books: Books) -> Iterator[str]:
    for payment in books.payments.values():
        if payment["method"] == "CASH" and payment["reference"] in books.gateway["keys"]:
            yield payment["reference"]


@invariant("a reference never comes to the gateway with other parameters")
def same_parameters(books: Books) -> Iterator[str]:
    yield from (f"{key}: {known}" for key, known in books.gateway["keys"].items() if known["mismatches"])


@invariant("every successful payment has one receipt of its amount, no other has one")
def receipts(books: Books) -> Iterator[str]:
    issued = {row["payment_id"]: row["amount"] for row in books.tables["receipts"]}
    for payment_id, payment in books.payments.items():
        due = payment["amount"] if payment["status"] in CHARGED else None
        if issued.get(payment_id) != due:
            yield f"payment {payment_id}, {payment['status']} of {payment['amount']}: {issued.get(payment_id)}"


@invariant("what settled a payment or refund, the gateway said, and that is kept")
def askings_kept(books: Books) -> Iterator[str]:
    """Each is settled by what somebody heard, who stored the one with the other, or read because it was rung for; of those that
    died before nothing is known."""
    said: dict[tuple[int, int | None], set[str]] = defaultdict(set)
    for row in books.tables["askings"]:
        said[row["payment_id"], row["refund_id"]].add(row["said"])
    read = {(row["object_id"], row["status"]) for row in books.tables["read"]}
    declined = {"declined", "never_heard"}
    for outcome, row in books.settled():
        cash = books.payments[row["payment_id"]]["gateway"] == "cash"
        heard = said[row["payment_id"], row.get("refund_id")]
        status = "failed" if outcome == "reversed" else "succeeded"
        was_read = outcome != "failed" and (row["gateway_id"], status) in read
        asked = (outcome == "failed" and heard & declined) or (outcome != "reversed" and "succeeded" in heard)
        if not cash and not was_read and not asked:
            yield f"{row['reference']}, {outcome}: the gateway said {heard}"


@invariant("every settled payment and refund has its event, and the sink received it")
def all_heard(books: Books) -> Iterator[str]:
    written = {row["event_id"] for row in books.tables["events"]}
    for outcome, row in books.settled():
        event_id = f"{row['reference']}.{outcome}"
        if event_id not in written or event_id not in books.events:
            yield f"{event_id}: written {event_id in written}, received {event_id in books.events}"


@invariant("an event tells of what happened, under one id an outcome, the same at each delivery")
def nothing_invented(books: Books) -> Iterator[str]:
    due = {f"{row['reference']}.{outcome}" for outcome, row in books.settled()}
    disputes = {row["gateway_id"] for row in books.tables["disputes"]}
    for event_id, deliveries in books.events.items():
        about, _, what = event_id.partition(".")
        if event_id not in due and about not in disputes:
            yield f"{event_id}: tells of nothing that happened"
        if len({(each["type"], each["body"]) for each in deliveries}) != 1:
            yield f"{event_id}: differs between deliveries"
        data = json.loads(deliveries[0]["body"])
        if about not in disputes and data.get("refund", data)["reference"] != about:
            yield f"{event_id}: tells {what} of another: {data}"


@invariant("the outbox is delivered")
def outbox_empty(books: Books) -> Iterator[str]:
    yield from (row["event_id"] for row in books.tables["events"] if row["delivered_at"] is None)


@invariant("a trip's fare is collected at most once")
def one_fare(books: Books) -> Iterator[str]:
    fares = [row for row in books.payments.values() if row["base_fare"] is not None and row["status"] != "FAILED"]
    collected = Counter(row["trip_id"] for row in fares)
    yield from (f"trip {trip_id}: {count} times" for trip_id, count in collected.items() if count > 1)


@invariant("an event of a completed trip charges its fare once, however often it came, or somebody else did")
def charged_by_events(books: Books) -> Iterator[str]:
    fares = {
        row["trip_id"] for row in books.payments.values() if row["base_fare"] is not None and row["status"] in CHARGED
    }
    for event in books.trips:
        key = books.key_of_event(event)
        row = books.payments[key["payment_id"]] if key else None
        if row and (row["trip_id"], str(row["amount"])) != (event.trip_id, "36.50"):
            yield f"{event.event_id} of trip {event.trip_id}: {row}"
        if event.taken and event.trip_id not in fares and not (row and row["status"] == "FAILED"):
            yield f"{event.event_id}: was taken, and trip {event.trip_id} is not paid: {row}"


@invariant("the totals are what the tables say")
def totals(books: Books) -> Iterator[str]:
    pairs = {"payment_totals": "payment_sums", "refund_totals": "refund_sums", "dispute_totals": "dispute_sums"}
    for kept, counted in (pairs | {"quarters": "quarter_sums"}).items():
        if books.tables[kept] != books.tables[counted]:
            yield f"{kept}: {books.tables[kept]}, and the tables: {books.tables[counted]}"


@invariant("nothing is pending")
def nothing_pending(books: Books) -> Iterator[str]:
    for row in [*books.payments.values(), *books.refunds.values()]:
        if row["status"] == "PENDING":
            yield row["reference"]
    yield from (f"key of payment {key['payment_id']}" for key in books.keys.values() if key["answer_status"] is None)


@invariant("no lease is held")
def no_lease(books: Books) -> Iterator[str]:
    yield from (f"key of payment {key['payment_id']}" for key in books.keys.values() if key["locked_at"])


@invariant("nothing is reserved, and refunds never exceed their payment")
def refunds_within(books: Books) -> Iterator[str]:
    sums: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for refund in books.refunds.values():
        if refund["source"] != "late_payment":
            sums[refund["payment_id"], refund["status"]] += refund["amount"]
    for payment_id, payment in books.payments.items():
        back, came_back = sums[payment_id, "REFUNDED"], sums[payment_id, "REVERSED"]
        whole = payment["status"] == "REFUNDED"
        if payment["reserved_amount"] or back != payment["refunded_amount"] or whole != (back == payment["amount"]):
            yield f"payment {payment_id}: {payment}, refunds of {back}"
        if came_back != payment["reversed_amount"]:
            yield f"payment {payment_id}: {payment}, and {came_back} came back"
        if back > payment["amount"]:
            yield f"payment {payment_id} of {payment['amount']}: refunds of {back}"


@invariant("every final answer says what the database says")
def told_the_truth(books: Books) -> Iterator[str]:
    for wish in books.wishes:
        key = books.key_of(wish)
        if not wish.settled or wish.final is None or key is None:
            continue
        answer = json_of(wish.final.body)
        if wish.final.status == 402:
            answer = answer[wish.kind]
        stored = json_of(key["answer"])
        row = books.refunds[key["refund_id"]] if key["refund_id"] else books.payments[key["payment_id"]]
        # What became of it after its first word changes no answer that was given.
        adopted, came_back = bool(row.get("late_charge_id")), row["status"] == "REVERSED"
        succeeded = came_back or (row["status"] in CHARGED and not adopted)
        code = answer["failure_code"] if adopted or came_back else row["failure_code"]
        expected = (201 if succeeded else 402, row["reference"], code)
        said = (wish.final.status, answer["reference"], answer["failure_code"])
        amount = answer["refund_amount" if wish.kind == "refund" else "amount"]
        if said != expected or answer != stored or amount != row["amount"]:
            yield f"{wish.key}: told {wish.final.status} {answer}, the database says {row}"


@invariant("a client was charged and given back what it asked for")
def as_asked(books: Books) -> Iterator[str]:
    for wish in books.wishes:
        for row in books.by_key.get(wish.key, []):
            wanted = wish.body.get("amount")
            if wanted is not None and round(wanted * 100) != int(row["amount"] * 100):
                yield f"{wish.key}: asked for {wanted}, got {row['amount']}"
            if wanted is None and wish.kind == "payment" and str(row["amount"]) != "36.50":
                yield f"{wish.key}: a fare of {row['amount']}"
