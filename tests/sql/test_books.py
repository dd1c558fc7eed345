"""The books of the version before, migrated while its functions go on working: nothing fails, and nothing is miscounted."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import cycle
from pathlib import Path

import pytest

from sql import migrate
from tests.sql.migrating import migrate_beside
from tests.sql.rows import a_payment, a_refund
from tests.support.cluster import Cluster
from tests.support.sql import Sql

BEFORE = ("0001_payments.sql", "0002_totals.sql", "0003_audit.sql")
MANY = """
INSERT INTO payments (trip_id, amount, currency, method, status, refunded_amount, reference)
SELECT n, n, (ARRAY['INR', 'USD'])[1 + n % 2], (ARRAY['CARD', 'CASH', 'UPI'])[1 + n % 3],
       (ARRAY['SUCCESS', 'FAILED', 'REFUNDED', 'PENDING'])[1 + n % 4], CASE n % 4 WHEN 2 THEN n ELSE 0 END, 'PAY-' || n
  FROM generate_series(1, 5000) AS n;
INSERT INTO payment_refunds (payment_id, amount, status, reference)
SELECT payment_id, 1, (ARRAY['REFUNDED', 'FAILED', 'PENDING'])[1 + payment_id % 3], 'REF-' || payment_id
  FROM payments WHERE payment_id % 5 = 0
"""
# What the functions of the version before read.
PAYMENT_TOTALS = """
SELECT status, method, sum(count)::bigint AS count, sum(amount) AS amount, sum(refunded) AS refunded
  FROM payment_totals GROUP BY status, method ORDER BY status, method
"""
REFUND_TOTALS = "SELECT coalesce(sum(count), 0)::bigint AS count, coalesce(sum(amount), 0) AS amount FROM refund_totals"
# What they do to the totals: the tables in the order in which the claim of a refund locks them, and the end of one.
CLAIM = """
WITH payment AS (UPDATE payments SET reserved_amount = 1 WHERE payment_id = %(payment_id)s RETURNING payment_id),
     refund AS (INSERT INTO payment_refunds (payment_id, amount, status, reference)
                SELECT payment_id, 1, 'PENDING', 'REF-' || gen_random_uuid() FROM payment RETURNING refund_id)
SELECT refund_id FROM refund
"""
SETTLE = """
WITH refund AS (UPDATE payment_refunds SET status = 'REFUNDED' WHERE refund_id = %(refund_id)s RETURNING payment_id)
UPDATE payments SET reserved_amount = 0, refunded_amount = refunded_amount + 1 FROM refund
 WHERE payments.payment_id = refund.payment_id
RETURNING payment_json(payments)
"""

TRUE = {
    "payments": """SELECT currency, status, method, count(*), sum(amount) AS amount, sum(refunded_amount) AS refunded
                     FROM payments GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    "refunds": """SELECT p.currency, count(*), sum(r.amount) AS amount
                    FROM payment_refunds r JOIN payments p USING (payment_id)
                   WHERE r.status = 'REFUNDED' GROUP BY 1 ORDER BY 1""",
}
KEPT = {
    "payments": """SELECT currency, status, method, sum(count) AS count, sum(amount) AS amount, sum(refunded) AS refunded
                     FROM payment_totals GROUP BY 1, 2, 3 HAVING sum(count) <> 0 ORDER BY 1, 2, 3""",
    "refunds": """SELECT currency, sum(count) AS count, sum(amount) AS amount
                    FROM refund_totals GROUP BY 1 HAVING sum(count) <> 0 ORDER BY 1""",
}


@pytest.fixture
def place(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A database of the version before, with its rows; migrate.MIGRATIONS is the present again."""
    for name in BEFORE:
        shutil.copy(migrate.MIGRATIONS / name, tmp_path)
    cluster.server.create_database("before")
    settings = cluster.server.environment("before")
    with monkeypatch.context() as past:
        past.setattr(migrate, "MIGRATIONS", tmp_path)
        past.setattr(migrate, "be_cell", lambda *_: None)
        migrate.migrate(settings)
    with closing(Sql(settings)) as sql:
        sql.run(MANY)
    yield settings
    with closing(Sql(cluster.server.environment())) as sql:
        sql.run("DROP DATABASE before WITH (FORCE)")


@pytest.fixture
def sql(place: dict[str, str]) -> Iterator[Sql]:
    with closing(Sql(place)) as sql:
        yield sql


def test_rows_that_were_there_are_counted_by_their_currency(place: dict[str, str], sql: Sql) -> None:
    before = [sql.run(query) for query in (PAYMENT_TOTALS, REFUND_TOTALS)]
    migrate.migrate(place)
    for name in TRUE:
        assert sql.run(KEPT[name]) == sql.run(TRUE[name]), name
    assert [sql.run(query) for query in (PAYMENT_TOTALS, REFUND_TOTALS)] == before


def test_a_database_without_a_row_is_migrated_too(place: dict[str, str], sql: Sql) -> None:
    sql.run("TRUNCATE payments CASCADE")
    migrate.migrate(place)
    a_refund(sql, a_payment(sql, currency="JPY"))
    for name in TRUE:
        assert sql.run(KEPT[name]) == sql.run(TRUE[name]), name


def test_functions_of_the_version_before_work_while_it_is_applied_and_after(place: dict[str, str], sql: Sql) -> None:
    currencies = cycle(("INR", "USD"))

    def pay(own: Sql) -> None:
        a_payment(own, currency=next(currencies))

    def refund(own: Sql) -> None:
        payment_id = a_payment(own, amount="50")
        refund_id = own.run(CLAIM, {"payment_id": payment_id})[0]["refund_id"]
        own.run(SETTLE, {"refund_id": refund_id})

    def read(own: Sql) -> None:
        own.run(PAYMENT_TOTALS)
        own.run(REFUND_TOTALS)

    migrate_beside(place, {}, (pay, refund, refund, refund, read))
    assert sql.value("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0
    for name in TRUE:
        assert sql.run(KEPT[name]) == sql.run(TRUE[name]), name
