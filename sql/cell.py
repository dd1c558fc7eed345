"""Of which cell a database is: it is told once, and knows it from then on (0028_cells)."""

import psycopg2
from psycopg2.extensions import connection

from shared.platform.database.cell import ANOTHER_CELL
from sql.owner import UnsuitableDatabaseError

# Which of the two are there: a database that took payments before it knew of cells is cell 0's.
KNOWS = "SELECT to_regclass('cell') IS NOT NULL, to_regclass('payments') IS NOT NULL"
KNOWN = "SELECT number FROM cell WHERE number <> %s"
OF_BEFORE = "SELECT 0 WHERE %s <> 0 AND EXISTS (SELECT FROM payments)"


def refuse_another(owner: connection, cell: int) -> None:
    """Raises UnsuitableDatabaseError where the database is another cell's, whichever version migrated it. Changes nothing."""
    with owner.cursor() as cursor:
        cursor.execute(KNOWS)
        knows, is_migrated = cursor.fetchone() or (False, False)
        if is_migrated:
            cursor.execute(KNOWN if knows else OF_BEFORE, [cell])
            for (found,) in cursor.fetchall():
                raise UnsuitableDatabaseError(
                    f"CELL is {cell}, and the database {owner.info.dbname} is of cell {found}"
                )


def be_cell(owner: connection, cell: int) -> None:
    """Makes a migrated database the cell's, once and for all. Raises UnsuitableDatabaseError where it is another's."""
    with owner.cursor() as cursor:
        try:
            cursor.execute("SELECT be_cell(%s)", [cell])
        except psycopg2.Error as refused:
            if refused.pgcode != ANOTHER_CELL:
                raise
            raise UnsuitableDatabaseError(refused.diag.message_primary) from None
