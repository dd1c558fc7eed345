"""Loads the 350 rows of history once: `python -m seed.load`. Again, or twice at once, it loads nothing more.

In each cell the same, with ids and references that are the cell's."""

import csv
from collections.abc import Mapping, Sequence
from contextlib import closing
from operator import itemgetter
from pathlib import Path

from psycopg2.extras import execute_values

from shared.platform.settings import Settings
from shared.rules.cells import IDS_OF_A_CELL
from sql.cell import refuse_another
from sql.owner import connect, run

CSV = Path(__file__).with_name("rhfd_payments.csv")

FRESH = """
CREATE TEMPORARY TABLE history (payment_id bigint, trip_id bigint, amount numeric(12, 2), method text, status text,
                                reference text, created_at timestamptz) ON COMMIT DROP
"""
# Not COPY: psycopg2 has none in a process whose waits are hooked, as the functions' are.
COLUMNS = ("payment_id", "trip_id", "amount", "method", "status", "reference", "created_at")
FILL = "INSERT INTO history VALUES %s"

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

    Raises DatabaseUnavailableError when it gives no connection within `wait` seconds, UnsuitableDatabaseError when it is
    another cell's than CELL says, psycopg2.Error when it refuses.
    """
    settings = Settings.read(environment)
    with closing(connect(environment, wait)) as owner, owner.cursor() as cursor:
        refuse_another(owner, settings.cell)
        cursor.execute("BEGIN")
        cursor.execute(FRESH)
        execute_values(cursor, FILL, _history(settings.cell), page_size=1000)
        cursor.execute(MISSING)
        (count,) = cursor.fetchone() or (0,)
        if count:
            cursor.execute(LOCK)
            cursor.execute(NEXT_ID)
            cursor.execute(LOAD, [settings.currency])
            (count,) = cursor.fetchone() or (0,)
        cursor.execute("COMMIT")
    return f"{count} rows of history loaded." if count else "The rows of history are there already."


def _history(cell: int) -> list[Sequence[str]]:
    with CSV.open(encoding="ascii", newline="") as file:
        rows = list(csv.DictReader(file))
    if cell:
        for row in rows:
            row["payment_id"] = str(int(row["payment_id"]) + cell * IDS_OF_A_CELL)
            row["reference"] += f"-{cell}"
    return list(map(itemgetter(*COLUMNS), rows))


if __name__ == "__main__":
    run(load)
