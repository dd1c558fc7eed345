"""PostgreSQL, by named statements; the only place that imports psycopg2 for a function."""

from shared.platform.database.execution import Conflict, DatabaseUnavailable, Row
from shared.platform.database.statements import HEALTH_WITHIN, Database

__all__ = ["HEALTH_WITHIN", "Conflict", "Database", "DatabaseUnavailable", "Row"]
