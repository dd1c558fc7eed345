"""How a cell stands, to be seen beside others: what happened today, and what is pending or needs attention."""

from typing import NamedTuple

from shared.platform.database import HEALTH_WITHIN, Database
from shared.reading.attention import count_attention
from shared.reading.figures import Happened, happened_of
from shared.reading.periods import Period
from shared.reading.totals import MOST_COUNTED


class Standing(NamedTuple):
    """What happened in a period, in one currency. Pending are charges and refunds, now, up to MOST_COUNTED; the age of the
    oldest in seconds. `attention` is how much needs some, each kind up to attention.MOST_COUNTED. `is_up`: payments can be
    taken."""

    happened: Happened
    pending_count: int
    pending_oldest: float
    attention: int
    is_up: bool


def read_standing(database: Database, period: Period, currency: str) -> Standing:
    """By a few statements that take no longer however many payments there are. Raises DatabaseUnavailable."""
    bounds = {"from": period.begins, "to": period.ends}
    rows = database.run_again("figures", starts=[period.begins, period.ends], **bounds)
    [pending] = database.run_again("watch_totals", most_counted=MOST_COUNTED)
    return Standing(
        happened=happened_of(row for row in rows if row["currency"] == currency),
        pending_count=pending["pending_count"],
        pending_oldest=pending["pending_oldest"],
        attention=count_attention(database),
        is_up=database.writable_within(HEALTH_WITHIN),
    )
