"""How many pages each statement reads once statistics are old and nobody vacuums: tables analysed when nothing was open, and
since then four thousand of everything opened, settled and deleted, with a snapshot held that keeps what is dead from going."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.platform.database.statements import statement
from tests.sql.pages import nodes, pages
from tests.sql.rows import REFUND, a_key, a_payment, an_event, insert
from tests.sql.samples import SAMPLES
from tests.support.cluster import Cluster
from tests.support.sql import Sql

MANY = 4_000
CHARGED = f"""
INSERT INTO payments (trip_id, amount, currency, method, status, reference, gateway, created_at)
SELECT CASE n %% 8 WHEN 0 THEN 7 ELSE 100 + n END, 36.50, 'INR', (ARRAY['CARD', 'UPI', 'WALLET'])[1 + n %% 3], 'PENDING',
       'PAY-' || %(kind)s || n, 'simulated', %(at)s::timestamptz + make_interval(secs => n)
  FROM generate_series(1, {MANY}) AS n;
INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, asked, ask_after, created_at)
SELECT sha256(reference::bytea), sha256(''), payment_id, 'c', 1, created_at, created_at FROM payments WHERE status = 'PENDING';
INSERT INTO outbox (event_id, type, subject, correlation_id, data, created_at, next_attempt_at)
SELECT reference, 't', 'payments/' || payment_id, 'c', '{{}}', created_at, created_at FROM payments WHERE status = 'PENDING';
UPDATE idempotency_keys SET answer_status = 201, answer = '{{}}', ask_after = NULL, expires_at = created_at + interval '1 day'
 WHERE answer_status IS NULL;
UPDATE outbox SET attempts = 1 WHERE delivered_at IS NULL;
UPDATE outbox SET delivered_at = created_at WHERE delivered_at IS NULL;
UPDATE payments SET status = CASE WHEN payment_id %% 20 = 0 THEN 'FAILED' ELSE 'SUCCESS' END WHERE status = 'PENDING';
"""
REFUNDED = f"""
INSERT INTO payment_refunds (payment_id, amount, status, reference, created_at)
SELECT 1, 0.01, 'PENDING', 'REF-' || n, now() - make_interval(secs => n) FROM generate_series(1, {MANY}) AS n;
UPDATE payment_refunds SET status = 'REFUNDED' WHERE status = 'PENDING';
"""
# The first half of the keys and events are over, and deleted as a sweep does it.
OVER = (
    "DELETE FROM idempotency_keys WHERE expires_at < '2026-09-15'; DELETE FROM outbox WHERE delivered_at < '2026-09-15'"
)

# Pages of 8 KiB, of the node of the plan that reads most.
FEW = 60
BOUNDS = {
    "payments": 200,
    "payments_of_trip": 100,
    "keep_up": 150,
    "delete_expired_keys": 100,
    "delete_old_events": 100,
    "charge_at_once": 100,
    "claim_payment": 100,
    "claim_refund": 150,
    "settle_payment": 100,
    "settle_refund": 150,
    # Looks at as many entries, one by one, as it is told to.
    "entries_not_seen": 6_000,
    # Looks through as many rows as it is told to, by their keys: here through all of one status.
    "count_searched": 350,
    "search_payments": 400,
}


@pytest.fixture(scope="module")
def worn(cluster: Cluster) -> Iterator[Sql]:
    with cluster.database() as place, place.connection() as backup:
        sql = place.sql
        sql.run(CHARGED, {"kind": "old", "at": "2026-09-01"})
        sql.run(REFUNDED)
        sql.run("VACUUM ANALYZE")
        backup.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        backup.run("SELECT FROM payments LIMIT 1")
        sql.run(CHARGED, {"kind": "new", "at": "2026-10-01"})
        sql.run(OVER)
        payment_id = a_payment(sql, trip_id=8, status="PENDING", reference="PAY-open")
        a_key(sql, payment_id, key_hash=bytes(32))
        sql.run("UPDATE payments SET reserved_amount = 10 WHERE payment_id = 1")
        insert(sql, "payment_refunds", REFUND | {"payment_id": 1, "status": "PENDING", "reference": "REF-open"})
        for event_id in ("PAY-500", "PAY-1000"):
            an_event(sql, event_id)
        sql.run(statement("keep_up"))
        sql.run(statement("keep_up"))
        yield sql
        backup.run("ROLLBACK")


def parameters(sql: Sql, name: str) -> dict[str, Any]:
    """Those of the samples, about what is open."""
    of = SAMPLES[name]
    if name.startswith("delete"):
        of = of | {"limit": 10}
    if name == "charge_at_once":
        of = of | {"method": "CASH"}
    if name == "settle_refund":
        of = of | {"status": "REFUNDED"}
    if "payment_id" in of and name.startswith(("settle", "note")):
        of = of | {"payment_id": sql.value("SELECT payment_id FROM payments WHERE status = 'PENDING'")}
    if "refund_id" in of:
        of = of | {"refund_id": sql.value("SELECT refund_id FROM payment_refunds WHERE status = 'PENDING'")}
    return of


@pytest.mark.parametrize("plan", ["custom", "generic"])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_statement_reads_a_handful_of_pages_whatever_statistics_say(worn: Sql, name: str, plan: str) -> None:
    assert pages(worn, name, parameters(worn, name), plan) <= BOUNDS.get(name, FEW)


KEYS = ("payments_pkey", "idempotency_keys_pkey", "outbox_pkey")
BY_KEY = (
    "audit",
    "claim_refund",
    "hold_events",
    "lease_key",
    "mark_delivered",
    "note_failed",
    "open_request",
    "release_key",
)
BY_KEY += ("settle_payment", "settle_refund", "waits")


@pytest.mark.parametrize("name", BY_KEY)
def test_what_is_looked_for_by_its_key_could_be_found_by_no_other_index(worn: Sql, name: str) -> None:
    """With the primary keys hidden from the planner, it has the whole table left, or an index with the key as its last part."""
    worn.run("BEGIN")
    worn.run("UPDATE pg_index SET indisvalid = false WHERE indexrelid = ANY (%s::text[]::regclass[])", (list(KEYS),))
    said = worn.value(f"EXPLAIN (FORMAT JSON) {statement(name)}", parameters(worn, name))
    worn.run("ROLLBACK")
    plan = nodes((json.loads(said) if isinstance(said, str) else said)[0]["Plan"])
    used = {node["Index Name"] for node in plan if "Index Name" in node}
    assert used <= {"payment_refunds_pkey", "idx_payments_trip_id"}
