"""The totals as JSON."""

from datetime import UTC, datetime
from typing import Any

from shared.platform import json_text
from shared.reading.totals import Figures, Totals


def json_totals(totals: Totals, cell: str = "") -> str:
    """The totals as JSON text, money with two decimals: the figures of the service's currency, and beside them the same of
    every other. `cell`: whose they are, where there are several."""
    return json_text.write(
        ({"cell": cell} if cell else {})
        | _shown(totals.figures)
        | {
            "currency": totals.currency,
            "other_currencies": {currency: _shown(figures) for currency, figures in totals.others.items()},
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
    )


def _shown(figures: Figures) -> dict[str, Any]:
    return {
        "payments_by_status": figures.by_status,
        "payments_by_method": figures.by_method,
        "average_payment_amount": figures.average_amount,
        "total_revenue": figures.revenue,
        "refunds": {"count": figures.refund_count, "amount": figures.refund_amount},
        "disputes": {
            "count": figures.dispute_count,
            "amount": figures.disputed_amount,
            "by_status": figures.disputes_by_status,
        },
    }
