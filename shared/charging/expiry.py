"""What a sweep deletes: keys that are over, and events that were told long ago."""

import time
from typing import Any

from shared.platform.database import Database, DatabaseUnavailable
from shared.platform.log import log
from shared.platform.progress import Done
from shared.platform.settings import Settings

# Keys come at the rate of charges: sweeps that come each minute keep up with some eight hundred a second, in batches so short
# that no request waits long for a lock of theirs.
MOST_DELETED = 50_000
DELETED_TOGETHER = 1000
# Rows that cannot be deleted are damage to look at; a sweep does not look for more of them than this.
MOST_PASSED_OVER = 100


def delete_keys(database: Database, until: float) -> Done:
    """Deletes expired keys, and says how many; begins nothing after `until` (monotonic). Raises DatabaseUnavailable."""
    return _delete(database, "delete_expired_keys", until)


def delete_events(database: Database, settings: Settings, until: float) -> Done:
    """Deletes events that were delivered longer ago than EVENT_RETENTION seconds; without a K_SINK also those that nobody is
    to get and that are as old. Says how many; begins nothing after `until` (monotonic). Raises DatabaseUnavailable."""
    names = ["delete_old_events"] if settings.k_sink else ["delete_old_events", "delete_unsent_events"]
    done = [_delete(database, name, until, retention=settings.event_retention) for name in names]
    return Done(sum(each.count for each in done), any(each.more for each in done))


def _delete(database: Database, name: str, until: float, **parameters: Any) -> Done:
    """Batch by batch. A batch that fails is tried in halves, until the row that makes it fail is alone and passed over."""
    deleted = passed_over = 0
    size = DELETED_TOGETHER
    while time.monotonic() < until and deleted < MOST_DELETED:
        try:
            gone = len(database.run_again(name, limit=size, passed_over=passed_over, **parameters))
        except DatabaseUnavailable:
            raise
        except Exception:
            if size == 1:
                log.exception("not deleted", extra={"statement": name})
                passed_over += 1
                if passed_over == MOST_PASSED_OVER:
                    raise
            size = max(1, size // 2)
            continue
        deleted += gone
        if gone < size:
            return Done(deleted)
        size = min(2 * size, DELETED_TOGETHER)
    return Done(deleted, more=True)
