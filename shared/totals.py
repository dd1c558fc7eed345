"""The totals for the metrics: as fast over ten million payments as over none, and equal to what the tables say."""

from dataclasses import dataclass
from decimal import Decimal

from shared.database import Database
from shared.kinds import METHODS, STATUSES
from shared.money import rounded

# What is open is counted so far, and no further: a count that reaches it means "at least".
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Totals:
    """Amounts in the service's currency, ages in seconds. Revenue is what was charged minus what was refunded, over SUCCESS
    and REFUNDED; the average is over payments of status SUCCESS. Pending are charges and refunds;
    rows of the seed are not."""

    by_status: dict[str, int]
    by_method: dict[str, int]
    average_amount: Decimal
    revenue: Decimal
    refund_count: int
    refund_amount: Decimal
    pending_count: int
    pending_oldest: float
    undelivered_count: int
    undelivered_oldest: float


def read_totals(database: Database) -> Totals:
    """The totals as they stand. Raises DatabaseUnavailable."""
    by_status = dict.fromkeys(STATUSES, 0)
    by_method = dict.fromkeys(METHODS, 0)
    charged = revenue = Decimal(0)
    for row in database.run_again("payment_totals"):
        by_status[row["status"]] += row["count"]
        by_method[row["method"]] += row["count"]
        if row["status"] == "SUCCESS":
            charged += row["amount"]
        if row["status"] in ("SUCCESS", "REFUNDED"):
            revenue += row["amount"] - row["refunded"]
    watched = database.run_again("watch_totals", most_counted=MOST_COUNTED)[0]
    successes = by_status["SUCCESS"]
    return Totals(
        by_status=by_status,
        by_method=by_method,
        average_amount=rounded(charged / successes if successes else charged),
        revenue=rounded(revenue),
        refund_count=watched["refund_count"],
        refund_amount=rounded(watched["refund_amount"]),
        pending_count=watched["pending_count"],
        pending_oldest=watched["pending_oldest"],
        undelivered_count=watched["undelivered_count"],
        undelivered_oldest=watched["undelivered_oldest"],
    )
