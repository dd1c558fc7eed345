"""What happened in a period, for people: exact counts and sums, and samples of what only rows say."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from shared.platform.database import Database, Row
from shared.reading.periods import Period
from shared.reading.totals import DISPUTE, MOST_COUNTED, disputed_in
from shared.rules.money import rounded
from shared.rules.states import METHODS

# Rows that are looked at for codes, and for times: of 1,000, a share is within 3 % of what all would give (95 % sure).
MOST_EXAMINED = 1_000


class Happened(NamedTuple):
    """Payments that were made, charged and declined, refunds that were given back, and disputes that were heard of, each
    counted when that happened, so that a payment of one day may be charged on the next. `disputed` is what disputes took, minus
    what came back of them: below 0 where more came back. Revenue is what was charged minus what was given back and disputed."""

    made: int = 0
    charged: int = 0
    declined: int = 0
    refunds: int = 0
    refunded: Decimal = Decimal(0)
    revenue: Decimal = Decimal(0)
    disputes: int = 0
    disputed: Decimal = Decimal(0)

    @property
    def success_rate(self) -> float | None:
        """Of those that were charged or declined; None where none was."""
        decided = self.charged + self.declined
        return self.charged / decided if decided > 0 else None

    @property
    def is_nothing(self) -> bool:
        return self == Happened()


class Times(NamedTuple):
    """Seconds within which half of so many payments, and 95 in 100, were charged or declined."""

    payments: int
    half: float
    nearly_all: float


class Figures(NamedTuple):
    """Of `period`, in `currency`: the whole and its columns; and what there was in other currencies, never added to it.
    Declines by code and times are of the newest MOST_EXAMINED payments that were made in it. Pending are charges and refunds,
    now; the age of the oldest in seconds. `since`: from when on all is counted, None where nothing happened before."""

    period: Period
    currency: str
    whole: Happened
    columns: list[Happened]
    others: dict[str, Happened]
    declines: list[tuple[str | None, int]]
    times: Times | None
    pending_count: int
    pending_oldest: float
    since: datetime | None

    @property
    def is_partial(self) -> bool:
        """Whether the period begins before all was counted."""
        return self.since is not None and self.period.begins < self.since


def read_figures(database: Database, period: Period, currency: str) -> Figures:
    """The figures of a period. Raises DatabaseUnavailable."""
    bounds = {"from": period.begins, "to": period.ends}
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in database.run_again("figures", starts=list(period.starts), **bounds):
        rows[row["currency"]].append(row)
    ours = rows.pop(currency, [])
    # Cash is settled as it is taken, and says nothing of how long a gateway takes.
    asked_for = tuple(method for method in METHODS if method != "CASH")
    examined = {"currency": currency, "most": MOST_EXAMINED, **bounds}
    [times] = database.run_again("times_to_settle", methods=list(asked_for), **examined)
    [pending] = database.run_again("watch_totals", most_counted=MOST_COUNTED)
    return Figures(
        period=period,
        currency=currency,
        whole=happened_of(ours),
        columns=[happened_of(row for row in ours if row["place"] == n) for n in range(len(period.starts) - 1)],
        others={other: happened for other in sorted(rows) if not (happened := happened_of(rows[other])).is_nothing},
        declines=[
            (row["code"], row["count"])
            for row in database.run_again("declines_by_code", methods=list(METHODS), **examined)
        ],
        times=Times(times["count"], times["half"], times["nearly_all"]) if times["count"] else None,
        pending_count=pending["pending_count"],
        pending_oldest=pending["pending_oldest"],
        since=database.run_again("figures_since")[0]["since"],
    )


def happened_of(rows: Iterable[Row]) -> Happened:
    """What rows of the statement `figures` say, which are net moves: whatever its status is afterwards, a payment that was made
    is one more. One that was charged is in one of two statuses; a whole refund moves it from the one to the other."""
    made = charged = declined = refunds = disputes = 0
    refunded = revenue = disputed = Decimal(0)
    for row in rows:
        status, count = row["status"], row["count"]
        if status is None:
            refunds, refunded = refunds + count, refunded + row["amount"]
        elif status.startswith(DISPUTE):
            disputes, disputed = disputes + count, disputed + disputed_in(row)
        else:
            made += count
            charged += count if status in ("SUCCESS", "REFUNDED") else 0
            declined += count if status == "FAILED" else 0
            revenue += row["amount"] - row["refunded"] if status in ("SUCCESS", "REFUNDED") else 0
    net = rounded(revenue - disputed)
    return Happened(made, charged, declined, refunds, rounded(refunded), net, disputes, rounded(disputed))
