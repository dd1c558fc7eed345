"""Jobs that go on batch by batch, bounded in time and rows, and how far they came."""

import time
from dataclasses import dataclass
from typing import Any

from shared.platform.database import Database, DatabaseUnavailable
from shared.platform.log import log

# Rows come at the rate of charges: sweeps that come each minute keep up with some eight hundred a second, in batches so short
# that no request waits long for a lock of theirs.
MOST_DELETED = 50_000
DELETED_TOGETHER = 1000
# Rows that cannot be deleted are damage to look at; a job does not look for more of them than this.
MOST_PASSED_OVER = 100


@dataclass(frozen=True)
class Done:
    """How many rows a job dealt with, and whether it ended at its bounds with more of them to do."""

    count: int
    more: bool = False


def delete_in_batches(database: Database, name: str, until: float, **parameters: Any) -> Done:
    """Runs a statement that deletes at most `limit` rows until nothing is left, or until `until` (monotonic). A batch that
    fails is tried in halves, until the row that makes it fail is alone and passed over. Raises DatabaseUnavailable."""
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
