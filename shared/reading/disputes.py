"""What happened to the disputes of a payment, for people."""

from collections.abc import Iterator

from shared.platform.database import Database
from shared.reading.moments import DisputeOpened, DisputeOver, Moment

# As many of a payment as a person reads.
MOST_OF_ONE = 50


def moments_of(database: Database, payment_id: int) -> Iterator[Moment]:
    """What happened to the disputes of a payment: opened, and over. Raises DatabaseUnavailable."""
    for row in database.run_again("disputes_of", payment_id=payment_id, limit=MOST_OF_ONE):
        told = {name: row[name] for name in ("gateway_id", "status", "amount", "currency")}
        due = {name: row[name] for name in ("reason", "evidence_due_by")}
        yield DisputeOpened(row["opened_at"], None, **told, **due)
        if row["closed_at"] is not None:
            yield DisputeOver(row["closed_at"], None, **told)
