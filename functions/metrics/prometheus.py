"""The totals, and how long functions took to start, in Prometheus' text format and in OpenMetrics."""

import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from shared.platform.cell_labels import of_cell
from shared.reading.cold_starts import ColdStarts
from shared.reading.totals import MOST_COUNTED, Figures, Totals

PROMETHEUS = CONTENT_TYPE_PLAIN_0_0_4
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def prometheus_text(totals: Totals, starts: Sequence[ColdStarts], cell: str = "") -> str:
    """All figures in the Prometheus text format, version 0.0.4. They are read from the database, whichever instance answers.
    The totals are gauges: a count by status goes down as payments move on. `cell`: the label that all bear, where there is
    one."""
    return generate_latest(_registry(totals, starts, cell)).decode()


def openmetrics_text(totals: Totals, starts: Sequence[ColdStarts], cell: str = "") -> str:
    """The same in OpenMetrics 1.0, under the same names."""
    text: bytes = openmetrics.generate_latest(_registry(totals, starts, cell))  # type: ignore[no-untyped-call]
    return text.decode()


def _registry(totals: Totals, starts: Sequence[ColdStarts], cell: str) -> CollectorRegistry:
    class Collected(Collector):
        def collect(self) -> Iterator[Metric]:
            return of_cell(cell, [*_families(totals), _cold_starts(starts)])

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    return registry


def _families(totals: Totals) -> Iterator[GaugeMetricFamily]:
    books = {totals.currency: totals.figures} | totals.others
    yield _counts("payment_total", "Payments by status.", "status", {of: books[of].by_status for of in books})
    yield _counts("payment_method_total", "Payments by method.", "method", {of: books[of].by_method for of in books})
    disputes = {of: books[of].disputes_by_status for of in books}
    yield _counts("payment_dispute_total", "Disputes by status.", "status", disputes)
    for name, meaning, figure in _FIGURES:
        family = GaugeMetricFamily(name, meaning, labels=["currency"])
        for currency, figures in books.items():
            family.add_metric([currency], float(figure(figures)))
        yield family
    balances = GaugeMetricFamily(
        "payment_ledger_balance",
        "Balance of each account of the ledger, a debit above zero.",
        labels=["account", "currency"],
    )
    for currency, by_account in totals.balances.items():
        for account, balance in by_account.items():
            balances.add_metric([account, currency], float(balance))
    yield balances
    for name, meaning, watched in _WATCHED:
        yield GaugeMetricFamily(name, meaning, value=float(watched(totals)))


_FIGURES: tuple[tuple[str, str, Callable[[Figures], Decimal | int]], ...] = (
    ("payment_average_amount", "Average amount of payments of status SUCCESS.", lambda of: of.average_amount),
    (
        "payment_total_revenue",
        "Charged minus refunded, over SUCCESS and REFUNDED, minus what is disputed.",
        lambda of: of.revenue,
    ),
    ("payment_refund_total", "Settled refunds.", lambda of: of.refund_count),
    ("payment_refund_amount", "Amount of settled refunds.", lambda of: of.refund_amount),
    ("payment_disputed_amount", "Amount of disputes that are open or lost.", lambda of: of.disputed_amount),
)


_AT_LEAST = f"{MOST_COUNTED} means at least so many."
_WATCHED: tuple[tuple[str, str, Callable[[Totals], float]], ...] = (
    (
        "payment_dispute_evidence_due_seconds",
        "Until the evidence of the open dispute that is due next is due; +Inf where none is.",
        # Not absent (https://prometheus.io/docs/practices/instrumentation/#avoid-missing-metrics), and no alert's business.
        lambda of: math.inf if of.evidence_due is None else of.evidence_due,
    ),
    (
        "payment_pending_count",
        f"Charges and refunds whose outcome is not known yet; {_AT_LEAST}",
        lambda of: of.pending_count,
    ),
    ("payment_pending_oldest_seconds", "Age of the oldest of them.", lambda of: of.pending_oldest),
    (
        "outbox_undelivered_count",
        f"Events that the sink has not taken yet; {_AT_LEAST}",
        lambda of: of.undelivered_count,
    ),
    ("outbox_oldest_seconds", "Age of the oldest of them.", lambda of: of.undelivered_oldest),
    (
        "outbox_refused_count",
        f"Events that were refused for good and set aside; {_AT_LEAST}",
        lambda of: of.refused_count,
    ),
    (
        "payment_contradiction_total",
        "Answers of the gateway that contradict what was stored, and that nothing has put right.",
        lambda of: of.contradiction_count,
    ),
    (
        "payment_rings_waiting",
        f"Objects of a gateway that rang and are still to be read; {_AT_LEAST}",
        lambda of: of.ring_count,
    ),
    ("payment_rings_oldest_seconds", "Since the first ring for the oldest of them.", lambda of: of.ring_oldest),
    (
        "payment_reconciliation_differences",
        f"Movements of 35 days that a gateway's books and ours do not have alike; {_AT_LEAST}",
        lambda of: of.differences,
    ),
    (
        "payment_reconciliation_unreconciled_seconds",
        "Since the end of the latest time that was reconciled wholly; 0 where none ever was.",
        lambda of: of.unreconciled,
    ),
)


def _counts(name: str, meaning: str, label: str, counts: dict[str, dict[str, int]]) -> GaugeMetricFamily:
    """Counts by label, for each currency."""
    family = GaugeMetricFamily(name, meaning, labels=[label, "currency"])
    for currency, by_value in counts.items():
        for value, count in by_value.items():
            family.add_metric([value, currency], count)
    return family


def _cold_starts(starts: Sequence[ColdStarts]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "payment_cold_start_seconds",
        "From the start of an instance's process to its first successful answer, without what it idled between.",
        labels=["function"],
    )
    for each in starts:
        buckets = [("+Inf" if bound == math.inf else str(bound), count) for bound, count in each.at_most]
        family.add_metric([each.function], buckets, each.seconds)
    return family
