"""The accounts after a storm: what clients were told, what the database says, what the gateway did, what the sink was told."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from shared.charging.idempotency import hash_event
from tests.chaos.diary import EVENTS_OF, Diary, Event, Wish
from tests.chaos.world import World
from tests.support.outcomes import CHARGED, outcomes_of_payment, outcomes_of_refund

Row = dict[str, Any]
NOTHING = {"succeeded": 0, "amount": 0}

QUERIES = {
    "payments": "SELECT *, metadata ->> 'key' AS key FROM payments ORDER BY payment_id",
    "refunds": "SELECT *, metadata ->> 'key' AS key FROM payment_refunds ORDER BY refund_id",
    "disputes": "SELECT * FROM payment_disputes ORDER BY dispute_id",
    "rings": "SELECT kind, object_id, tries, why FROM gateway_rings",
    "said": "SELECT event_id FROM gateway_said WHERE event_id IS NOT NULL",
    "read": "SELECT object_id, said ->> 'status' AS status FROM gateway_said WHERE source = 'read'",
    "receipts": "SELECT * FROM payment_receipts",
    "keys": "SELECT encode(key_hash, 'hex') AS hash, payment_id, refund_id, answer_status, answer::text AS answer, locked_at"
    " FROM idempotency_keys",
    "askings": "SELECT payment_id, refund_id, asked, said FROM askings",
    "events": "SELECT event_id, type, delivered_at FROM outbox",
    "entries": "SELECT * FROM ledger_entries ORDER BY entry_id",
    "ledger_counted": "SELECT * FROM ledger_counted",
    "ledger_moves": "SELECT * FROM ledger_moves",
    "payment_totals": "SELECT currency, status, method, sum(count) AS count, sum(amount) AS amount, sum(refunded) AS refunded"
    " FROM payment_totals GROUP BY 1, 2, 3 HAVING sum(count) <> 0 OR sum(amount) <> 0 OR sum(refunded) <> 0"
    " ORDER BY 1, 2, 3",
    "payment_sums": "SELECT currency, status, method, count(*) AS count, sum(amount) AS amount,"
    " sum(refunded_amount) AS refunded FROM payments GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "refund_totals": "SELECT currency, sum(count) AS count, sum(amount) AS amount FROM refund_totals"
    " GROUP BY 1 HAVING sum(count) <> 0 OR sum(amount) <> 0 ORDER BY 1",
    "refund_sums": "SELECT p.currency, count(*) AS count, sum(r.amount) AS amount"
    " FROM payment_refunds r JOIN payments p USING (payment_id)"
    " WHERE r.status = 'REFUNDED' AND r.source <> 'late_payment' GROUP BY 1 ORDER BY 1",
    "dispute_totals": "SELECT currency, status, sum(count) AS count, sum(amount) AS amount FROM dispute_totals"
    " GROUP BY 1, 2 HAVING sum(count) <> 0 OR sum(amount) <> 0 ORDER BY 1, 2",
    "dispute_sums": "SELECT currency, status, count(*) AS count, sum(amount) AS amount FROM payment_disputes"
    " GROUP BY 1, 2 ORDER BY 1, 2",
    "quarters": "SELECT currency, status, sum(count) AS count, sum(amount) AS amount, sum(refunded) AS refunded"
    " FROM figures_with_disputes GROUP BY 1, 2 HAVING sum(count) <> 0 OR sum(amount) <> 0 OR sum(refunded) <> 0 ORDER BY 1, 2",
    "quarter_sums": "SELECT currency, status, count(*) AS count, sum(amount) AS amount, sum(refunded_amount) AS refunded"
    " FROM payments GROUP BY 1, 2 UNION ALL"
    " SELECT p.currency, NULL, count(*), sum(r.amount), 0 FROM payment_refunds r JOIN payments p USING (payment_id)"
    " WHERE r.status = 'REFUNDED' AND r.source <> 'late_payment' GROUP BY 1 UNION ALL"
    " SELECT currency, 'DISPUTE ' || status, count(*), sum(amount), 0 FROM payment_disputes GROUP BY 1, 2 ORDER BY 1, 2",
}


@dataclass
class Books:
    """One moment of everything, after all is still."""

    wishes: list[Wish]
    tables: dict[str, list[Row]]
    gateway: dict[str, Any]
    events: dict[str, list[Row]]  # what the sink took, by event id: type, body
    trips: list[Event]  # what charge_trip was told

    def __post_init__(self) -> None:
        self.payments: dict[int, Row] = {row["payment_id"]: row for row in self.tables["payments"]}
        self.refunds: dict[int, Row] = {row["refund_id"]: row for row in self.tables["refunds"]}
        self.keys: dict[str, Row] = {row["hash"]: row for row in self.tables["keys"]}
        self.by_key: dict[str, list[Row]] = defaultdict(list)
        asked_for = [row for row in self.tables["refunds"] if row["source"] == "client"]
        charged_by_events = {row["payment_id"] for row in map(self.key_of_event, self.trips) if row}
        for row in [*self.tables["payments"], *asked_for]:
            if row["payment_id"] not in charged_by_events or "refund_id" in row:
                self.by_key[row["key"]].append(row)

    def key_of(self, wish: Wish) -> Row | None:
        return self.keys.get(hashlib.sha256(wish.key.encode()).hexdigest())

    def key_of_event(self, event: Event) -> Row | None:
        return self.keys.get(hash_event(EVENTS_OF, event.event_id).hex())

    def settled(self) -> Iterator[tuple[str, Row]]:
        """Everything that a payment and a refund came to, one after the other, with what its event is called."""
        for payment in self.payments.values():
            yield from ((outcome, payment) for outcome in outcomes_of_payment(payment))
        for refund in self.refunds.values():
            yield from ((outcome, refund) for outcome in outcomes_of_refund(refund))

    def truth_of(self, payment: Row) -> list[Row]:
        """What the gateway has under a payment's reference: charges, each with its refunds and disputes."""
        return self.by_reference.get(payment["reference"], [])

    @cached_property
    def by_reference(self) -> dict[str, list[Row]]:
        charges: dict[str, list[Row]] = defaultdict(list)
        for charge in self.gateway["by_charge"].values():
            charges[charge["reference"]].append(charge)
        return charges


def read_books(world: World, diary: Diary) -> Books:
    with world.sql() as sql:
        tables = {name: sql.run(query) for name, query in QUERIES.items()}
    events: dict[str, list[Row]] = defaultdict(list)
    for received in list(world.sink.received):
        # One whose sender was killed in the middle of it is no delivery, to any server.
        if received.taken and len(received.body) == int(received.headers["content-length"]):
            events[received.event_id].append({"type": received.headers["ce-type"], "body": received.body})
    return Books(diary.wishes, tables, world.gateway.ledger(), events, diary.events)


def cents(amount: Decimal) -> int:
    return int(amount * 100)


def wrongly_charged(books: Books) -> Iterator[str]:
    """Charges that the gateway made and should not have, or not of as much, or not once. One that was paid late is looked at
    apart."""
    moved = books.gateway["charges"]
    for row in books.payments.values():
        done = moved.get(row["reference"], NOTHING)
        due = int(row["status"] in CHARGED and row["gateway"] != "cash")
        late = row["status"] == "FAILED" and row["late_charge_id"] and done["succeeded"] == 1
        if (done["succeeded"], done["amount"]) != (due, due * cents(row["amount"])) and not late:
            yield f"{row['reference']}: {row['status']} of {row['amount']} by {row['gateway']}, at the gateway {done}"
    known = {row["reference"] for row in books.payments.values()}
    yield from (f"{reference}: known to the gateway alone" for reference in moved if reference not in known)


def wrongly_refunded(books: Books) -> Iterator[str]:
    """Refunds of which the gateway says something else than the books, and those that it has alone. Of its dashboard's need
    not be in the books what never went out, nor what gives back a charge that was paid late: it is no refund of a payment."""
    moved = books.gateway["refunds"]
    names = {
        row["gateway_id"] if row["source"] == "gateway" else row["reference"]: row for row in books.refunds.values()
    }
    for name, row in names.items():
        done = moved.get(name, NOTHING)
        due = int(row["status"] == "REFUNDED" and books.payments[row["payment_id"]]["gateway"] != "cash")
        if (done["succeeded"], done["amount"]) != (due, due * cents(row["amount"])):
            yield f"{name}: {row['status']} of {row['amount']} ({row['source']}), at the gateway {done}"
    given_back = {payment["late_charge_id"] for payment in books.payments.values() if payment["status"] == "FAILED"}
    for name, done in moved.items():
        in_dashboard = name.startswith("re_")
        due = not in_dashboard or (done["succeeded"] and done["payment_intent"] not in given_back)
        if name not in names and due:
            yield f"{name}: known to the gateway alone: {done}"


def json_of(text: str | bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return value
