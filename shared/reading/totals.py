"""The totals for the metrics: as fast over ten million payments as over none, and equal to what the tables say."""

from collections import Counter, defaultdict
from decimal import Decimal
from typing import NamedTuple

from shared.platform.database import Database, Row
from shared.rules.money import rounded
from shared.rules.states import DISPUTE_STATUSES, DISPUTES_HOLDING, METHODS, STATUSES

# What is open is counted so far, and no further: a count that reaches it means "at least".
MOST_COUNTED = 2_000
# How a dispute's status is told from a payment's in the totals.
DISPUTE = "DISPUTE "


class Figures(NamedTuple):
    """What the books hold of one currency, amounts in it. Every known status and method is counted, at nothing too, and any
    other that is found; so is every status of a dispute. `disputed_amount` is of disputes that are open or lost. Revenue is
    what was charged minus what was refunded, over SUCCESS and REFUNDED, minus what is disputed; the average is over payments of
    status SUCCESS."""

    by_status: dict[str, int]
    by_method: dict[str, int]
    average_amount: Decimal
    revenue: Decimal
    refund_count: int
    refund_amount: Decimal
    disputes_by_status: dict[str, int]
    disputed_amount: Decimal

    @property
    def dispute_count(self) -> int:
        return sum(self.disputes_by_status.values())


class Totals(NamedTuple):
    """The figures of each currency, never added up over several: of `currency`, which is the service's, and of whatever
    `others` the books hold. `balances`: of each currency that the journal has entries of, the balance of each of its accounts,
    a debit above zero; they sum to zero. Ages in seconds. Pending are charges and refunds; rows of the seed are not.
    `evidence_due` is how long there is to send the evidence in a dispute that is due next, in seconds; None where none is.
    Rings are objects of a gateway that are to be read. Contradictions are those that nothing has put right. `differences` were
    found by the reconciliations of times that ended within 35 days; `unreconciled` is how long ago the latest time ended that
    was reconciled wholly, 0 where none was."""

    currency: str
    figures: Figures
    others: dict[str, Figures]
    balances: dict[str, dict[str, Decimal]]
    pending_count: int
    pending_oldest: float
    undelivered_count: int
    undelivered_oldest: float
    refused_count: int
    contradiction_count: int
    evidence_due: float | None
    ring_count: int
    ring_oldest: float
    differences: int
    unreconciled: float


def read_totals(database: Database, currency: str) -> Totals:
    """The totals as they stand, those of `currency`, which is the service's, before the others. Raises DatabaseUnavailable."""
    rows: dict[str, list[Row]] = defaultdict(list)
    balances: dict[str, dict[str, Decimal]] = defaultdict(dict)
    for row in database.run_again("payment_totals"):
        if row["account"] is not None:
            balances[row["currency"]][row["account"]] = rounded(row["amount"])
        else:
            rows[row["currency"]].append(row)
    watched = database.run_again("watch_totals", most_counted=MOST_COUNTED)[0]
    return Totals(
        currency=currency,
        figures=_figures(rows.pop(currency, [])),
        others={other: _figures(rows[other]) for other in sorted(rows)},
        balances=dict(balances),
        pending_count=watched["pending_count"],
        pending_oldest=watched["pending_oldest"],
        undelivered_count=watched["undelivered_count"],
        undelivered_oldest=watched["undelivered_oldest"],
        refused_count=watched["refused_count"],
        contradiction_count=watched["contradiction_count"],
        evidence_due=watched["evidence_due"],
        ring_count=watched["ring_count"],
        ring_oldest=watched["ring_oldest"],
        differences=watched["differences"],
        unreconciled=watched["unreconciled"],
    )


def _figures(rows: list[Row]) -> Figures:
    """The figures in one currency's rows of payment_totals: those of refunds have no status, those of disputes their own."""
    by_status, by_method = Counter(dict.fromkeys(STATUSES, 0)), Counter(dict.fromkeys(METHODS, 0))
    disputes = Counter(dict.fromkeys(DISPUTE_STATUSES, 0))
    charged = revenue = refunded = disputed = Decimal(0)
    refunds = 0
    for row in rows:
        status, amount = row["status"], row["amount"]
        if status is None:
            refunds, refunded = row["count"], amount
        elif status.startswith(DISPUTE):
            disputes[status.removeprefix(DISPUTE)] += row["count"]
            disputed += disputed_in(row)
        else:
            by_status[status] += row["count"]
            by_method[row["method"]] += row["count"]
            charged += amount if status == "SUCCESS" else 0
            revenue += amount - row["refunded"] if status in ("SUCCESS", "REFUNDED") else 0
    return Figures(
        by_status=dict(by_status),
        by_method=dict(by_method),
        average_amount=rounded(charged / (by_status["SUCCESS"] or 1)),
        revenue=rounded(revenue - disputed),
        refund_count=refunds,
        refund_amount=rounded(refunded),
        disputes_by_status=dict(disputes),
        disputed_amount=rounded(disputed),
    )


def disputed_in(row: Row) -> Decimal:
    """What a row of disputes by status takes of the revenue: what is held back while they are open, and what is lost."""
    holds = row["status"].removeprefix(DISPUTE) in DISPUTES_HOLDING
    return Decimal(row["amount"]) if holds else Decimal(0)
