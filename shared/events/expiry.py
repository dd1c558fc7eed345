"""The end of events: told long ago, or for nobody."""

from shared.platform.batches import Done, delete_in_batches
from shared.platform.database import Database
from shared.platform.settings import Settings


def delete_events(database: Database, settings: Settings, until: float) -> Done:
    """Deletes events that were delivered longer ago than EVENT_RETENTION seconds; without a K_SINK also those that nobody is
    to get and that are as old. Says how many; begins nothing after `until` (monotonic). Raises DatabaseUnavailable."""
    names = ["delete_old_events"] if settings.k_sink else ["delete_old_events", "delete_unsent_events"]
    done = [delete_in_batches(database, name, until, retention=settings.event_retention) for name in names]
    return Done(sum(each.count for each in done), any(each.more for each in done))
