"""The databases that are made once and kept, each by SQL: what a year leaves, a backlog of events, an hour without a vacuum."""

from collections.abc import Callable
from contextlib import closing

from benchmarks import reference
from benchmarks.large import fill
from local.postgres import Postgres
from sql.owner import connect
from tests.support.cluster import Place

LARGE = 10_000_000
UNDELIVERED = """
INSERT INTO outbox (event_id, type, subject, correlation_id, data, created_at, next_attempt_at)
SELECT 'PAY-undelivered-' || n || '.succeeded', 'com.ridehailing.payment.succeeded.v1', 'payments/' || n, md5(n::text),
       payment_json(payments), now() - interval '1 hour' + n * interval '3 ms', now() - interval '1 hour' + n * interval '3 ms'
  FROM generate_series(1, 1000000) AS n JOIN payments ON payment_id = 1 + n % 350
"""
# Of a thousand charges together: claimed in one commit, settled in another, their events noted in a third. As the statements
# of a charge do it, one by one, an hour's worth would take most of an hour.
TOGETHER = 1_000
CLAIMS = """
WITH payment AS (
    INSERT INTO payments (trip_id, amount, currency, method, status, reference, gateway, gateway_account)
    SELECT n, 150, 'INR', 'CARD', 'PENDING', 'PAY-hour-' || n, 'simulated', 'simulated'
      FROM generate_series(%(first)s, %(last)s) AS n
    RETURNING payment_id, reference
)
INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, locked_at, asked, ask_after)
SELECT sha256(reference::bytea), sha256(''), payment_id, 'hour', now(), 1, now() + interval '25 s' FROM payment
"""
SETTLES = """
WITH settled AS (
    UPDATE payments SET status = 'SUCCESS', gateway_id = 'sim_' || reference, updated_at = now()
     WHERE reference = ANY (%(references)s)
    RETURNING payment_id, amount, currency, reference, payment_json(payments) AS shown
), receipt AS (
    INSERT INTO payment_receipts (payment_id, amount, currency) SELECT payment_id, amount, currency FROM settled
), answered AS (
    UPDATE idempotency_keys SET answer_status = 201, answer = shown, expires_at = now() + interval '1 day',
                                locked_at = NULL, ask_after = NULL
      FROM settled WHERE key_hash = sha256(reference::bytea)
)
INSERT INTO outbox (event_id, type, subject, correlation_id, data)
SELECT reference || '.succeeded', 'com.ridehailing.payment.succeeded.v1', 'payments/' || payment_id, 'hour', shown FROM settled
"""
DELIVERIES = "UPDATE outbox SET delivered_at = now() WHERE event_id = ANY (%(events)s)"
HOUR = 500_000
CLIENTS, EACH = 8, 250
TABLES = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"


def payments(number: int) -> Callable[[Postgres, str], None]:
    """So many payments, each with its key and its delivered event."""

    def make(server: Postgres, name: str) -> None:
        print(f"  making {number:,} payments (once)", flush=True)
        with closing(connect(server.environment(name))) as owner:
            fill(owner, number, number)

    return make


large = payments(LARGE)


def undelivered(server: Postgres, name: str) -> None:
    """350 payments, and a million events that nobody took yet."""
    print("  making 1,000,000 undelivered events (once)", flush=True)
    with closing(connect(server.environment(name))) as owner, owner.cursor() as cursor:
        cursor.execute(UNDELIVERED)
        cursor.execute("VACUUM ANALYZE")


def hour(server: Postgres, name: str) -> None:
    """An hour's worth of charges, at half of what one function makes, on top of others, without a vacuum; statistics are from
    half an hour ago, a moment when none was PENDING."""
    print(f"  making {HOUR:,} charges without a vacuum (once)", flush=True)
    with closing(connect(server.environment(name))) as owner, owner.cursor() as cursor:
        cursor.execute(TABLES)
        for [table] in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
        cursor.execute("SET synchronous_commit = off")
        for first in range(1, HOUR, TOGETHER):
            last = first + TOGETHER - 1
            references = [f"PAY-hour-{n}" for n in range(first, last + 1)]
            cursor.execute(CLAIMS, {"first": first, "last": last})
            cursor.execute(SETTLES, {"references": references})
            cursor.execute(DELIVERIES, {"events": [f"{reference}.succeeded" for reference in references]})
            if last == HOUR // 2:
                cursor.execute("ANALYZE")
    # The last of them by the statements themselves: whoever walks dead entries of an index marks them, as all before had.
    reference.run(server, Place(server, name).environment, CLIENTS, each=EACH, statement_timeout="0")
