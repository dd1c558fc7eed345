"""A database knows of which cell it is, and gives out ids of that cell alone."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from seed.load import load
from shared.platform.database.cell import ANOTHER_CELL
from shared.platform.database.statements import statement
from shared.rules.cells import GREATEST_CELL, cell_of, first_id
from sql.migrate import migrate
from sql.owner import UnsuitableDatabaseError
from tests.sql.rows import a_payment, a_refund
from tests.sql.samples import ENTERED_PAYMENT, LOST_CHARGE
from tests.support.cluster import ROLE, TABLES, TEMPLATE, Cluster, Place
from tests.support.sql import Sql

SEQUENCES = ("payments_payment_id_seq", "payment_refunds_refund_id_seq")
BOUNDS = "SELECT seqrelid, seqmin, seqmax, seqstart FROM pg_sequence ORDER BY seqrelid"
# As the version before migrated it: what 0028_cells makes is not there.
BEFORE = """
DROP FUNCTION be_cell;
DROP FUNCTION in_cell;
DROP FUNCTION has_given_ids;
DROP TABLE cell;
DELETE FROM _yoyo_migration WHERE migration_id = '0028_cells'
"""


@pytest.fixture
def before(cluster: Cluster) -> Iterator[dict[str, str]]:
    """The owner's settings of a database of the version before, without a row."""
    with Sql(cluster.server.environment()) as sql:
        sql.run(f"CREATE DATABASE before_cells TEMPLATE {TEMPLATE}")
        settings = cluster.server.environment("before_cells") | ROLE
        with Sql(settings) as own:
            own.run(BEFORE)
        yield settings
        sql.run("DROP DATABASE before_cells WITH (FORCE)")


def everything(sql: Sql) -> list[Any]:
    """Every row of every table, and where each sequence stands, within which bounds."""
    rows = [sql.run(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in (*TABLES, "oldest_open")]
    return [rows, [sql.run(f"SELECT last_value, is_called FROM {name}") for name in SEQUENCES], sql.run(BOUNDS)]


@pytest.mark.parametrize("cell", [1, GREATEST_CELL])
def test_ids_are_the_cell_s_from_the_first_to_the_last(place: Place, cell: int) -> None:
    place.be_cell(cell)
    first = a_payment(place.sql)
    assert (first, a_refund(place.sql, first)) == (first_id(cell), first_id(cell))
    for name in SEQUENCES:
        place.sql.run(f"SELECT setval('{name}', {first_id(cell + 1) - 3})")
    last = a_payment(place.sql)
    assert (cell_of(last), cell_of(a_refund(place.sql, last))) == (cell, cell)
    assert last == first_id(cell + 1) - 2 < 2**53
    with pytest.raises(errors.SequenceGeneratorLimitExceeded):
        a_payment(place.sql)


def test_from_no_cell_to_cell_0_nothing_is_changed(before: dict[str, str]) -> None:
    load_of_before(before)
    with Sql(before) as sql:
        a_refund(sql, a_payment(sql))
        was = everything(sql)
        assert migrate(before) == "Migrations applied: 0028_cells."
        assert everything(sql) == was
        assert sql.run("SELECT number FROM cell") == [{"number": 0}]
        assert a_payment(sql) == 352


def load_of_before(settings: dict[str, str]) -> None:
    assert load(settings) == "350 rows of history loaded."


@pytest.mark.parametrize("rows", ["payments", "ids that came to nothing"])
def test_who_has_given_out_ids_is_no_other_cell_than_0(before: dict[str, str], rows: str) -> None:
    with Sql(before) as sql:
        sql.run("BEGIN")
        a_payment(sql)
        sql.run("COMMIT" if rows == "payments" else "ROLLBACK")
        with pytest.raises(UnsuitableDatabaseError, match="CELL is 2, and the database before_cells is of cell 0"):
            migrate(before | {"CELL": "2"})
        if rows == "payments":
            assert sql.value("SELECT to_regclass('cell')") is None
        migrate(before)
        assert a_payment(sql) == 2


def test_a_cell_s_database_is_no_other_s(before: dict[str, str]) -> None:
    with Sql(before) as sql:
        migrate(before | {"CELL": "1"})
        sql.run("DELETE FROM _yoyo_migration WHERE migration_id = '0028_cells'")
        was = everything(sql)
        for job in (migrate, load):
            with pytest.raises(UnsuitableDatabaseError) as refused:
                job(before | {"CELL": "2"})
            assert str(refused.value) == "CELL is 2, and the database before_cells is of cell 1"
        assert everything(sql) == was
        assert sql.value("SELECT count(*) FROM _yoyo_migration WHERE migration_id = '0028_cells'") == 0


def test_it_is_told_once_and_asked_by_whoever_uses_it(place: Place) -> None:
    place.be_cell(3)
    bounds = place.sql.run(BOUNDS)
    a_payment(place.sql)
    place.sql.run("SELECT be_cell(3)")
    assert place.sql.run(BOUNDS) == bounds
    with Sql(place.environment) as role:
        role.run("SELECT in_cell(3)")
        for asked in ("SELECT in_cell(0)", "SELECT in_cell(4)"):
            with pytest.raises(psycopg2.DatabaseError) as refused:
                role.run(asked)
            assert refused.value.pgcode == ANOTHER_CELL
        for forbidden in ("SELECT be_cell(4)", "UPDATE cell SET number = 4", "DELETE FROM cell"):
            with pytest.raises(errors.InsufficientPrivilege):
                role.run(forbidden)
    with pytest.raises(psycopg2.DatabaseError, match="CELL is 4, and the database test_"):
        place.sql.run("SELECT be_cell(4)")
    with pytest.raises(errors.UniqueViolation):
        place.sql.run("INSERT INTO cell VALUES (4)")


def test_functions_that_still_run_when_the_version_before_is_deployed_again_ask_on(place: Place) -> None:
    """It gives their role the rights that it knows of, and takes all others away."""
    place.sql.run("BEGIN")
    place.sql.run(f"REVOKE ALL ON cell FROM {place.environment['DB_USER']}")
    place.sql.run(f"SET LOCAL ROLE {place.environment['DB_USER']}")
    place.sql.run("SELECT in_cell(0)")
    place.sql.run("ROLLBACK")


def test_one_that_is_no_cell_s_yet_is_not_migrated(place: Place) -> None:
    place.sql.run("DELETE FROM cell")
    with pytest.raises(errors.ObjectNotInPrerequisiteState):
        place.sql.run("SELECT in_cell(0)")


def test_the_history_of_a_cell_has_its_ids_and_references(place: Place) -> None:
    place.be_cell(2)
    settings = place.owner | {"CELL": "2"}
    assert load(settings) == "350 rows of history loaded."
    assert load(settings) == "The rows of history are there already."
    of_cell = "SELECT min(payment_id), max(payment_id), bool_and(reference LIKE '%%-2') AS all FROM payments"
    assert place.sql.run(of_cell) == [{"min": first_id(2), "max": first_id(2) + 349, "all": True}]
    assert a_payment(place.sql) == first_id(2) + 350


def test_a_lost_charge_keeps_an_id_of_its_cell_and_no_other(place: Place) -> None:
    """Also where none was given out yet; one of another cell's is somebody's error."""
    place.be_cell(2)
    asked = [first_id(2) + 6, first_id(2) + 3, 7, first_id(1), first_id(3), first_id(3) - 1, first_id(2) - 2]
    with Sql(place.environment) as role:
        entered = [enter(role, number, payment_id) for number, payment_id in enumerate(asked)]
    assert entered == [first_id(2) + more for more in (6, 3, 7, 8, 9, 10, 11)]


def enter(role: Sql, number: int, payment_id: int) -> int:
    lost = LOST_CHARGE | {"reference": f"PAY-{number}", "gateway_id": f"pi_{number}", "payment_id": payment_id}
    own = {"lost": json.dumps(lost), "key_hash": number.to_bytes(32)}
    return int(role.value(statement("enter_payment"), ENTERED_PAYMENT | own))
