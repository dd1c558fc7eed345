"""What must hold after every single step: one look at all tables, against what the bank moved.

What the bank says after its first word is not in the books before it was heard: what holds then as well is in `at_the_end`.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.model.bank import Bank
from tests.model.truth import Charge, Refund
from tests.support.outcomes import CHARGED, outcomes_of_payment, outcomes_of_refund
from tests.support.sql import Sql

Row = dict[str, Any]
TABLES = "payments, payment_receipts, payment_refunds, payment_disputes, idempotency_keys, outbox, gateway_askings"
TABLES += ", gateway_said, gateway_rings, gateway_cursors, audit_log, ledger_entries"
PASS = """
UPDATE payments SET created_at = created_at - make_interval(secs => %(s)s);
UPDATE payment_refunds SET created_at = created_at - make_interval(secs => %(s)s);
SET session_replication_role = replica;
UPDATE outbox SET created_at = created_at - make_interval(secs => %(s)s),
       next_attempt_at = next_attempt_at - make_interval(secs => %(s)s);
UPDATE idempotency_keys SET locked_at = locked_at - make_interval(secs => %(s)s),
       ask_after = ask_after - make_interval(secs => %(s)s), act_by = act_by - make_interval(secs => %(s)s),
       expires_at = expires_at - make_interval(secs => %(s)s),
       created_at = created_at - make_interval(secs => %(s)s);
UPDATE gateway_rings SET rung_at = rung_at - make_interval(secs => %(s)s),
       ask_after = ask_after - make_interval(secs => %(s)s);
UPDATE gateway_cursors SET read_after = read_after - make_interval(secs => %(s)s);
RESET session_replication_role;
UPDATE oldest_open SET requests = requests - make_interval(secs => %(s)s), events = events - make_interval(secs => %(s)s),
       expired = expired - make_interval(secs => %(s)s), noted_at = noted_at - make_interval(secs => %(s)s)
"""
OPEN = (
    "SELECT (SELECT count(*) FROM idempotency_keys WHERE answer_status IS NULL)"
    " + (SELECT count(*) FROM outbox WHERE delivered_at IS NULL) + (SELECT count(*) FROM gateway_rings)"
)
HEARD = "SELECT event_id FROM gateway_said WHERE event_id IS NOT NULL"

PAYMENTS = """
SELECT p.*, r.amount AS receipt,
       (SELECT coalesce(sum(f.amount), 0) FROM payment_refunds f
         WHERE f.payment_id = p.payment_id AND f.status = 'REFUNDED' AND f.source <> 'late_payment') AS back,
       (SELECT coalesce(sum(f.amount), 0) FROM payment_refunds f
         WHERE f.payment_id = p.payment_id AND f.status = 'REVERSED' AND f.source <> 'late_payment') AS came_back,
       (SELECT coalesce(sum(f.amount), 0) FROM payment_refunds f
         WHERE f.payment_id = p.payment_id AND f.status = 'PENDING' AND f.source <> 'late_payment') AS held,
       (SELECT coalesce(sum(d.amount), 0) FROM payment_disputes d
         WHERE d.payment_id = p.payment_id AND d.status IN ('OPEN', 'LOST')) AS disputed,
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
           WHERE r.status = 'REFUNDED' AND r.source <> 'late_payment' GROUP BY 1) t)::text AS counted_refunds,
       (SELECT json_agg(t ORDER BY currency, status) FROM (
          SELECT currency, status, sum(count) AS n, sum(amount) AS amount FROM dispute_totals
           GROUP BY 1, 2 HAVING (sum(count), sum(amount)) <> (0, 0)) t)::text AS kept_disputes,
       (SELECT json_agg(t ORDER BY currency, status) FROM (
          SELECT currency, status, count(*) AS n, sum(amount) AS amount FROM payment_disputes
           GROUP BY 1, 2) t)::text AS counted_disputes,
       (SELECT json_agg(t ORDER BY payment_id, movement) FROM (
          SELECT payment_id, CASE WHEN movement LIKE 'dispute %' THEN 'disputes' ELSE movement END AS movement,
                 sum(gateway_receivable + cash_with_drivers) AS amount,
                 sum(revenue + drivers_payable + refunds + disputes + fees + late_payments) AS other_side
            FROM ledger_entries
           GROUP BY 1, 2 HAVING sum(gateway_receivable + cash_with_drivers) <> 0) t)::text AS kept_entries,
       (SELECT json_agg(t ORDER BY payment_id, movement) FROM (
          SELECT payment_id, movement, amount, -amount AS other_side FROM (
            SELECT payment_id, 'charge' AS movement, amount FROM payments WHERE status IN ('SUCCESS', 'REFUNDED')
             UNION ALL
            SELECT payment_id, 'late charge ' || refund_id, amount FROM payment_refunds WHERE source = 'late_payment'
             UNION ALL
            SELECT payment_id, 'refund ' || refund_id, -amount FROM payment_refunds WHERE status IN ('REFUNDED', 'REVERSED')
             UNION ALL
            SELECT payment_id, 'reversal ' || refund_id, amount FROM payment_refunds WHERE status = 'REVERSED'
             UNION ALL
            SELECT payment_id, 'disputes', -sum(amount) FROM payment_disputes WHERE status IN ('OPEN', 'LOST') GROUP BY 1
          ) AS moved) t)::text AS counted_entries
"""


def breaches(sql: Sql, bank: Bank) -> Iterator[str]:
    """Whatever breaks an invariant, in words; nothing where all is well."""
    payments, refunds = sql.run(PAYMENTS), sql.run(REFUNDS)
    for payment in payments:
        yield from _payment(payment, bank)
    for refund in refunds:
        yield from _refund(refund, bank)
    known = {row["reference"] for row in [*payments, *refunds]}
    ours = {charge.reference for charge in bank.truth.charges}
    ours |= {refund.reference for refund in bank.truth.refunds if refund.reference}
    yield from (f"{reference} is known to the bank alone" for reference in ours - known)
    yield from bank.wrong
    fares = [row["trip_id"] for row in payments if row["base_fare"] is not None and row["status"] != "FAILED"]
    if len(fares) != len(set(fares)):
        yield f"a fare is collected twice: {fares}"
    totals = sql.run(TOTALS)[0]
    for counted in ("counted", "counted_refunds", "counted_disputes", "counted_entries"):
        if totals[counted] != totals[counted.replace("counted", "kept")]:
            yield f"the totals are wrong: {totals}"


def at_the_end(sql: Sql, bank: Bank) -> Iterator[str]:
    """What holds besides once everything was heard and nothing is open."""
    payments, refunds = sql.run(PAYMENTS), sql.run(REFUNDS)
    for payment in payments:
        paid = [charge for charge in _charges_of(payment, bank) if charge.status == "succeeded"]
        late = [
            each for each in refunds if (each["payment_id"], each["source"]) == (payment["payment_id"], "late_payment")
        ]
        if [each["amount"] for each in late] != [each.amount for each in paid if payment["status"] == "FAILED"]:
            yield f"{payment['reference']}: {payment['status']}, paid {paid}, given back {late}"
        if payment["status"] in CHARGED:
            kept = (payment["refunded_amount"], payment["disputed_amount"])
            truth = (
                sum((bank.truth.given_back(each.id) for each in paid), Decimal(0)),
                sum((bank.truth.held(each.id) for each in paid), Decimal(0)),
            )
            if payment["gateway"] != "cash" and kept != truth:
                yield f"{payment['reference']}: refunded and disputed {kept}, at the bank {truth}"
    for refund in refunds:
        found = _refund_of(refund, bank)
        went_out = found is not None and found.status == "succeeded"
        if refund["gateway"] != "cash" and (refund["status"] == "REFUNDED") != went_out:
            yield f"{refund['reference']}: {refund['status']}, at the bank {found}"
    kept_disputes = {row["gateway_id"]: row["status"] for row in sql.run("SELECT * FROM payment_disputes")}
    if kept_disputes != {dispute.id: dispute.status for dispute in bank.truth.disputes}:
        yield f"disputes are {kept_disputes}, at the bank {bank.truth.disputes}"


def _payment(payment: Row, bank: Bank) -> Iterator[str]:
    name, status, charged = payment["reference"], payment["status"], payment["status"] in CHARGED
    charges = _charges_of(payment, bank)
    paid = [charge.amount for charge in charges if charge.status == "succeeded"]
    if payment["gateway"] == "cash":
        right = not charges
    elif charged:
        right = paid == [payment["amount"]]
    else:
        right = paid in ([], [payment["amount"]]) and (
            status == "PENDING" or all(each.late for each in charges if paid)
        )
    if not right:
        yield f"{name}: {status} of {payment['amount']}, and the bank has {charges}"
    yield from _told(payment, outcomes_of_payment(payment))
    if payment["receipt"] != (payment["amount"] if charged else None):
        yield f"{name}: {status}, receipt of {payment['receipt']}"
    kept = [payment[f"{what}_amount"] for what in ("reserved", "refunded", "reversed", "disputed")]
    if kept != [payment[what] for what in ("held", "back", "came_back", "disputed")]:
        yield f"{name}: its amounts are not what its refunds and disputes say: {payment}"
    if payment["held"] + payment["back"] > payment["amount"]:
        yield f"{name}: more is given back than was charged: {payment}"
    if status != "PENDING" and (payment["payment_token"] or payment["next_action"]) is not None:
        yield f"{name}: its token was kept, or what its customer was to do"


def _refund(refund: Row, bank: Bank) -> Iterator[str]:
    """Money went out once for what was refunded, though it may be back since; not at all for what failed."""
    found = _refund_of(refund, bank)
    went_out = found is not None and (found.status == "succeeded" or found.came_back)
    if refund["gateway"] == "cash":
        right = found is None
    elif refund["status"] in ("REFUNDED", "REVERSED"):
        right = went_out and (refund["status"] == "REFUNDED" or (found is not None and found.came_back))
    else:
        right = refund["status"] == "PENDING" or not went_out or (found is not None and found.came_back)
    if not right:
        yield f"{refund['reference']}: {refund['status']} of {refund['amount']}, and the bank has {found}"
    if found is not None and found.amount != refund["amount"]:
        yield f"{refund['reference']}: {refund['amount']}, and the bank has {found}"
    yield from _told(refund, outcomes_of_refund(refund))


def _told(row: Row, outcomes: tuple[str, ...]) -> Iterator[str]:
    """An event of each outcome, and a key while there is one to come."""
    name = row["reference"]
    if sorted(row["events"] or ()) != [f"{name}.{outcome}" for outcome in sorted(outcomes)]:
        yield f"{name}: {row['status']}, events {row['events']}"
    if row["keys"] > 1 or (row["status"] == "PENDING" and row["keys"] != 1):
        yield f"{name}: {row['status']}, {row['keys']} keys"


def _charges_of(payment: Row, bank: Bank) -> list[Charge]:
    return [charge for charge in bank.truth.charges if charge.reference == payment["reference"]]


def _refund_of(refund: Row, bank: Bank) -> Refund | None:
    by_name = refund["source"] == "gateway"
    for each in bank.truth.refunds:
        if each.id == refund["gateway_id"] if by_name else each.reference == refund["reference"]:
            return each
    return None
