"""The totals for the metrics: as fast over ten million payments as over none, and equal to what the tables say."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import NamedTuple

from shared.platform.database import Database, Row
from shared.rules.money import rounded
from shared.rules.states import METHODS, STATUSES

# What is open is counted so far, and no further: a count that reaches it means "at least".
MOST_COUNTED = 2_000


class Figures(NamedTuple):
    """What the books hold of one currency, amounts in it. Every known status and method is counted, at nothing too, and any
    other that is found. Revenue is what was charged minus what was refunded, over SUCCESS and REFUNDED; the average is over
    payments of status SUCCESS."""

    by_status: dict[str, int]
    by_method: dict[str, int]
    average_amount: Decimal
    revenue: Decimal
    refund_count: int
    refund_amount: Decimal


class Totals(NamedTuple):
    """The figures of each currency, never added up over several: of `currency`, which is the service's, and of whatever
    `others` the books hold. Ages in seconds. Pending are charges and refunds; rows of the seed are not."""

    currency: str
    figures: Figures
    others: dict[str, Figures]
    pending_count: int
    pending_oldest: float
    undelivered_count: int
    undelivered_oldest: float
    refused_count: int
    contradiction_count: int


def read_totals(database: Database, currency: str) -> Totals:
    """The totals as they stand, those of `currency`, which is the service's, before the others. Raises DatabaseUnavailable."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in database.run_again("payment_totals"):
        rows[row["currency"]].append(row)
    watched = database.run_again("watch_totals", most_counted=MOST_COUNTED)[0]
    return Totals(
        currency=currency,
        figures=_figures(rows.pop(currency, [])),
        others={other: _figures(rows[other]) for other in sorted(rows)},
        pending_count=watched["pending_count"],
        pending_oldest=watched["pending_oldest"],
        undelivered_count=watched["undelivered_count"],
        undelivered_oldest=watched["undelivered_oldest"],
        refused_count=watched["refused_count"],
        contradiction_count=watched["contradiction_count"],
    )


def _figures(rows: list[Row]) -> Figures:
    """The figures in one currency's rows of payment_totals: those of refunds have no status."""
    by_status, by_method = Counter(dict.fromkeys(STATUSES, 0)), Counter(dict.fromkeys(METHODS, 0))
    charged = revenue = refunded = Decimal(0)
    refunds = 0
    for row in rows:
        if row["status"] is None:
            refunds, refunded = row["count"], row["amount"]
            continue
        by_status[row["status"]] += row["count"]
        by_method[row["method"]] += row["count"]
        if row["status"] == "SUCCESS":
            charged += row["amount"]
        if row["status"] in ("SUCCESS", "REFUNDED"):
            revenue += row["amount"] - row["refunded"]
    return Figures(
        by_status=dict(by_status),
        by_method=dict(by_method),
        average_amount=rounded(charged / (by_status["SUCCESS"] or 1)),
        revenue=rounded(revenue),
        refund_count=refunds,
        refund_amount=rounded(refunded),
    )
