"""What must hold after every single step: one look at all tables, against what the bank moved."""

from collections.abc import Iterator
from typing import Any

from tests.model.bank import Bank
from tests.support.sql import Sql

Row = dict[str, Any]
CHARGED = ("SUCCESS", "REFUNDED")
TABLES = "payments, payment_receipts, payment_refunds, idempotency_keys, outbox, gateway_askings"
PASS = """
UPDATE payments SET created_at = created_at - make_interval(secs => %(s)s);
UPDATE payment_refunds SET created_at = created_at - make_interval(secs => %(s)s);
SET session_replication_role = replica;
UPDATE outbox SET created_at = created_at - make_interval(secs => %(s)s),
       next_attempt_at = next_attempt_at - make_interval(secs => %(s)s);
UPDATE idempotency_keys SET locked_at = locked_at - make_interval(secs => %(s)s),
       ask_after = ask_after - make_interval(secs => %(s)s), expires_at = expires_at - make_interval(secs => %(s)s),
       created_at = created_at - make_interval(secs => %(s)s);
RESET session_replication_role;
UPDATE oldest_open SET requests = requests - make_interval(secs => %(s)s), events = events - make_interval(secs => %(s)s),
       expired = expired - make_interval(secs => %(s)s), noted_at = noted_at - make_interval(secs => %(s)s)
"""
OPEN = (
    "SELECT (SELECT count(*) FROM idempotency_keys WHERE answer_status IS NULL)"
    " + (SELECT count(*) FROM outbox WHERE delivered_at IS NULL)"
)

PAYMENTS = """
SELECT p.*, r.amount AS receipt,
       (SELECT coalesce(sum(f.amount), 0) FROM payment_refunds f
         WHERE f.payment_id = p.payment_id AND f.status = 'REFUNDED') AS back,
       (SELECT coalesce(sum(f.amount), 0) FROM payment_refunds f
         WHERE f.payment_id = p.payment_id AND f.status = 'PENDING') AS held,
       (SELECT array_agg(event_id) FROM outbox WHERE event_id LIKE p.reference || '.%') AS events,
       (SELECT count(*) FROM idempotency_keys k WHERE k.payment_id = p.payment_id AND refund_id IS NULL) AS keys
  FROM payments p LEFT JOIN payment_receipts r USING (payment_id)
"""
REFUNDS = """
SELECT f.*, p.gateway,
       (SELECT array_agg(event_id) FROM outbox WHERE event_id LIKE f.reference || '.%') AS events,
       (SELECT count(*) FROM idempotency_keys k WHERE k.refund_id = f.refund_id) AS keys
  FROM payment_refunds f JOIN payments p USING (payment_id)
"""
TOTALS = """
SELECT (SELECT json_agg(t ORDER BY currency, status, method) FROM (
          SELECT currency, status, method, sum(count) AS n, sum(amount) AS amount, sum(refunded) AS back
            FROM payment_totals
           GROUP BY 1, 2, 3 HAVING (sum(count), sum(amount), sum(refunded)) <> (0, 0, 0)) t)::text AS kept,
       (SELECT json_agg(t ORDER BY currency, status, method) FROM (
          SELECT currency, status, method, count(*) AS n, sum(amount) AS amount, sum(refunded_amount) AS back
            FROM payments
           GROUP BY 1, 2, 3) t)::text AS counted,
       (SELECT json_agg(t ORDER BY currency) FROM (
          SELECT currency, sum(count) AS n, sum(amount) AS amount FROM refund_totals
           GROUP BY 1 HAVING (sum(count), sum(amount)) <> (0, 0)) t)::text AS kept_refunds,
       (SELECT json_agg(t ORDER BY currency) FROM (
          SELECT p.currency, count(*) AS n, sum(r.amount) AS amount FROM payment_refunds r JOIN payments p USING (payment_id)
           WHERE r.status = 'REFUNDED' GROUP BY 1) t)::text AS counted_refunds
"""


def breaches(sql: Sql, bank: Bank) -> Iterator[str]:
    """Whatever breaks an invariant, in words; nothing where all is well."""
    payments, refunds = sql.run(PAYMENTS), sql.run(REFUNDS)
    for payment in payments:
        yield from _payment(payment, bank)
    for refund in refunds:
        yield from _movement(refund, bank, {"REFUNDED": "refunded"})
    known = {row["reference"] for row in [*payments, *refunds]}
    yield from (f"{reference} is known to the bank alone" for reference in bank.moved if reference not in known)
    yield from bank.wrong
    fares = [row["trip_id"] for row in payments if row["base_fare"] is not None and row["status"] != "FAILED"]
    if len(fares) != len(set(fares)):
        yield f"a fare is collected twice: {fares}"
    totals = sql.run(TOTALS)[0]
    if totals["kept"] != totals["counted"] or totals["kept_refunds"] != totals["counted_refunds"]:
        yield f"the totals are wrong: {totals}"


def _payment(payment: Row, bank: Bank) -> Iterator[str]:
    yield from _movement(payment, bank, dict.fromkeys(CHARGED, "succeeded"))
    name, charged = payment["reference"], payment["status"] in CHARGED
    if payment["receipt"] != (payment["amount"] if charged else None):
        yield f"{name}: {payment['status']}, receipt of {payment['receipt']}"
    if (payment["reserved_amount"], payment["refunded_amount"]) != (payment["held"], payment["back"]):
        yield f"{name}: reserved and refunded are not what its refunds say: {payment}"
    if payment["held"] + payment["back"] > payment["amount"]:
        yield f"{name}: more is given back than was charged: {payment}"
    if (payment["payment_token"] is not None) and payment["status"] != "PENDING":
        yield f"{name}: its token was kept"


def _movement(row: Row, bank: Bank, done: dict[str, str]) -> Iterator[str]:
    """Money moved once for what succeeded, not at all for what failed, at most once for what is open; one event each."""
    name, status = row["reference"], row["status"]
    moved = [each.amount for each in bank.moved.get(name, [])]
    if row["gateway"] == "cash":
        right = not moved
    elif status in done:
        right = bank.final(name) == moved == [row["amount"]]
    else:
        right = moved in ([], [row["amount"]]) if status == "PENDING" else moved == []
    if not right:
        yield f"{name}: {status} of {row['amount']}, and the bank moved {moved}"
    due = None if status == "PENDING" else [f"{name}.{done.get(status, 'failed')}"]
    if row["events"] != due:
        yield f"{name}: {status}, events {row['events']}"
    if row["keys"] > 1 or (status == "PENDING" and row["keys"] != 1):
        yield f"{name}: {status}, {row['keys']} keys"
