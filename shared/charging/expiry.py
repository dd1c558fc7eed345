"""The end of idempotency keys."""

from shared.platform.batches import Done, delete_in_batches
from shared.platform.database import Database


def delete_keys(database: Database, until: float) -> Done:
    """Deletes expired keys, and says how many; begins nothing after `until` (monotonic). Raises DatabaseUnavailable."""
    return delete_in_batches(database, "delete_expired_keys", until)
