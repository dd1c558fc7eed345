"""When the tables that change most are vacuumed: at a day's rows of 500 payments a second, in minutes, not in hours."""

import pytest

from tests.support.cluster import Place

PAYMENTS_A_SECOND = 500
DAY = 86_400 * PAYMENTS_A_SECOND
OPTIONS = """
SELECT option_name AS name, option_value::float8 AS value
  FROM pg_class, pg_options_to_table(reloptions) WHERE oid = %s::regclass
"""


@pytest.mark.parametrize(
    ("table", "rows", "dead_a_payment", "minutes"),
    [
        ("idempotency_keys", DAY, 2, 10),
        ("outbox", DAY, 2, 10),
        ("payments", DAY, 1, 20),
        ("totals_entries", 10_000, 3, 2),
    ],
)
def test_what_is_dead_is_vacuumed_within_minutes(
    place: Place, table: str, rows: int, dead_a_payment: int, minutes: float
) -> None:
    options = {row["name"]: row["value"] for row in place.sql.run(OPTIONS, (table,))}
    due = options["autovacuum_vacuum_threshold"] + options["autovacuum_vacuum_scale_factor"] * rows
    assert due / (PAYMENTS_A_SECOND * dead_a_payment) <= 60 * minutes
