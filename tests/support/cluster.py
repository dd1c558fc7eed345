"""A fresh, migrated database for each test: one embedded PostgreSQL for all of them, and a template to copy."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

from local.place import CHECKOUT
from local.postgres import Postgres
from shared.platform.settings import Settings
from tests.support.settings import SETTINGS
from tests.support.sql import Sql

TEMPLATE = "template_payments"

DISCONNECT = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND pid <> %s"
TABLES = (
    *("payments", "payment_receipts", "payment_refunds", "idempotency_keys", "outbox", "audit_log", "totals_entries"),
    *("figures_by_quarter", "cold_starts", "gateway_askings"),
    *("payment_disputes", "gateway_said", "gateway_rings", "gateway_cursors"),
    *("ledger_entries", "ledger_by_quarter", "ledger_by_driver", "reconciliations", "reconciled_movements"),
)
# A table that many rows were in, or that statistics know of, is to be as one that never had any.
USED = """
SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname = ANY(%s)
                                      AND (relpages > 0 OR pg_relation_size(oid) > 65536))
"""
TRUNCATE = f"TRUNCATE {', '.join(TABLES)};"
# A thirtieth of what it costs to truncate as many tables. The role is for triggers: some refuse it, none has to follow it.
DELETE = f"""
SET session_replication_role = replica;
{"".join(f"DELETE FROM {table};" for table in TABLES)}
RESET session_replication_role;
"""
BEGIN_ANEW = """
SELECT setval(seqrelid, seqstart, false) FROM pg_sequence JOIN pg_class ON oid = seqrelid
 WHERE relnamespace = 'public'::regnamespace AND pg_sequence_last_value(seqrelid) IS NOT NULL;
UPDATE oldest_open SET requests = '-infinity', events = '-infinity', expired = '-infinity', delivered = '-infinity',
       noted_at = '-infinity', noted_by = '0', clock = '-infinity'
"""
EMPTY = DELETE + BEGIN_ANEW
# What a test may have changed besides rows: tables, functions, triggers, settings of the database, its cell.
SCHEMA = """
SELECT concat(
    (SELECT string_agg(oid || '/' || relnatts || coalesce(reloptions::text, ''), ',' ORDER BY oid)
       FROM pg_class WHERE relnamespace = 'public'::regnamespace),
    (SELECT md5(string_agg(prosrc, ',' ORDER BY oid)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace),
    (SELECT md5(string_agg(tgname::text || tgenabled::text || coalesce(tgqual::text, ''), ',' ORDER BY oid)) FROM pg_trigger),
    (SELECT string_agg(conname::text, ',' ORDER BY oid) FROM pg_constraint),
    (SELECT string_agg(number::text, ',') FROM cell),
    (SELECT string_agg(setconfig::text, ',') FROM pg_db_role_setting s JOIN pg_database d ON d.oid = setdatabase
      WHERE datname = current_database()))
"""
# The functions' role: rows, no DDL. It is one for all databases of a server: whoever migrates one says the same time-out.
ROLE = {
    "DB_APP_USER": "payments_app",
    "DB_APP_PASS": "tests-only",
    "DB_STATEMENT_TIMEOUT": f"{SETTINGS.db_statement_timeout:g}",
}


class Place:
    """One database. `environment` has the DB_* settings of the functions' role, `owner` those of its owner."""

    def __init__(self, server: Postgres, name: str) -> None:
        self.server = server
        self.name = name
        self.owner = server.environment(name)
        self.environment = self.owner | {"DB_USER": ROLE["DB_APP_USER"], "DB_PASS": ROLE["DB_APP_PASS"]}
        self.sql = Sql(self.owner)
        self.schema = ""

    def settings(self, **changes: object) -> Settings:
        """The settings of the tests, with this database in them."""
        place = {
            "db_host": self.environment["DB_HOST"],
            "db_port": int(self.environment["DB_PORT"]),
            "db_name": self.name,
            "db_user": self.environment["DB_USER"],
            "db_pass": self.environment["DB_PASS"],
        }
        return replace(SETTINGS, **(place | changes))  # type: ignore[arg-type]

    def be_cell(self, number: int) -> None:
        """Makes it another cell's than that of all other tests, which is 0; nothing may have been written to it."""
        self.sql.run("DELETE FROM cell")
        self.sql.run("SELECT be_cell(%s)", (number,))

    def connection(self) -> Sql:
        """One more connection of the owner's; the caller closes it."""
        return Sql(self.owner)


def migrate(server: Postgres, name: str, cell: int = 0) -> None:
    """Migrates a database as an operator does: `python -m sql.migrate`, for the functions' role."""
    environment = {"PATH": os.environ["PATH"], **server.environment(name), **ROLE, "CELL": str(cell)}
    subprocess.run([sys.executable, "-m", "sql.migrate"], cwd=CHECKOUT, env=environment, check=True)


class Cluster:
    """The server of the tests, with the template that their databases are copied from.

    A copy takes a tenth of a second, and emptying one a tenth of that: a database that a test left with the schema as it was
    is emptied for the next test, any other is dropped.
    """

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._numbers = count(1)
        self._sql = Sql(server.environment())
        self._empty: list[Place] = []
        server.create_database(TEMPLATE)
        migrate(server, TEMPLATE)

    @contextmanager
    def database(self) -> Iterator[Place]:
        """A migrated database without a row, whose ids begin at 1; nobody else is connected to it."""
        place = self._empty.pop() if self._empty else self._copy()
        try:
            yield place
        finally:
            self._sql.run(DISCONNECT, (place.name, place.sql.backend))
            if place.sql.value(SCHEMA) == place.schema:
                used = place.sql.value(USED, [list(TABLES)])
                place.sql.run((TRUNCATE if used else DELETE) + BEGIN_ANEW)
                self._empty.append(place)
            else:
                self._drop(place)

    def close(self) -> None:
        for place in self._empty:
            place.sql.close()
        self._sql.close()

    def _copy(self) -> Place:
        name = f"test_{next(self._numbers)}"
        self._sql.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        place = Place(self.server, name)
        place.schema = place.sql.value(SCHEMA)
        return place

    def _drop(self, place: Place) -> None:
        place.sql.close()
        self._sql.run(f"DROP DATABASE {place.name} WITH (FORCE)")
