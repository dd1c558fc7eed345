"""The totals as JSON and in the Prometheus text format."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from shared import json_text
from shared.settings import SETTINGS
from shared.totals import MOST_COUNTED, Totals

PROMETHEUS = CONTENT_TYPE_PLAIN_0_0_4


def json_totals(totals: Totals) -> str:
    """The totals as JSON text, money with two decimals."""
    return json_text.write(
        {
            "payments_by_status": totals.by_status,
            "payments_by_method": totals.by_method,
            "average_payment_amount": totals.average_amount,
            "total_revenue": totals.revenue,
            "refunds": {"count": totals.refund_count, "amount": totals.refund_amount},
            "currency": SETTINGS.currency,
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
    )


def prometheus_totals(totals: Totals) -> str:
    """The totals in the Prometheus text format, version 0.0.4. All are gauges: they are read from the database, whichever
    instance answers, and a count by status goes down as payments move on."""

    class Collected(Collector):
        def collect(self) -> Iterator[GaugeMetricFamily]:
            return _families(totals)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected())
    return generate_latest(registry).decode()


def _families(totals: Totals) -> Iterator[GaugeMetricFamily]:
    yield _labelled("payment_total", "Payments by status.", "status", totals.by_status)
    yield _labelled("payment_method_total", "Payments by method.", "method", totals.by_method)
    for name, meaning, value in (
        ("payment_average_amount", "Average amount of payments of status SUCCESS.", totals.average_amount),
        ("payment_total_revenue", "Charged minus refunded, over SUCCESS and REFUNDED.", totals.revenue),
        ("payment_refund_total", "Settled refunds.", totals.refund_count),
        ("payment_refund_amount", "Amount of settled refunds.", totals.refund_amount),
        (
            "payment_pending_count",
            f"Charges and refunds whose outcome is not known yet; {MOST_COUNTED} means at least so many.",
            totals.pending_count,
        ),
        ("payment_pending_oldest_seconds", "Age of the oldest of them.", totals.pending_oldest),
        (
            "outbox_undelivered_count",
            f"Events that the sink has not taken yet; {MOST_COUNTED} means at least so many.",
            totals.undelivered_count,
        ),
        ("outbox_oldest_seconds", "Age of the oldest of them.", totals.undelivered_oldest),
    ):
        yield GaugeMetricFamily(name, meaning, value=float(value))


def _labelled(name: str, meaning: str, label: str, counts: dict[str, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
