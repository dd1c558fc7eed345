"""The functions' role does what the functions do, and nothing else: each tried as that role, and refused by PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from psycopg2 import errors

from shared.platform.database.statements import STATEMENTS, statement
from sql.owner import connect
from sql.rights import RIGHTS, give
from tests.sql.rows import CLAIM, a_key, a_payment, a_refund, an_event
from tests.sql.samples import SAMPLES
from tests.sql.test_states import SCENES, set_scene, ways_to_ask
from tests.support.cluster import ROLE, Cluster, Place
from tests.support.sql import Sql

ANSWERED = {"answer_status": 201, "answer": "{}", "expires_at": "tomorrow", "ask_after": None}


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    """A payment that is settled, one that is not, and some of all else."""
    with cluster.database() as place:
        fill(place.sql)
        yield place


def fill(sql: Sql) -> None:
    payment_id = a_payment(sql, refunded_amount="10.00", caller="https://issuer.example trips")
    sql.run(
        "INSERT INTO payment_receipts (payment_id, amount, currency) SELECT payment_id, amount, currency FROM payments"
    )
    a_refund(sql, payment_id)
    a_payment(sql, status="FAILED")
    a_key(sql, payment_id, **ANSWERED)
    open_key = a_key(sql, a_payment(sql, status="PENDING"))
    an_event(sql, "delivered", delivered_at="now")
    an_event(sql, "undelivered")
    sql.run(statement("audit"), SAMPLES["audit"] | {"key_hash": open_key})
    sql.run(statement("keep_askings"), SAMPLES["keep_askings"] | {"payment_id": payment_id})


@pytest.fixture(scope="module")
def one_role(place: Place) -> Iterator[Sql]:
    with Sql(place.environment) as role:
        yield role


@pytest.fixture
def role(one_role: Sql) -> Iterator[Sql]:
    """The functions' role; what it does is rolled back."""
    one_role.run("BEGIN")
    yield one_role
    one_role.run("ROLLBACK")


TABLES = (
    "payments",
    "payment_receipts",
    "payment_refunds",
    "idempotency_keys",
    "outbox",
    "audit_log",
    "gateway_askings",
    "totals_entries",
    "totals_folded",
    "figures_by_quarter",
    "figures_since",
    "oldest_open",
    "cold_starts",
)
NEVER = [
    *(
        form.format(table)
        for table in TABLES
        for form in (
            "ALTER TABLE {} ADD extra text",
            "ALTER TABLE {} DISABLE TRIGGER ALL",
            "CREATE TRIGGER t BEFORE INSERT ON {} EXECUTE FUNCTION refuse_change()",
            "CREATE INDEX ON {} ((1))",
            "DROP TABLE {} CASCADE",
            "TRUNCATE {} CASCADE",
        )
    ),
    "CREATE TABLE mine ()",
    "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION refuse_change() CASCADE",
    "DROP VIEW open_requests",
    "DROP SCHEMA public CASCADE",
    "SET session_replication_role = replica",
    "SET ROLE postgres",
    "SELECT FROM _yoyo_migration",
    "SELECT setval(pg_get_serial_sequence('payments', 'payment_id'), 1)",
    "SELECT nextval(pg_get_serial_sequence('payments', 'payment_id'))",
    *(f"DELETE FROM {table}" for table in TABLES if table not in ("idempotency_keys", "outbox", "totals_entries")),
    "UPDATE payment_receipts SET amount = 1",
    "UPDATE payment_receipts SET issued_at = now()",
    "UPDATE audit_log SET actor = 'nobody'",
    "UPDATE totals_entries SET amount = 0",
    "UPDATE gateway_askings SET said = 'succeeded'",
    "INSERT INTO gateway_askings (at, payment_id, asked, step, how, said, duration_ms)"
    " VALUES ('2020-01-01', 1, 1, 1, 'charge', 'succeeded', 1)",
    "UPDATE figures_by_quarter SET quarter = now()",
    "UPDATE figures_since SET since = now()",
    "UPDATE ledger_entries SET fees = 0",
    "INSERT INTO ledger_entries (at, movement, currency) VALUES ('2020-01-01', 'fee', 'INR')",
    "UPDATE ledger_by_driver SET driver_id = 'drv-1'",
    "INSERT INTO audit_log (at, actor, action, payment_id, outcome, reason, gateway_said)"
    " VALUES ('2020-01-01', 'a', 'settle_payment', 1, 'failed', 'r', 'g')",
    "INSERT INTO payments (payment_id, trip_id, amount, currency, method, status, reference)"
    " VALUES (9, 1, 1, 'INR', 'CARD', 'PENDING', 'PAY-9')",
    "INSERT INTO payments (trip_id, amount, currency, method, status, reference, created_at)"
    " VALUES (1, 1, 'INR', 'CARD', 'PENDING', 'PAY-9', '2020-01-01')",
    "INSERT INTO payment_receipts (payment_id, amount, currency, issued_at) VALUES (2, 1, 'INR', '2020-01-01')",
]
# By table, the columns that change: all others are written once.
CHANGED = {
    "payments": {
        "status",
        "failure_code",
        "gateway_id",
        "payment_token",
        "payment_customer",
        "reserved_amount",
        "refunded_amount",
        "updated_at",
        "asked_ms",
        "next_action",
        "reversed_amount",
        "disputed_amount",
        "late_charge_id",
        "failed_at",
    },
    "payment_receipts": set[str](),
    "payment_refunds": {"status", "failure_code", "gateway_id", "updated_at", "asked_ms", "reversed_at"},
    "idempotency_keys": {
        "locked_at",
        "asked",
        "ask_after",
        "search_place",
        "answer_status",
        "answer",
        "expires_at",
        "act_by",
    },
    "outbox": {"attempts", "next_attempt_at", "delivered_at", "refusals", "refusal", "refused_at"},
    "audit_log": set[str](),
    "gateway_askings": set[str](),
    "payment_disputes": {"amount", "status", "reason", "evidence_due_by", "closed_at", "moves", "updated_at"},
}


@pytest.mark.parametrize("forbidden", NEVER)
def test_the_role_may_not(role: Sql, forbidden: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        role.run(forbidden)


def columns(sql: Sql, table: str) -> list[str]:
    rows = sql.run("SELECT column_name FROM information_schema.columns WHERE table_name = %s", (table,))
    return [row["column_name"] for row in rows]


@pytest.mark.parametrize("table", CHANGED)
def test_a_column_that_is_written_once_may_not_be_changed(place: Place, role: Sql, table: str) -> None:
    every = columns(place.sql, table)
    assert CHANGED[table] < set(every)
    for column in every:
        role.run("SAVEPOINT before")
        if column in CHANGED[table]:
            role.run(f"UPDATE {table} SET {column} = {column} WHERE false")
        else:
            with pytest.raises((errors.InsufficientPrivilege, errors.GeneratedAlways)):
                role.run(f"UPDATE {table} SET {column} = {column} WHERE false")
            role.run("ROLLBACK TO before")


# What a grant cannot tell: the triggers refuse it, of the owner too.
REFUSED = {
    "payments_moved": "UPDATE payments SET status = 'FAILED', refunded_amount = 0 WHERE status = 'SUCCESS'",
    "payments_settled_stays": "UPDATE payments SET refunded_amount = 5 WHERE refunded_amount = 10",
    "payments_settled_stays 2": "UPDATE payments SET gateway_id = 'pi_mine' WHERE status = 'SUCCESS'",
    "refunds_moved": "UPDATE payment_refunds SET status = 'PENDING'",
    "payments_settled_stays 3": "UPDATE payments SET asked_ms = 5 WHERE status = 'SUCCESS'",
    "refunds_settled_stays": "UPDATE payment_refunds SET gateway_id = 're_mine'",
    "refunds_settled_stays 2": "UPDATE payment_refunds SET asked_ms = 5",
    "payments_failed_at_stays": "UPDATE payments SET updated_at = '2020-01-01' WHERE status = 'FAILED'",
    "refunds_ended_at_stays": "UPDATE payment_refunds SET updated_at = '2020-01-01'",
    "outbox_delivered_stays": "UPDATE outbox SET delivered_at = NULL WHERE event_id = 'delivered'",
    "outbox_delivered_stays 2": "UPDATE outbox SET delivered_at = now() WHERE event_id = 'delivered'",
    "outbox_delivered_stays 3": "UPDATE outbox SET attempts = 0, refused_at = NULL WHERE event_id = 'delivered'",
    "keys_answer_stays": "UPDATE idempotency_keys SET answer = '{\"payment_id\": 2}' WHERE answer_status IS NOT NULL",
    "keys_answer_stays 2": "UPDATE idempotency_keys SET expires_at = now() WHERE answer_status IS NOT NULL",
    "keys_stay": "DELETE FROM idempotency_keys WHERE answer_status IS NULL",
    "keys_stay 2": "DELETE FROM idempotency_keys WHERE answer_status IS NOT NULL",
}
REFUSED_TO_THE_OWNER = REFUSED | {
    "payments_request_stays": "UPDATE payments SET amount = 99",
    "payments_request_stays 2": "UPDATE payments SET trip_id = 99",
    "payments_request_stays 3": "UPDATE payments SET method = 'UPI'",
    "payments_request_stays 4": "UPDATE payments SET reference = 'PAY-other'",
    "payments_request_stays 5": "UPDATE payments SET caller = 'somebody else'",
    "payments_request_stays 6": "UPDATE payments SET commission = 1",
    "ledger_entries_stay": "UPDATE ledger_entries SET movement = 'other'",
    "ledger_entries_stay 2": "DELETE FROM ledger_entries",
    "the currency of a payment never changes": "UPDATE payments SET currency = 'USD'",
    "refunds_request_stays": "UPDATE payment_refunds SET amount = 9",
    "receipts_stay": "UPDATE payment_receipts SET amount = 9",
    "audit_log_stays": "UPDATE audit_log SET actor = 'somebody else'",
    "audit_log_stays 2": "DELETE FROM audit_log",
    "gateway_askings_stay": "UPDATE gateway_askings SET said = 'declined'",
    "gateway_askings_stay 2": "DELETE FROM gateway_askings",
    "outbox_event_stays": "UPDATE outbox SET data = '{}' WHERE event_id = 'undelivered'",
    "outbox_event_stays 2": "UPDATE outbox SET caller = 'somebody else' WHERE event_id = 'delivered'",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_over_stays_as_it_is(role: Sql, name: str) -> None:
    with pytest.raises(errors.IntegrityConstraintViolation) as refused:
        role.run(REFUSED[name])
    assert refused.value.diag.constraint_name == name.split()[0]


@pytest.mark.parametrize("name", REFUSED_TO_THE_OWNER)
def test_also_where_the_functions_are_the_owner_s(place: Place, name: str) -> None:
    with pytest.raises(errors.IntegrityConstraintViolation) as refused:
        place.sql.run(REFUSED_TO_THE_OWNER[name])
    assert (refused.value.diag.constraint_name or refused.value.diag.message_primary) in (name, name[:-2])


def test_what_the_sink_refused_is_sent_again(role: Sql) -> None:
    role.run("UPDATE outbox SET refused_at = now(), next_attempt_at = 'infinity' WHERE event_id = 'undelivered'")
    [row] = role.run(statement("resend_events"), {"event_id": None, "limit": 10})
    assert row == {"event_id": "undelivered"}


@pytest.fixture(scope="module")
def scenes(place: Place) -> list[dict[str, Any]]:
    return [set_scene(place.sql, payment, refund, None) for payment, refund in SCENES]


@pytest.mark.parametrize("name", sorted(path.stem for path in STATEMENTS.glob("*.sql")))
def test_every_statement_has_the_rights_that_it_uses(scenes: list[dict[str, Any]], role: Sql, name: str) -> None:
    """In every scene, so that all that it may set off is set off: a race for a key is the only refusal."""
    role.run("ROLLBACK")
    for scene in scenes:
        for parameters in ways_to_ask(name, scene):
            role.run("BEGIN")
            try:
                role.run(statement(name), parameters)
            except errors.UniqueViolation:
                pass
            finally:
                role.run("ROLLBACK")


@pytest.mark.parametrize("function", ["keep_up", "fold_totals", "note_oldest", "begin_anew"])
def test_so_has_what_one_claim_in_a_thousand_does(role: Sql, function: str) -> None:
    role.run(statement("charge_at_once"), CLAIM | {"method": "CASH", "gateway": "cash"})
    role.run(f"SELECT {function}()")


def test_every_table_and_view_is_named_there(place: Place) -> None:
    rows = place.sql.run(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
        " AND relname !~ '^_?yoyo_'"
    )
    text = RIGHTS.read_text(encoding="utf-8")
    assert [row["relname"] for row in rows if row["relname"] not in text] == []


# What the version before gave: rows of every table, of now and to come.
BEFORE = """
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role};
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {role};
"""
HELD = """
SELECT table_name, privilege_type FROM information_schema.table_privileges WHERE grantee = %(role)s
 UNION ALL
SELECT table_name || '.' || column_name, privilege_type FROM information_schema.column_privileges WHERE grantee = %(role)s
 ORDER BY 1, 2
"""


@pytest.fixture
def rotated(cluster: Cluster) -> Iterator[Place]:
    """A database whose functions have had two roles, both of the version before."""
    with cluster.database() as place:
        place.sql.run("CREATE ROLE rotated_app LOGIN PASSWORD 'tests-only'")
        for name in ("rotated_app", ROLE["DB_APP_USER"]):
            place.sql.run(BEFORE.format(role=name))
        try:
            yield place
        finally:
            give_rights(place)
            place.sql.run("DROP OWNED BY rotated_app; DROP ROLE rotated_app")


def give_rights(place: Place) -> None:
    with closing(connect(place.owner)) as owner:
        give(owner, ROLE["DB_APP_USER"])


@pytest.mark.parametrize("named_alike", ["CREATE TEMP TABLE payments ()", "CREATE TEMP VIEW open_requests AS SELECT 1"])
def test_nothing_of_the_role_s_own_stands_before_a_table_of_ours(place: Place, role: Sql, named_alike: str) -> None:
    """A pooler gives its connections, with whatever temporary tables they have, to one function after the other."""
    give_rights(place)  # a copy of a database has not the rights on the database itself
    with pytest.raises(errors.InsufficientPrivilege):
        role.run(named_alike)


def test_what_older_versions_gave_is_taken_from_every_role_that_the_functions_had(rotated: Place) -> None:
    give_rights(rotated)
    held = [rotated.sql.run(HELD, {"role": name}) for name in ("rotated_app", ROLE["DB_APP_USER"])]
    assert held[0] == held[1]
    rotated.sql.run("CREATE TABLE later (id bigint GENERATED BY DEFAULT AS IDENTITY)")
    with Sql(rotated.environment | {"DB_USER": "rotated_app"}) as role:
        assert role.run(statement("claim_payment"), CLAIM)
        for forbidden in ("UPDATE payments SET amount = 1", "DELETE FROM payments", "SELECT FROM later"):
            with pytest.raises(errors.InsufficientPrivilege):
                role.run(forbidden)


def test_functions_that_run_meanwhile_lack_nothing(rotated: Place) -> None:
    """Rights are taken and given in one commit: whoever looks sees those of before or those of after."""
    with ThreadPoolExecutor(1) as pool, Sql(rotated.environment) as role:
        giving = pool.submit(lambda: [give_rights(rotated) for _ in range(10)])
        claims = 0
        while not giving.done() or not claims:
            claims += 1
            key_hash = claims.to_bytes(32)
            assert role.run(statement("claim_payment"), CLAIM | {"key_hash": key_hash, "reference": f"PAY-{claims}"})
        giving.result()


def test_whoever_only_reads_keeps_what_an_operator_gave(rotated: Place) -> None:
    rotated.sql.run("CREATE ROLE reports; GRANT SELECT ON payments, audit_log TO reports")
    try:
        give_rights(rotated)
        assert rotated.sql.value("SELECT has_table_privilege('reports', 'audit_log', 'SELECT')")
    finally:
        rotated.sql.run("DROP OWNED BY reports; DROP ROLE reports")
