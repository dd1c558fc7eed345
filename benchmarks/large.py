"""A large database, made by SQL within minutes: what a year of payments leaves behind.

    fill(owner, payments=10_000_000, keys=10_000_000)

The rows are those that the service itself would have left: every payment with its receipt where it was charged, the newest
with the key that answers their repetition and the event that the sink took. One in two hundred was partly given back.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.extensions import connection

# Two years, up to now.
SPAN = "interval '730 days'"
# Whatever was there is gone. TRUNCATE in the same transaction also spares the log where wal_level is minimal.
EMPTY = """
TRUNCATE payments, payment_receipts, payment_refunds, idempotency_keys, outbox, audit_log, totals_entries,
 figures_by_quarter, payment_disputes, ledger_entries, ledger_by_quarter, ledger_by_driver RESTART IDENTITY
"""
BEGINNING = """
UPDATE oldest_open SET requests = '-infinity', events = '-infinity', expired = '-infinity', delivered = '-infinity'
"""

# Out of a hundred charges 88 succeed and 8 are declined; 4 of them were wholly given back since. Four in ten are computed
# fares, each of a trip of its own; trips of the others have up to a thousand payments.
PAYMENTS = f"""
INSERT INTO payments (trip_id, amount, currency, method, status, reference, failure_code, gateway, gateway_id,
                      gateway_account, refunded_amount, base_fare, distance_km, rate_per_km, surge_multiplier, metadata,
                      created_at, updated_at)
SELECT CASE WHEN fare THEN 1000000000 + n ELSE 1 + n / 1000 END, amount, 'INR', method, status,
       'PAY-' || to_char(at, 'YYYYMMDD-') || upper(left(md5(n::text), 16)),
       CASE status WHEN 'FAILED' THEN 'card_declined' END,
       CASE method WHEN 'CASH' THEN 'cash' ELSE 'simulated' END,
       CASE WHEN method <> 'CASH' AND status <> 'FAILED' THEN 'sim_' || md5(n::text) END,
       CASE WHEN method <> 'CASH' THEN 'simulated' END,
       CASE WHEN status = 'REFUNDED' THEN amount WHEN status = 'SUCCESS' AND n %% 200 = 0 THEN 5 ELSE 0 END,
       CASE WHEN fare THEN 5 END, CASE WHEN fare THEN 10.5 END, CASE WHEN fare THEN 2.5 END, CASE WHEN fare THEN 1.2 END,
       CASE WHEN n %% 5 = 0 THEN '{{"ride": {{"stops": [1, 2.50, null]}}}}'::json ELSE '{{}}' END,
       at, at
  FROM (SELECT n, n %% 10 < 4 AS fare, (50 + n * 7919 %% 145000 / 100.0)::numeric(12, 2) AS amount,
               (ARRAY['CARD', 'UPI', 'WALLET', 'CASH'])[1 + (hashint8(n) & 3)] AS method,
               CASE WHEN n %% 25 = 7 THEN 'REFUNDED' WHEN n %% 25 IN (11, 19) AND hashint8(n) & 3 <> 3 THEN 'FAILED'
                    ELSE 'SUCCESS' END AS status,
               now() - {SPAN} * (1 - n::float8 / %(payments)s) AS at
          FROM generate_series(1, %(payments)s::bigint) AS n) AS made
"""
RECEIPTS = """
INSERT INTO payment_receipts (payment_id, amount, currency, issued_at)
SELECT payment_id, amount, currency, created_at FROM payments WHERE status IN ('SUCCESS', 'REFUNDED')
"""
REFUNDS = """
INSERT INTO payment_refunds (payment_id, amount, status, reference, gateway_id, reason, created_at, updated_at)
SELECT payment_id, refunded_amount, 'REFUNDED', replace(reference, 'PAY', 'REF'), 're_' || payment_id, 'Customer request',
       created_at, created_at
  FROM payments WHERE refunded_amount > 0
"""
# The newest payments came within the life of a key, which is the same day: their keys expire throughout the next.
KEYS = """
INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, asked, created_at,
                              answer_status, answer, expires_at)
SELECT sha256(('key ' || payment_id)::bytea), sha256(payment_id::text::bytea), payment_id, md5(payment_id::text), 1, created_at,
       CASE status WHEN 'FAILED' THEN 402 ELSE 201 END, payment_json(payments),
       now() + interval '1 day' * (payment_id - %(payments)s + %(keys)s) / %(keys)s
  FROM payments WHERE payment_id > %(payments)s - %(keys)s
"""
EVENTS = """
INSERT INTO outbox (event_id, type, subject, correlation_id, data, created_at, next_attempt_at, delivered_at)
SELECT reference || CASE status WHEN 'FAILED' THEN '.failed' ELSE '.succeeded' END,
       'com.ridehailing.payment.' || CASE status WHEN 'FAILED' THEN 'failed' ELSE 'succeeded' END || '.v1',
       'payments/' || payment_id, md5(payment_id::text), payment_json(payments),
       made, made, made + interval '20 ms'
  FROM (SELECT payments, payments.*, now() - interval '1 day' * (%(payments)s - payment_id) / %(keys)s AS made
          FROM payments WHERE payment_id > %(payments)s - %(keys)s) AS payments
"""
TOTALS = """
INSERT INTO totals_entries (currency, status, method, count, amount, refunded, at)
SELECT currency, status, method, count(*), sum(amount), sum(refunded_amount), NULL::timestamptz
  FROM payments GROUP BY currency, status, method
 UNION ALL
SELECT 'INR', NULL, NULL, count(*), sum(amount), 0, NULL FROM payment_refunds HAVING count(*) > 0
"""
FIGURES = """
INSERT INTO figures_by_quarter (quarter, currency, status, count, amount, refunded)
SELECT quarter_of(created_at), currency, status, count(*), sum(amount), sum(refunded_amount) FROM payments GROUP BY 1, 2, 3
 UNION ALL
SELECT quarter_of(created_at), 'INR', NULL, count(*), sum(amount), 0 FROM payment_refunds GROUP BY 1
"""
# As the triggers would have booked them.
CHARGES = """
INSERT INTO ledger_entries (at, payment_id, movement, currency, gateway, gateway_receivable, cash_with_drivers, revenue)
SELECT created_at, payment_id, 'charge', currency, gateway, CASE method WHEN 'CASH' THEN 0 ELSE amount END,
       CASE method WHEN 'CASH' THEN amount ELSE 0 END, -amount
  FROM payments WHERE status IN ('SUCCESS', 'REFUNDED')
"""
GIVEN_BACK = """
INSERT INTO ledger_entries (at, payment_id, movement, currency, gateway, gateway_receivable, cash_with_drivers, refunds)
SELECT r.created_at, payment_id, 'refund ' || refund_id, currency, gateway, CASE method WHEN 'CASH' THEN 0 ELSE -r.amount END,
       CASE method WHEN 'CASH' THEN -r.amount ELSE 0 END, r.amount
  FROM payment_refunds r JOIN payments p USING (payment_id)
"""
BALANCES = """
INSERT INTO totals_entries (currency, count, amount, refunded, at, gateway, gateway_receivable, cash_with_drivers, bank,
                            revenue, refunds, disputes, fees, drivers_payable, late_payments)
SELECT currency, 0, 0, 0, NULL, gateway, sum(gateway_receivable), sum(cash_with_drivers), 0,
       sum(revenue), sum(refunds), 0, 0, 0, 0
  FROM ledger_entries GROUP BY currency, gateway
"""
BALANCES_BY_QUARTER = """
INSERT INTO ledger_by_quarter
SELECT quarter_of(at), currency, gateway, sum(gateway_receivable), sum(cash_with_drivers), 0,
       sum(revenue), sum(refunds), 0, 0, 0, 0
  FROM ledger_entries GROUP BY 1, 2, 3
"""
FILL = {"payments": PAYMENTS, "payment_receipts": RECEIPTS, "payment_refunds": REFUNDS}
FILL |= {"idempotency_keys": KEYS, "outbox": EVENTS, "ledger_entries": f"{CHARGES}; {GIVEN_BACK}"}

# The indexes of a table, but for those that rows of rising ids fill in their order; what is dropped, and what makes it again.
INDEXES = """
SELECT CASE WHEN conname IS NULL THEN format('DROP INDEX %%s', i.indexrelid::regclass)
            ELSE format('ALTER TABLE %%s DROP CONSTRAINT %%I', i.indrelid::regclass, conname) END,
       CASE WHEN conname IS NULL THEN pg_get_indexdef(i.indexrelid)
            ELSE format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', i.indrelid::regclass, conname, pg_get_constraintdef(c.oid))
       END
  FROM pg_index i LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
 WHERE i.indrelid = %s::regclass
   AND NOT EXISTS (SELECT FROM pg_constraint f WHERE f.conindid = i.indexrelid AND f.contype = 'f')
 ORDER BY i.indexrelid
"""


def fill(owner: connection, payments: int, keys: int) -> None:
    """Leaves a migrated database with so many payments, and keys and delivered events of the newest of them, instead of
    whatever was there, vacuumed and analysed. The connection is a superuser's, in autocommit mode. Raises psycopg2.Error."""
    assert 0 < keys <= payments
    with owner.cursor() as cursor:
        cursor.execute("BEGIN")
        # Neither triggers nor foreign keys: what is written here is right, and is counted at the end.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL maintenance_work_mem = '1GB'")
        cursor.execute(EMPTY)
        cursor.execute(BEGINNING)
        for table, rows in FILL.items():
            with _indexed_afterwards(owner, table):
                cursor.execute(rows, {"payments": payments, "keys": keys})
        cursor.execute("SELECT setval('payments_payment_id_seq', %s)", [payments])
        cursor.execute(TOTALS)
        cursor.execute(FIGURES)
        cursor.execute(BALANCES)
        cursor.execute(BALANCES_BY_QUARTER)
        cursor.execute("COMMIT")
        for table in (*FILL, "figures_by_quarter", "ledger_by_quarter"):
            cursor.execute(f"VACUUM (ANALYZE) {table}")
        cursor.execute("CHECKPOINT")


@contextmanager
def _indexed_afterwards(owner: connection, table: str) -> Iterator[None]:
    with owner.cursor() as cursor:
        cursor.execute(INDEXES, [table])
        indexes = cursor.fetchall()
        for drop, _ in indexes:
            cursor.execute(drop)
        yield
        for _, make in indexes:
            cursor.execute(make)
