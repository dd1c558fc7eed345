"""Figures by quarters of an hour: where an entry goes that is folded, and what a database of before the migration has of them.
That they are what the tables say, however rows get there and whoever folds, is in test_totals.py and test_totals_entries.py."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from re import sub

import pytest

from seed.load import load
from shared.platform.database.statements import statement
from sql import migrate
from sql.rights import RIGHTS
from tests.sql.migrating import migrate_beside
from tests.sql.rows import CLAIM, a_payment, a_refund
from tests.sql.test_totals import totals_equal_the_tables
from tests.support.cluster import ROLE, Cluster, Place
from tests.support.sql import Sql

FOLD = statement("keep_up")
CLAIM_OF_BEFORE = sub(
    r" (customer_present|driver_id|commission|tells_key|true|%\((customer_present|driver_id|commission)\)s),",
    "",
    statement("claim_payment"),
)
QUARTERS = "SELECT quarter, status, count, amount, refunded FROM figures_by_quarter ORDER BY quarter, status"

LATELY = """
SELECT status, sum(count) AS count
  FROM figures_counted WHERE at > now() - interval '1 hour' GROUP BY 1 HAVING sum(count) <> 0 ORDER BY 1
"""
OF_THE_TABLE = """
SELECT quarter_of(created_at) AS quarter, status, count(*) AS count, sum(amount) AS amount, sum(refunded_amount) AS refunded
  FROM payments GROUP BY 1, 2 ORDER BY 1, 2
"""

# What is in the rights for what a later migration adds.
NEWER = (
    r",\s+(figures_counted|dispute_totals|(totals|figures)_with_disputes|ledger_counted|ledger_moves"
    r"|customer_present|next_action|reversed_amount|disputed_amount|late_charge_id|reversed_at|act_by|failed_at"
    r"|source, charge_id, gateway_id|driver_id, commission, tells_key|tells_key)\b|, at(?=, gateway)"
    r"|, gateway, driver_id, gateway_receivable, [^)]*"
    r"|GRANT [^;]*\sON (figures_\w+|payment_disputes|gateway_(said|rings|cursors)|ledger_\w+|reconcil\w+|cell) TO {role};"
    r"|GRANT EXECUTE [^;]*;"
)


def test_a_fold_adds_each_entry_to_the_quarter_in_which_it_happened(place: Place) -> None:
    for at in ("2026-11-22 12:00Z", "2026-11-22 12:14:59.999999Z", "2026-11-22 12:15Z"):
        place.sql.run("BEGIN")
        a_refund(place.sql, a_payment(place.sql))
        place.sql.run("UPDATE totals_entries SET at = %s WHERE at = now()", (at,))
        place.sql.run("COMMIT")
        place.sql.run(FOLD)
    first, second = (datetime(2026, 11, 22, 12, minute, tzinfo=UTC) for minute in (0, 15))
    quarters = [(row["quarter"], row["status"], row["count"]) for row in place.sql.run(QUARTERS)]
    assert quarters == [(first, "SUCCESS", 2), (first, None, 2), (second, "SUCCESS", 1), (second, None, 1)]


def test_a_payment_of_the_seed_happened_when_it_says_and_any_other_now(place: Place) -> None:
    a_payment(place.sql, gateway=None, created_at="2024-11-05T22:18:21Z")
    a_payment(place.sql, created_at="2024-11-05T22:18:21Z")
    place.sql.run(FOLD)
    then, now = place.sql.run(QUARTERS)
    assert then == {
        "quarter": datetime(2024, 11, 5, 22, 15, tzinfo=UTC),
        "status": "SUCCESS",
        "count": 1,
        "amount": Decimal(100),
        "refunded": 0,
    }
    assert place.sql.value("SELECT quarter_of(now()) - %s < interval '1 hour'", (now["quarter"],))


def test_a_held_snapshot_keeps_a_version_of_a_quarter_for_each_fold_and_readers_walk_no_more(place: Place) -> None:
    with place.connection() as backup:
        backup.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
        backup.run("SELECT count(*) FROM payments")
        for _ in range(100):
            a_payment(place.sql)
            place.sql.run(FOLD)
        totals_equal_the_tables(place.sql)
        assert place.sql.value("SELECT pg_relation_size('figures_by_quarter') / 8192") <= 10
        backup.run("COMMIT")


@pytest.fixture(scope="module")
def old(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database of the version before, with its rights and the rows of the seed."""
    folder = tmp_path_factory.mktemp("before")
    for path in migrate.MIGRATIONS.glob("*.sql"):
        if path.name < "0023":
            shutil.copy(path, folder)
    rights = folder.parent / "rights_before.sql"
    rights.write_text(sub(NEWER, "", RIGHTS.read_text()))
    cluster.server.create_database("old")
    settings = cluster.server.environment("old") | ROLE
    with pytest.MonkeyPatch.context() as past:
        past.setattr(migrate, "MIGRATIONS", folder)
        past.setattr("sql.rights.RIGHTS", rights)
        past.setattr(migrate, "be_cell", lambda *_: None)
        migrate.migrate(settings)
    load(settings)
    return "old"


@pytest.fixture
def before(cluster: Cluster, old: str) -> Iterator[dict[str, str]]:
    """A copy of it; migrate.MIGRATIONS is the present again."""
    with closing(Sql(cluster.server.environment())) as sql:
        sql.run(f"CREATE DATABASE before_quarters TEMPLATE {old}")
        yield cluster.server.environment("before_quarters") | ROLE
        sql.run("DROP DATABASE before_quarters WITH (FORCE)")


def test_rows_of_the_seed_that_were_there_are_in_their_quarters_and_all_is_counted(before: dict[str, str]) -> None:
    migrate.migrate(before)
    with Sql(before) as sql:
        totals_equal_the_tables(sql)
        assert sql.run(statement("figures_since")) == [{"since": None}]
        assert sql.run(OF_THE_TABLE) == sql.run(QUARTERS)


def test_what_was_paid_before_is_not_in_the_figures_which_say_since_when_all_is(before: dict[str, str]) -> None:
    with Sql(before) as sql:
        pending = a_payment(sql, status="PENDING")
        migrate.migrate(before)
        assert sql.value("SELECT since > now() - interval '1 min' FROM figures_since")
        sql.run("UPDATE payments SET status = 'SUCCESS' WHERE payment_id = %s", (pending,))
        a_payment(sql)
        assert sql.run(LATELY) == [{"status": "PENDING", "count": -1}, {"status": "SUCCESS", "count": 2}]


def test_what_is_paid_while_it_waits_for_a_lock_is_of_before(before: dict[str, str]) -> None:
    with Sql(before) as vacuum, Sql(before) as sql:
        vacuum.run("BEGIN")
        vacuum.run("LOCK TABLE payments IN SHARE UPDATE EXCLUSIVE MODE")
        migration = threading.Thread(target=migrate.migrate, args=(before,))
        migration.start()
        waits = "SELECT count(*) FROM pg_locks WHERE relation = 'payments'::regclass AND NOT granted"
        while migration.is_alive() and not sql.value(waits):
            time.sleep(0.01)
        a_payment(sql)
        vacuum.run("COMMIT")
        migration.join()
        assert sql.value("SELECT since > (SELECT max(updated_at) FROM payments) FROM figures_since")


def test_functions_of_the_version_before_pay_and_fold_while_it_is_applied(before: dict[str, str]) -> None:
    """With the rights that they have: those of `sql/rights.sql` come only after the last migration."""
    turns = count(1)

    def pay_and_fold(own: Sql) -> None:
        turn = next(turns)
        claim = {"key_hash": str(turn).encode().ljust(32), "reference": f"PAY-{turn}"}
        own.run(CLAIM_OF_BEFORE, CLAIM | claim)
        own.run(FOLD)

    role = {"DB_USER": ROLE["DB_APP_USER"], "DB_PASS": ROLE["DB_APP_PASS"]}
    migrate_beside(before, role, 3 * [pay_and_fold])
