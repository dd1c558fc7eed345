"""Every statement finds its rows by an index, however many there are: plans over a hundred thousand rows of each table."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shared.platform.database.statements import STATEMENTS, statement
from shared.reading.totals import MOST_COUNTED
from tests.sql.pages import pages
from tests.sql.samples import COUNTED, LEASED, LISTING, SAMPLES, SEARCH
from tests.support.cluster import Cluster
from tests.support.sql import Sql

ROWS = 100_000
BIG = {
    "payments",
    "payment_refunds",
    "payment_receipts",
    "idempotency_keys",
    "outbox",
    "audit_log",
    "gateway_askings",
    "gateway_said",
    "gateway_rings",
    "figures_by_quarter",
    "payment_disputes",
    "ledger_entries",
    "reconciliations",
    "ledger_by_quarter",
    "ledger_by_driver",
    "reconciled_movements",
}
# No trigger follows these rows, and no foreign key is looked up for each of them.
MANY = f"""
SET session_replication_role = replica;
INSERT INTO payments (trip_id, amount, currency, method, status, reference, gateway, gateway_id, created_at,
                      base_fare, distance_km, rate_per_km, surge_multiplier)
SELECT n, 36.50, 'INR', (ARRAY['CARD', 'UPI', 'WALLET', 'CASH'])[1 + n % 4],
       CASE WHEN n % 500 = 0 THEN 'PENDING' WHEN n % 20 = 0 THEN 'FAILED' ELSE 'SUCCESS' END,
       'PAY-' || n, 'simulated', CASE WHEN n <= 10000 THEN 'pi_' || n END, now() - make_interval(secs => {ROWS} - n),
       5, 10.5, 2.5, 1.2
  FROM generate_series(1, {ROWS}) AS n;
INSERT INTO payment_receipts SELECT payment_id, amount, currency FROM payments WHERE status = 'SUCCESS';
INSERT INTO payment_refunds (payment_id, amount, status, reference, created_at)
SELECT 1 + n % 5000, 1, 'REFUNDED', 'REF-' || n, now() - make_interval(secs => {ROWS} - n)
  FROM generate_series(1, {ROWS // 2}) AS n WHERE (1 + n % 5000) % 500 <> 0;
INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, asked, ask_after,
                              answer_status, answer, expires_at, created_at)
SELECT sha256(n::text::bytea), sha256(n::text::bytea), n, 'c', 1, CASE WHEN n % 500 = 0 THEN now() END,
       CASE WHEN n % 500 <> 0 THEN 201 END, CASE WHEN n % 500 <> 0 THEN '{{}}'::json END,
       CASE WHEN n % 500 <> 0 THEN now() + make_interval(secs => n) END, now() - make_interval(secs => {ROWS} - n)
  FROM generate_series(1, {ROWS}) AS n;
INSERT INTO outbox (event_id, type, subject, correlation_id, data, created_at, delivered_at)
SELECT 'PAY-' || n, 't', 'payments/' || n, 'c', '{{}}', now() - make_interval(secs => {ROWS} - n),
       CASE WHEN n % 500 <> 0 THEN now() END
  FROM generate_series(1, {ROWS}) AS n;
INSERT INTO figures_by_quarter (quarter, currency, status, count, amount, refunded)
SELECT quarter_of(now()) - n * interval '15 min', 'INR', status, n, n, 0
  FROM generate_series(1, {ROWS // 5}) AS n, unnest(ARRAY['PENDING', 'SUCCESS', 'FAILED', 'REFUNDED', NULL]) AS status;
INSERT INTO ledger_entries (at, payment_id, movement, currency, gateway, gateway_receivable, revenue)
SELECT created_at, payment_id, 'charge', currency, gateway, amount, -amount FROM payments WHERE status = 'SUCCESS';
INSERT INTO ledger_by_quarter
SELECT quarter_of(now()) - n * interval '15 min', 'INR', gateway, n, 0, 0, -n, 0, 0, 0, 0, 0
  FROM generate_series(1, {ROWS // 5}) AS n, unnest(ARRAY['simulated', 'stripe', NULL]) AS gateway;
INSERT INTO ledger_by_driver SELECT 'drv-' || n, 'INR', -n, 0 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO audit_log (actor, action, payment_id, outcome, reason, gateway_said)
SELECT 'a', 'settle_payment', n, 'failed', 'r', 'g' FROM generate_series(1, {ROWS}) AS n;
INSERT INTO gateway_askings (payment_id, refund_id, asked, step, how, said, duration_ms)
SELECT 1 + n % 5000, CASE WHEN n % 3 = 0 THEN n % 50 END, 1 + n, 1, 'find', 'unknown', 1 FROM generate_series(1, {ROWS}) AS n;
INSERT INTO gateway_said (gateway, source, event_id, type, object_id, charge_id, said)
SELECT 'stripe', 'webhook', 'evt_' || n, 'payment_intent.succeeded', 'pi_' || n, 'pi_' || n, '{{}}'
  FROM generate_series(1, {ROWS // 2}) AS n;
INSERT INTO gateway_rings (gateway, kind, object_id, rung_at, ask_after)
SELECT 'stripe', 'charge', 'pi_' || n, now() - make_interval(secs => n), now() + make_interval(secs => n - 100)
  FROM generate_series(1, {ROWS // 5}) AS n;
INSERT INTO payment_disputes (payment_id, gateway, gateway_id, amount, currency, status, evidence_due_by, opened_at, closed_at)
SELECT 1 + n % 10000, 'simulated', 'du_' || n, 1, 'INR', CASE WHEN n % 5 = 0 THEN 'OPEN' ELSE 'LOST' END,
       now() + make_interval(hours => n % 2000 - 1000), now(), CASE WHEN n % 5 <> 0 THEN now() END
  FROM generate_series(1, {ROWS // 5}) AS n;
INSERT INTO gateway_said (gateway, source, type, object_id, charge_id, said)
SELECT 'simulated', 'read', 'charge', 'pi_' || n % 10000, 'pi_' || n % 10000, '{{}}' FROM generate_series(1, {ROWS // 5}) AS n;
RESET session_replication_role
"""
# What is reconciled of them, and the statistics of all.
RECONCILED = f"""
INSERT INTO reconciliations (gateway, account, from_at, to_at) VALUES ('simulated', 'acct_1', '2026-01-01', '2026-01-02');
INSERT INTO reconciled_movements (reconciliation_id, movement, kind, at, object_id, payment_id, currency, their_amount,
                                  our_amount, verdict, run)
SELECT 1, 'txn_' || n, 'charge', now(), 'pi_' || n, n, 'INR', 36.50, 36.50,
       CASE WHEN n % 100 = 0 THEN 'amount_differs' ELSE 'matched' END, 1
  FROM generate_series(1, {ROWS}) AS n;
INSERT INTO reconciliations (gateway, account, from_at, to_at, phase, finished_at, movements, differences,
                            not_yet_due)
SELECT 'stripe', 'acct_1', now() - n * interval '1 hour', now() - (n - 1) * interval '1 hour', 'done', now(), 5, 1, 0
  FROM generate_series(1, {ROWS // 50}) AS n;
INSERT INTO reconciled_movements (reconciliation_id, movement, kind, at, currency, their_amount, verdict, run)
SELECT 2 + n / 5, 'txn_' || n, 'charge', now(), 'INR', 1, CASE WHEN n % 5 = 0 THEN 'missing_here' ELSE 'matched' END, 1
  FROM generate_series(0, {ROWS // 10} - 1) AS n;
ANALYZE
"""

MEANT = {
    "declines_by_code": "idx_payments_status",
    "delete_expired_keys": "idx_idempotency_expires",
    "delete_old_events": "idx_outbox_delivered",
    "delete_unsent_events": "idx_outbox_oldest",
    "figures": "figures_by_quarter_key",
    "fare_of_trip": "payments_one_fare_per_trip",
    "events_that_wait": "idx_outbox_subject",
    "count_searched": "idx_payments_status",
    "declines": "idx_payments_status",
    "differing": "idx_reconciled_movements_differ",
    "beside_movements": "payments_reference_key",
    "differences_of": "idx_reconciled_movements_differ",
    "entries_not_seen": "idx_reconciled_movements_payment_id",
    "movements_of": "reconciled_movements_pkey",
    "settle_movements": "reconciled_movements_pkey",
    "disputes_of": "idx_payment_disputes_payment_id",
    "open_disputes": "idx_payment_disputes_open",
    "ledger_balances": "ledger_by_quarter_key",
    "ledger_driver": "ledger_by_driver_pkey",
    "ledger_drivers": "ledger_by_driver_pkey",
    "lease_next": "idx_idempotency_open",
    "keep_look": "gateway_askings_once",
    "keep_said": "idx_payments_gateway_id",
    "keep_read": "idx_gateway_said_object_id",
    "known_events": "gateway_said_once",
    "lease_next_ring": "idx_gateway_rings_ask_after",
    "lease_ring": "gateway_rings_pkey",
    "ledger_of": "ledger_entries_once",
    "look": "idempotency_keys_pkey",
    "open_request": "idempotency_keys_pkey",
    "payment_read": "idx_payments_gateway_id",
    "payments": "idx_payments_status",
    "payments_of_trip": "idx_payments_trip_id",
    "pending": "idx_idempotency_oldest",
    "pending_named": "idx_idempotency_oldest",
    "pending_of": "idx_idempotency_oldest",
    "reconciliation": "idx_reconciled_movements_differ",
    "reconciliations": "idx_reconciliations_to_at",
    "refund_read": "idx_payment_refunds_gateway_id",
    "refunds": "idx_payment_refunds_payment_id",
    "set_aside_events": "idx_outbox_refused",
    "resend_events": "idx_outbox_refused",
    "story": "idx_idempotency_oldest",
    "story_askings": "gateway_askings_once",
    "story_events": "outbox_pkey",
    "times_to_settle": "idx_payments_status",
}


@pytest.fixture(scope="module")
def full(cluster: Cluster) -> Iterator[Sql]:
    """A database with a hundred thousand rows in each large table; one row in five hundred is open."""
    with cluster.database() as place:
        place.sql.run(MANY)
        place.sql.run(RECONCILED)
        place.sql.run("VACUUM")
        yield place.sql


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def explain(sql: Sql, name: str, parameters: dict[str, Any], options: str = "") -> list[dict[str, Any]]:
    said = sql.value(f"EXPLAIN (FORMAT JSON{options}) {statement(name)}", parameters)
    return list(nodes((json.loads(said) if isinstance(said, str) else said)[0]["Plan"]))


def test_every_statement_is_examined_here() -> None:
    assert set(SAMPLES) == {path.stem for path in STATEMENTS.glob("*.sql")}


@pytest.mark.parametrize("name", SAMPLES)
def test_no_statement_reads_a_whole_table(full: Sql, name: str) -> None:
    plan = explain(full, name, SAMPLES[name])
    read_whole = {node["Relation Name"] for node in plan if node["Node Type"] == "Seq Scan"}
    assert not read_whole & BIG


@pytest.mark.parametrize(("name", "index"), MEANT.items())
def test_a_statement_uses_the_index_meant_for_it(full: Sql, name: str, index: str) -> None:
    assert index in {node.get("Index Name") for node in explain(full, name, SAMPLES[name])}


@pytest.mark.parametrize(
    "index",
    [
        "idx_idempotency_oldest",
        "idx_outbox_oldest",
        "idx_outbox_untried",
        "idx_outbox_failed",
        "idx_outbox_refused",
        "idx_audit_log_contradictions",
        "idx_gateway_rings_rung_at",
        "idx_payment_disputes_open",
        "idx_reconciliations_to_at",
        "idx_reconciled_movements_differ",
    ],
)
def test_what_is_watched_is_counted_from_what_is_open_or_wrong(full: Sql, index: str) -> None:
    assert index in {node.get("Index Name") for node in explain(full, "watch_totals", SAMPLES["watch_totals"])}


@pytest.mark.parametrize(
    "index", ["idx_payment_refunds_payment_id", "idx_payment_refunds_settled", "idx_audit_log_payment_id"]
)
def test_what_happened_to_a_payment_is_found_by_the_indexes_on_what_grows(full: Sql, index: str) -> None:
    assert index in {node.get("Index Name") for node in explain(full, "payment_events", SAMPLES["payment_events"])}


@pytest.mark.parametrize("index", ["idx_payments_gateway_id", "payments_reference_key"])
def test_the_payment_that_a_dispute_is_about_is_found_by_its_charge_or_its_reference(full: Sql, index: str) -> None:
    assert index in {node.get("Index Name") for node in explain(full, "follow_dispute", SAMPLES["follow_dispute"])}


@pytest.mark.parametrize("index", ["idx_gateway_said_object_id", "idx_gateway_said_charge_id"])
def test_what_was_said_is_found_by_what_it_is_about_and_by_the_charge_that_it_names(full: Sql, index: str) -> None:
    assert index in {node.get("Index Name") for node in explain(full, "said_of", SAMPLES["said_of"])}


@pytest.mark.parametrize("index", ["idx_outbox_untried", "idx_outbox_failed", "idx_outbox_subject"])
def test_events_that_were_never_tried_and_such_as_failed_are_found_apart(full: Sql, index: str) -> None:
    assert index in {node.get("Index Name") for node in explain(full, "lease_events", SAMPLES["lease_events"])}


OLD = {"before": "2000-01-01T00:00:00+00:00"}
PAGES: dict[str, dict[str, Any]] = {
    "the newest": {},
    "of one status": {"statuses": ["PENDING"]},
    "of one method": {"methods": ["UPI"]},
    "of one status and method": {"statuses": ["FAILED"], "methods": ["CASH"]},
    "of which there are none": {"statuses": ["REFUNDED"]},
    "before all others": OLD,
    "of the past": {"to": "2001-01-01"},
    "of the future": {"from": "2100-01-01"},
    "of a hundred": {"limit": 101},
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_reads_no_more_rows_than_it_may_show(full: Sql, page: str) -> None:
    asked = LISTING | PAGES[page]
    plan = explain(full, "payments", asked, ", ANALYZE, TIMING OFF")
    scans = [node for node in plan if node.get("Relation Name") == "payments"]
    assert scans
    for node in scans:
        assert node["Node Type"] in ("Index Scan", "Index Only Scan")
        assert node["Actual Rows"] <= asked["limit"]
        assert node.get("Rows Removed by Filter", 0) == 0


def test_deep_in_the_list_a_page_costs_the_same(full: Sql) -> None:
    middle = full.run("SELECT created_at, payment_id FROM payments ORDER BY created_at OFFSET 50000 LIMIT 1")[0]
    asked = LISTING | {"before": middle["created_at"], "before_id": middle["payment_id"]}
    plan = explain(full, "payments", asked, ", ANALYZE, BUFFERS, TIMING OFF")
    top = plan[0]
    assert top["Actual Rows"] == 21
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 2000
    assert all(node.get("Rows Removed by Filter", 0) == 0 for node in plan)


def test_looking_a_key_up_reads_a_handful_of_pages(full: Sql) -> None:
    known = full.value("SELECT key_hash FROM idempotency_keys LIMIT 1")
    top = explain(full, "look", LEASED | {"key_hash": known}, ", ANALYZE, BUFFERS, TIMING OFF")[0]
    assert top["Actual Rows"] == 1
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] <= 6


@pytest.mark.parametrize("name", ["lease_next", "lease_events", "delete_expired_keys"])
def test_a_sweep_with_little_to_do_reads_little(full: Sql, name: str) -> None:
    """Inside a transaction that is rolled back, so that what it does is undone."""
    full.run("BEGIN")
    try:
        top = explain(full, name, SAMPLES[name] | {"limit": 10}, ", ANALYZE, BUFFERS, TIMING OFF")[0]
    finally:
        full.run("ROLLBACK")
    assert top["Shared Hit Blocks"] + top["Shared Read Blocks"] < 1500


SEARCHES: dict[str, dict[str, Any]] = {
    "the newest": {},
    "of two statuses": {"statuses": ["FAILED", "REFUNDED"]},
    "of a trip": {"trip_id": 7},
    "of the past": {"to": "2001-01-01"},
    "of an amount that all have": {"least": 36, "looked": 5000},
    "of an amount that none has": {"least": 1000, "looked": 5000},
    "of a gateway that none has": {"gateway": "stripe", "methods": ["UPI"], "looked": 5000},
}


@pytest.mark.parametrize("plan", ["custom", "generic"])
@pytest.mark.parametrize("asked", SEARCHES)
def test_a_search_looks_at_no_more_rows_than_it_may(full: Sql, asked: str, plan: str) -> None:
    """An index's and the table's page or four for each row that is looked at one by one."""
    given = SEARCH | SEARCHES[asked]
    assert pages(full, "search_payments", given, plan) < (25_000 if given["looked"] > 51 else 1_500)


@pytest.mark.parametrize("plan", ["custom", "generic"])
@pytest.mark.parametrize(
    "named", [{"payment_id": 7}, {"reference": "PAY-7"}, {"reference": "REF-7"}, {"gateway_id": "pi_7"}], ids=str
)
def test_what_has_a_name_is_found_in_a_handful_of_pages(full: Sql, named: dict[str, Any], plan: str) -> None:
    nothing = {"payment_id": None, "reference": None, "gateway_id": None, "limit": 50}
    assert pages(full, "search_named", nothing | named, plan) < 40


@pytest.mark.parametrize("plan", ["custom", "generic"])
def test_what_is_searched_for_is_counted_from_an_index_and_no_further_than_asked(full: Sql, plan: str) -> None:
    assert pages(full, "count_searched", COUNTED | {"most": 1_000}, plan) < 500
    assert pages(full, "count_searched", COUNTED | {"trip_id": 7}, plan) < 50


BACKLOG = 200_000
BACKLOGS = f"""
SET session_replication_role = replica;
INSERT INTO outbox (event_id, type, subject, correlation_id, data, created_at, next_attempt_at, attempts)
SELECT kind || n, 't', 'payments/' || kind || n, 'c', '{{}}', now() - make_interval(secs => n),
       now() - make_interval(secs => n), CASE kind WHEN 'failed' THEN 1 ELSE 0 END
  FROM generate_series(1, {BACKLOG}) AS n, unnest(ARRAY['new', 'failed']) AS kind ORDER BY n;
INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, asked, ask_after, created_at)
SELECT sha256(('open' || n)::bytea), sha256(''), 1 + n % {ROWS}, 'c', 1, now() - make_interval(secs => n),
       now() - make_interval(secs => n)
  FROM generate_series(1, {BACKLOG}) AS n;
RESET session_replication_role
"""
# Pages of 8 KiB that a statement may read at most, whatever is open: some ten for each row that it takes or gives.
BOUNDED = {
    "watch_totals": 3_000,
    "needs_attention": 1000,
    "undelivered_events": 500,
    "contradictions": 500,
    "pending": 1500,
    "lease_events": 1000,
    "note_failed": 2000,
    "set_aside_events": 100,
    "resend_events": 100,
    "lease_next": 100,
    "lease_next_ring": 100,
    "keep_read": 50,
    "open_request": 10,
    "events": 1500,
    "story": 1500,
    "story_askings": 1500,
    "pending_of": 100,
    "pending_named": 100,
    "mark_delivered": 2000,
    "delete_expired_keys": 10_000,
    "delete_old_events": 10_000,
    "delete_unsent_events": 10_000,
    "figures": 100,
    "differences_of": 500,
    "differing": 9_000,
    "ledger_balances": 100,
    "ledger_driver": 30,
    "ledger_drivers": 60,
    "disputes_of": 100,
    "open_disputes": 300,
    "reconciliation": 3_000,
    "reconciliations": 50,
    "said_of": 500,
    "follow_dispute": 200,
    "declines_by_code": 5_000,
    "times_to_settle": 10_000,
}


@pytest.fixture(scope="module")
def behind(full: Sql) -> Sql:
    """The same with two hundred thousand each of open requests, undelivered events and events that failed, all due, of which
    statistics know nothing."""
    full.run(BACKLOGS)
    return full


@pytest.fixture(scope="module", params=["from before", "current"])
def statistics(request: pytest.FixtureRequest, behind: Sql) -> None:
    if request.param == "current":
        behind.run("ANALYZE")


@pytest.mark.parametrize("name", BOUNDED)
@pytest.mark.usefixtures("statistics")
def test_a_large_backlog_costs_a_sweep_and_the_metrics_no_more(behind: Sql, name: str) -> None:
    behind.run("BEGIN")
    try:
        plan = explain(behind, name, SAMPLES[name], ", ANALYZE, BUFFERS, TIMING OFF")
    finally:
        behind.run("ROLLBACK")
    assert plan[0]["Shared Hit Blocks"] + plan[0]["Shared Read Blocks"] < BOUNDED[name]


def test_ages_are_exact_and_counts_end_however_much_is_open(behind: Sql) -> None:
    [watched] = behind.run(statement("watch_totals"), SAMPLES["watch_totals"])
    assert (watched["pending_count"], watched["undelivered_count"]) == (MOST_COUNTED, MOST_COUNTED)
    assert watched["pending_oldest"] == pytest.approx(BACKLOG, abs=300)
    assert watched["undelivered_oldest"] == pytest.approx(BACKLOG, abs=300)
