"""Loads the 350 rows of history once: `python -m seed.load`. Again, or twice at once, it loads nothing more."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from shared.settings import Settings
from sql.owner import connect, run

CSV = Path(__file__).with_name("rhfd_payments.csv")

FRESH = """
CREATE TEMPORARY TABLE history (payment_id bigint, trip_id bigint, amount numeric(12, 2), method text, status text,
                                reference text, created_at timestamptz) ON COMMIT DROP
"""
COPY = "COPY history FROM STDIN (FORMAT csv, HEADER match)"

# Without a lock, so that a start finds out at no cost to the payments that are being taken.
MISSING = """
SELECT count(*) FROM history WHERE NOT EXISTS (SELECT FROM payments WHERE payments.reference = history.reference)
"""

# Inserts wait, and with them the ids they would take, so that the sequence cannot move while it is being set.
LOCK = "LOCK TABLE payments IN SHARE ROW EXCLUSIVE MODE"

# One statement for the payments and their receipts. Whoever comes second finds every
# row there (unique indexes on id and reference) and inserts nothing; a payment that already has one of these ids stays.
LOAD = """
WITH loaded AS (
    INSERT INTO payments (payment_id, trip_id, amount, currency, method, status, reference, created_at, updated_at)
    SELECT payment_id, trip_id, amount, %s, method, status, reference, created_at, created_at
      FROM history ORDER BY payment_id
        ON CONFLICT DO NOTHING
    RETURNING payment_id, amount, currency, status, created_at
), receipts AS (
    INSERT INTO payment_receipts (payment_id, amount, currency, issued_at)
    SELECT payment_id, amount, currency, created_at FROM loaded WHERE status = 'SUCCESS'
)
SELECT count(*) FROM loaded
"""

# Never backwards: where the service took payments already, their ids are past these.
NEXT_ID = """
SELECT setval(ids, greatest((SELECT coalesce(max(payment_id), 0) FROM history),
                            (SELECT coalesce(pg_sequence_last_value(ids), 0))))
  FROM (SELECT pg_get_serial_sequence('payments', 'payment_id')::regclass) AS of_payments (ids)
"""


def load(environment: Mapping[str, str], wait: float = 30) -> str:
    """Loads the seed into the database that `environment` names (DB_*), and says in one line what it did.

    Raises DatabaseUnavailableError when it gives no connection within `wait` seconds, psycopg2.Error when it refuses.
    """
    settings = Settings.read(environment)
    with closing(connect(environment, wait)) as owner, owner.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(FRESH)
        with CSV.open(encoding="ascii") as rows:
            cursor.copy_expert(COPY, rows)
        cursor.execute(MISSING)
        (count,) = cursor.fetchone() or (0,)
        if count:
            cursor.execute(LOCK)
            cursor.execute(NEXT_ID)
            cursor.execute(LOAD, [settings.currency])
            (count,) = cursor.fetchone() or (0,)
        cursor.execute("COMMIT")
    return f"{count} rows of history loaded." if count else "The rows of history are there already."


if __name__ == "__main__":
    run(load)
