"""Rows for the tests of the schema, as bad or as many as a test wants them. Each gets where it is by moves that are legal."""

from typing import Any

from tests.support.sql import Sql

PAYMENT = {
    "trip_id": 1,
    "amount": "100.00",
    "currency": "INR",
    "method": "CARD",
    "status": "SUCCESS",
    "gateway": "scripted",
}
# The parameters of claim_payment and charge_at_once.
CLAIM = {
    "key_hash": bytes(32),
    "fingerprint": bytes(32),
    "correlation_id": "c",
    "traceparent": None,
    "caller": None,
    "trip_id": 1,
    "amount": 1,
    "currency": "INR",
    "method": "CARD",
    "reference": "PAY-1",
    "gateway": "simulated",
    "gateway_account": "simulated",
    "payment_token": None,
    "payment_customer": None,
    "customer_present": False,
    "base_fare": None,
    "distance_km": None,
    "rate_per_km": None,
    "surge_multiplier": None,
    "driver_id": None,
    "commission": None,
    "metadata": "{}",
    "lease_seconds": 60,
    "key_ttl": 60,
}
REFUND = {"amount": "10.00", "status": "REFUNDED"}
DISPUTE = {"amount": "10.00", "currency": "INR", "gateway": "scripted", "status": "OPEN", "opened_at": "now"}
FARE = {"base_fare": 5, "distance_km": 10, "rate_per_km": 2, "surge_multiplier": 1}


def insert(sql: Sql, table: str, row: dict[str, Any]) -> dict[str, Any]:
    """Inserts a row and returns it as stored. Raises psycopg2.Error."""
    names = ", ".join(row)
    places = ", ".join(f"%({name})s" for name in row)
    return sql.run(f"INSERT INTO {table} ({names}) VALUES ({places}) RETURNING *", row)[0]


def move(sql: Sql, table: str, which: dict[str, int], fields: dict[str, Any]) -> None:
    """Changes these fields of one row, named by its id. Raises psycopg2.Error."""
    [name] = which
    changes = ", ".join(f"{field} = %({field})s" for field in fields)
    sql.run(f"UPDATE {table} SET {changes} WHERE {name} = %({name})s", fields | which)


def a_payment(sql: Sql, **fields: Any) -> int:
    """A payment, charged unless its fields say otherwise; its id."""
    row = PAYMENT | {"reference": sql.value("SELECT 'PAY-' || gen_random_uuid()")} | fields
    if row["status"] == "PENDING" or row["gateway"] is None:
        return int(insert(sql, "payments", row)["payment_id"])
    end = {
        name: row.pop(name)
        for name in ("status", "failure_code", "reserved_amount", "refunded_amount", "late_charge_id")
        if name in row
    }
    payment_id = int(insert(sql, "payments", row | {"status": "PENDING"})["payment_id"])
    if end["status"] == "REFUNDED":
        move(sql, "payments", {"payment_id": payment_id}, {"status": "SUCCESS"})
    move(sql, "payments", {"payment_id": payment_id}, end)
    return payment_id


def a_refund(sql: Sql, payment_id: int, **fields: Any) -> int:
    """A refund, given back unless its fields say otherwise; its id. The payment stays as it is."""
    reference = {"reference": sql.value("SELECT 'REF-' || gen_random_uuid()")}
    row = REFUND | reference | {"payment_id": payment_id} | fields
    end = {name: row.pop(name) for name in ("status", "failure_code") if name in row}
    refund_id = int(insert(sql, "payment_refunds", row | {"status": "PENDING"})["refund_id"])
    if end["status"] == "REVERSED":
        move(sql, "payment_refunds", {"refund_id": refund_id}, {"status": "REFUNDED"})
        end["reversed_at"] = "now"
    move(sql, "payment_refunds", {"refund_id": refund_id}, end)
    return refund_id


def a_dispute(sql: Sql, payment_id: int, **fields: Any) -> int:
    """A dispute of a payment, open unless its fields say otherwise; its id. The payment stays as it is."""
    row = DISPUTE | {"gateway_id": sql.value("SELECT 'du_' || gen_random_uuid()"), "payment_id": payment_id} | fields
    over = {"closed_at": "now"} if row["status"] in ("WON", "LOST", "WITHDRAWN") else {}
    return int(insert(sql, "payment_disputes", row | over)["dispute_id"])


def a_reconciliation(sql: Sql, **fields: Any) -> int:
    """The reconciliation of yesterday with Stripe, done with nothing found, unless its fields say otherwise; its id."""
    row = {name: sql.value(f"SELECT {moment}") for name, moment in YESTERDAY.items() if name not in fields}
    row |= {"gateway": "stripe", "account": "acct_1/live", "phase": "done"}
    row |= {"movements": 0, "differences": 0, "not_yet_due": 0}
    return int(insert(sql, "reconciliations", row | fields)["reconciliation_id"])


YESTERDAY = {"from_at": "current_date - 1", "to_at": "current_date", "finished_at": "now()"}


def a_movement(sql: Sql, reconciliation_id: int, movement: str, **fields: Any) -> str:
    """A movement of a reconciliation, a charge that is missing here unless its fields say otherwise; its name."""
    row = {"kind": "charge", "at": "yesterday", "object_id": "pi_9", "charge_id": "pi_9", "currency": "INR", "run": 1}
    row |= {"their_amount": "150.00", "their_status": "succeeded", "verdict": "missing_here"}
    row |= {"reconciliation_id": reconciliation_id, "movement": movement}
    return str(insert(sql, "reconciled_movements", row | fields)["movement"])


def an_entry(sql: Sql, payment_id: int, movement: str, **accounts: str) -> None:
    """An entry of a payment in the journal, with what each account changes by."""
    insert(sql, "ledger_entries", {"payment_id": payment_id, "movement": movement, "currency": "INR"} | accounts)


def a_key(sql: Sql, payment_id: int, **fields: Any) -> bytes:
    """An open key, asked once and free, unless its fields say otherwise; its hash."""
    key_hash = sql.value("SELECT sha256(gen_random_uuid()::text::bytea)")
    open_key = {
        "key_hash": key_hash,
        "fingerprint": bytes(32),
        "payment_id": payment_id,
        "correlation_id": "a-test",
        "asked": 1,
        "ask_after": "now",
    }
    return bytes(insert(sql, "idempotency_keys", open_key | fields)["key_hash"])


def an_event(sql: Sql, event_id: str, **fields: Any) -> str:
    event = {
        "event_id": event_id,
        "type": "com.ridehailing.payment.succeeded.v1",
        "subject": "payments/1",
        "correlation_id": "a-test",
        "data": '{"payment_id": 1}',
    }
    return str(insert(sql, "outbox", event | fields)["event_id"])


ABANDONED = """
WITH payment AS (
    INSERT INTO payments (trip_id, amount, currency, method, status, reference, gateway, payment_token, created_at)
    SELECT n, 150, 'INR', 'CARD', 'PENDING', 'PAY-abandoned-' || n, %(gateway)s, 'pm_card_visa', now() - interval '15 min'
      FROM generate_series(1, %(number)s) AS n
    RETURNING payment_id, reference, created_at
)
INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, asked, locked_at, ask_after, created_at)
SELECT sha256(reference::bytea), sha256(''), payment_id, 'abandoned', 1, created_at, created_at + interval '1 min', created_at
  FROM payment
"""


def abandoned_charges(sql: Sql, number: int, gateway: str = "stripe") -> None:
    """Claims of a quarter of an hour ago whose workers died before they asked the gateway."""
    sql.run(ABANDONED, {"number": number, "gateway": gateway})
