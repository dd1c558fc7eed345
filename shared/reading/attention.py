"""What needs somebody's attention, each kind bounded however much there is of it."""

from typing import NamedTuple

from shared.platform.database import Database, Row
from shared.rules.states import METHODS

# Seconds: a charge takes a gateway's time-out (10) and is asked about again some seconds later; an event is sent within one.
# What is older than this is no longer on its way.
LATE = 60
# Of each kind that a page lists: what a person reads. The oldest come first, so that the others move up.
MOST = 50
# The number beside the page's name ends here, and so do the differences that a line counts.
MOST_COUNTED = 100
# Entries of the audit trail that are looked through for contradictions: people write the others, a few a day. And the oldest of
# what is pending, for what does not wait for its customer: nobody waits for longer than NEXT_ACTION_TIMEOUT.
LOOKED = 5_000
# Seconds. Nobody takes a contradiction back: for a week after it was found it counts as something to do.
RECENT = 7 * 24 * 3600
# Payments of the last hour, and of the day before, that shares are worked out from: of 1,000, a share is within 3 % of what all
# would give (95 % sure), which is less than what counts as rising.
SAMPLE = 1_000
# Declines rise where so many were declined within the hour, and the share is twice that of the day before and five per cent
# above it.
FEWEST_DECLINED, TIMES, BEYOND = 10, 2.0, 0.05


class Share(NamedTuple):
    """How many payments failed, of those that were settled."""

    settled: int
    failed: int

    @property
    def share(self) -> float:
        return self.failed / self.settled if self.settled else 0.0


class Declines(NamedTuple):
    """The declines among the newest settled payments of the last hour, and of the day before it."""

    hour: Share
    day: Share

    @property
    def rising(self) -> bool:
        hour, before = self.hour.share, self.day.share
        return self.hour.failed >= FEWEST_DECLINED and hour >= TIMES * before and hour >= before + BEYOND


class Attention(NamedTuple):
    """What needs attention: `pending` (but for what waits for its customer) and `undelivered` for longer than a minute,
    `refused` and set aside, oldest first; `contradictions`, newest first; `disputes` that are not decided, whose
    evidence is due next first; and reconciliations that are `differing` from a gateway's books, the latest times first.
    Each list ends at MOST, which then means "at least"."""

    pending: list[Row]
    undelivered: list[Row]
    refused: list[Row]
    declines: Declines
    contradictions: list[Row]
    disputes: list[Row]
    differing: list[Row]

    @property
    def recent(self) -> list[Row]:
        """The contradictions that somebody is to look into."""
        return [row for row in self.contradictions if row["age"] < RECENT and not row["put_right"]]

    @property
    def due(self) -> list[Row]:
        """Disputes whose evidence can still be sent: nobody can do anything about the others."""
        return [row for row in self.disputes if row["due_in"] is not None and row["due_in"] > 0]

    @property
    def nothing(self) -> bool:
        kinds = (self.pending, self.undelivered, self.refused, self.recent, self.due, self.differing)
        return not (any(kinds) or self.declines.rising)


def read_attention(database: Database) -> Attention:
    """Raises DatabaseUnavailable."""
    hour, day = database.run_again("declines", methods=list(METHODS), limit=SAMPLE)
    return Attention(
        pending=[row for row in database.run_again("pending", looked=LOOKED, limit=MOST) if _overdue(row) > LATE],
        undelivered=database.run_again("undelivered_events", age=LATE, limit=MOST),
        refused=database.run_again("set_aside_events", limit=MOST),
        declines=Declines(Share(**hour), Share(**day)),
        contradictions=database.run_again("contradictions", looked=LOOKED, limit=MOST),
        disputes=database.run_again("open_disputes", limit=MOST),
        differing=database.run_again("differing", looked=LOOKED, most_counted=MOST_COUNTED, limit=MOST),
    )


def _overdue(row: Row) -> float:
    """For how many seconds it is pending, its customer not being waited for."""
    return float(row["age"] - (row["waits"] or 0))


def count_attention(database: Database) -> int:
    """How much needs attention, but for declines; each kind is counted up to MOST_COUNTED. Raises DatabaseUnavailable."""
    [counted] = database.run_again("needs_attention", age=LATE, recent=RECENT, looked=LOOKED, limit=MOST_COUNTED)
    return int(counted["count"])
