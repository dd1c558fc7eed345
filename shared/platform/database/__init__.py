"""PostgreSQL, by named statements; the only place that imports psycopg2 for a function."""

from shared.platform.database.execution import Conflict, DatabaseUnavailable, Row
from shared.platform.database.statements import Database

__all__ = ["Conflict", "Database", "DatabaseUnavailable", "Row"]
