"""The accounts after a storm: what clients were told, what the database says, what the gateway did, what the sink was told."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.chaos.diary import Diary, Wish
from tests.chaos.world import World

Row = dict[str, Any]
CHARGED = ("SUCCESS", "REFUNDED")

QUERIES = {
    "payments": "SELECT *, metadata ->> 'key' AS key FROM payments ORDER BY payment_id",
    "refunds": "SELECT *, metadata ->> 'key' AS key FROM payment_refunds ORDER BY refund_id",
    "receipts": "SELECT * FROM payment_receipts",
    "keys": "SELECT encode(key_hash, 'hex') AS hash, payment_id, refund_id, answer_status, answer::text AS answer, locked_at"
    " FROM idempotency_keys",
    "askings": "SELECT payment_id, refund_id, asked, said FROM askings",
    "events": "SELECT event_id, type, delivered_at FROM outbox",
    "payment_totals": "SELECT currency, status, method, sum(count) AS count, sum(amount) AS amount, sum(refunded) AS refunded"
    " FROM payment_totals GROUP BY 1, 2, 3 HAVING sum(count) <> 0 OR sum(amount) <> 0 OR sum(refunded) <> 0"
    " ORDER BY 1, 2, 3",
    "payment_sums": "SELECT currency, status, method, count(*) AS count, sum(amount) AS amount,"
    " sum(refunded_amount) AS refunded FROM payments GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "refund_totals": "SELECT currency, sum(count) AS count, sum(amount) AS amount FROM refund_totals"
    " GROUP BY 1 HAVING sum(count) <> 0 OR sum(amount) <> 0 ORDER BY 1",
    "refund_sums": "SELECT p.currency, count(*) AS count, sum(r.amount) AS amount"
    " FROM payment_refunds r JOIN payments p USING (payment_id) WHERE r.status = 'REFUNDED' GROUP BY 1 ORDER BY 1",
}


@dataclass
class Books:
    """One moment of everything, after all is still."""

    wishes: list[Wish]
    tables: dict[str, list[Row]]
    gateway: dict[str, Any]
    events: dict[str, list[Row]]  # what the sink took, by event id: type, body

    def __post_init__(self) -> None:
        self.payments: dict[int, Row] = {row["payment_id"]: row for row in self.tables["payments"]}
        self.refunds: dict[int, Row] = {row["refund_id"]: row for row in self.tables["refunds"]}
        self.keys: dict[str, Row] = {row["hash"]: row for row in self.tables["keys"]}
        self.by_key: dict[str, list[Row]] = defaultdict(list)
        for row in [*self.tables["payments"], *self.tables["refunds"]]:
            self.by_key[row["key"]].append(row)

    def key_of(self, wish: Wish) -> Row | None:
        return self.keys.get(hashlib.sha256(wish.key.encode()).hexdigest())

    def settled(self) -> Iterator[tuple[str, Row]]:
        """Every payment and refund that came to an end, with what its event is called."""
        for payment in self.payments.values():
            if payment["status"] != "PENDING":
                yield ("succeeded" if payment["status"] in CHARGED else "failed"), payment
        for refund in self.refunds.values():
            if refund["status"] != "PENDING":
                yield ("refunded" if refund["status"] == "REFUNDED" else "failed"), refund


def read_books(world: World, diary: Diary) -> Books:
    with world.sql() as sql:
        tables = {name: sql.run(query) for name, query in QUERIES.items()}
    events: dict[str, list[Row]] = defaultdict(list)
    for received in list(world.sink.received):
        # One whose sender was killed in the middle of it is no delivery, to any server.
        if received.taken and len(received.body) == int(received.headers["content-length"]):
            events[received.event_id].append({"type": received.headers["ce-type"], "body": received.body})
    return Books(diary.wishes, tables, world.gateway.ledger(), events)


def cents(amount: Decimal) -> int:
    return int(amount * 100)


def wrongly_moved(books: Books, kind: str) -> Iterator[str]:
    """Money that the gateway moved and should not have, or not as much, or not once; `kind`: charges or refunds."""
    rows = books.payments.values() if kind == "charges" else books.refunds.values()
    moved = books.gateway[kind]
    for row in rows:
        reference = row["reference"]
        done = moved.get(reference, {"succeeded": 0, "amount": 0})
        gateway = row["gateway"] if kind == "charges" else books.payments[row["payment_id"]]["gateway"]
        due = int(row["status"] in (*CHARGED, "REFUNDED") and gateway != "cash")
        if (done["succeeded"], done["amount"]) != (due, due * cents(row["amount"])):
            yield f"{reference}: {row['status']} of {row['amount']} by {gateway}, at the gateway {done}"
    known = {row["reference"] for row in rows}
    yield from (f"{reference}: known to the gateway alone" for reference in moved if reference not in known)


def json_of(text: str | bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return value
