"""GET /metrics: the totals as JSON and as Prometheus text, and who gets which."""

import json
import math
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from functions.metrics.prometheus import OPENMETRICS, openmetrics_text, prometheus_text
from functions.metrics.totals import json_totals
from shared.reading.cold_starts import ColdStarts
from shared.reading.totals import MOST_COUNTED, Figures, Totals
from tests.support.settings import SETTINGS

RUPEES = Figures(
    by_status={"PENDING": 1, "SUCCESS": 12345678, "FAILED": 0, "REFUNDED": 3},
    by_method={"CARD": 2, "UPI": 0, "WALLET": 1, "CASH": 4},
    average_amount=Decimal("150.00"),
    revenue=Decimal("9999999999.99"),
    refund_count=3,
    refund_amount=Decimal("50.10"),
    disputes_by_status={"INQUIRY": 1, "OPEN": 2, "WON": 0, "LOST": 1, "WITHDRAWN": 0},
    disputed_amount=Decimal("70.20"),
)
DOLLARS = Figures(
    by_status={"PENDING": 0, "SUCCESS": 2, "FAILED": 0, "REFUNDED": 0, "REVERSED": 1},
    by_method={"CARD": 3, "UPI": 0, "WALLET": 0, "CASH": 0},
    average_amount=Decimal("7.50"),
    revenue=Decimal("15.00"),
    refund_count=0,
    refund_amount=Decimal("0.00"),
    disputes_by_status={"INQUIRY": 0, "OPEN": 0, "WON": 0, "LOST": 0, "WITHDRAWN": 0},
    disputed_amount=Decimal("0.00"),
)
TOTALS = Totals(
    currency="INR",
    figures=RUPEES,
    others={"USD": DOLLARS},
    balances={"INR": {"gateway_receivable": Decimal("100.50"), "revenue": Decimal("-100.50")}},
    pending_count=1,
    pending_oldest=12.5,
    undelivered_count=2,
    undelivered_oldest=0.25,
    refused_count=6,
    contradiction_count=4,
    evidence_due=90_000.5,
    ring_count=3,
    ring_oldest=7.5,
    differences=2,
    unreconciled=93_600.5,
)
STARTS = [ColdStarts("health", [(0.25, 1), (math.inf, 2)], 1.5)]
# As Prometheus 3 and 2 ask, and the OpenTelemetry collector.
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_2 = "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.fixture
def answer(serve: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    served = serve("metrics")
    monkeypatch.setattr(served.module, "read_totals", lambda *_: TOTALS)
    monkeypatch.setattr(served.module, "read_cold_starts", lambda *_: [])
    return lambda path, accept=None: served.ask("GET", path, headers={} if accept is None else {"Accept": accept})


def test_the_json_has_exactly_what_the_contract_says_and_other_currencies_beside_it() -> None:
    text = json_totals(TOTALS)
    totals = json.loads(text)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", totals.pop("timestamp"))
    assert totals == {
        "payments_by_status": RUPEES.by_status,
        "payments_by_method": RUPEES.by_method,
        "average_payment_amount": 150.0,
        "total_revenue": 9999999999.99,
        "refunds": {"count": 3, "amount": 50.1},
        "disputes": {"count": 4, "amount": 70.2, "by_status": RUPEES.disputes_by_status},
        "currency": "INR",
        "other_currencies": {
            "USD": {
                "payments_by_status": DOLLARS.by_status,
                "payments_by_method": DOLLARS.by_method,
                "average_payment_amount": 7.5,
                "total_revenue": 15.0,
                "refunds": {"count": 0, "amount": 0.0},
                "disputes": {"count": 0, "amount": 0.0, "by_status": DOLLARS.disputes_by_status},
            }
        },
    }
    assert '"average_payment_amount":150.00' in text
    assert '"amount":50.10' in text
    assert '"total_revenue":15.00' in text


def test_there_are_no_other_currencies_unless_the_books_hold_some() -> None:
    assert '"other_currencies":{}' in json_totals(TOTALS._replace(others={}))


def series(currency: str, figures: Figures) -> dict[tuple[str, ...], float]:
    return {
        **{("payment_total", currency, status): count for status, count in figures.by_status.items()},
        **{("payment_method_total", currency, method): count for method, count in figures.by_method.items()},
        **{("payment_dispute_total", currency, status): count for status, count in figures.disputes_by_status.items()},
        ("payment_disputed_amount", currency): float(figures.disputed_amount),
        ("payment_average_amount", currency): float(figures.average_amount),
        ("payment_total_revenue", currency): float(figures.revenue),
        ("payment_refund_total", currency): figures.refund_count,
        ("payment_refund_amount", currency): float(figures.refund_amount),
    }


def test_the_prometheus_text_has_every_series_of_every_currency_also_at_nothing() -> None:
    samples = {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(prometheus_text(TOTALS, []))
        for sample in family.samples
    }
    assert samples == {
        **series("INR", RUPEES),
        **series("USD", DOLLARS),
        ("payment_ledger_balance", "gateway_receivable", "INR"): 100.5,
        ("payment_ledger_balance", "revenue", "INR"): -100.5,
        ("payment_pending_count",): 1,
        ("payment_pending_oldest_seconds",): 12.5,
        ("outbox_undelivered_count",): 2,
        ("outbox_oldest_seconds",): 0.25,
        ("outbox_refused_count",): 6,
        ("payment_contradiction_total",): 4,
        ("payment_dispute_evidence_due_seconds",): 90_000.5,
        ("payment_rings_waiting",): 3,
        ("payment_rings_oldest_seconds",): 7.5,
        ("payment_reconciliation_differences",): 2,
        ("payment_reconciliation_unreconciled_seconds",): 93_600.5,
    }


def test_where_no_evidence_is_due_it_is_never_due() -> None:
    text = prometheus_text(TOTALS._replace(evidence_due=None), [])
    assert re.findall(r"^payment_dispute_evidence_due_seconds (.*)$", text, re.M) == ["+Inf"]


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "application/json", "application/*", "text/html,*/*;q=0.8", "nonsense"]
)
def test_who_does_not_ask_for_the_prometheus_format_gets_json(answer: Any, accept: str | None) -> None:
    assert answer("/metrics", accept).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain",
        "text/plain;version=0.0.4",
        "text/plain; version=0.0.4; charset=utf-8",
        "text/plain;version=0.0.4;q=0.7,application/openmetrics-text;q=0.5,*/*;q=0.1",
    ],
)
def test_the_text_format_is_for_who_prefers_it(answer: Any, accept: str) -> None:
    given = answer("/metrics", accept)
    assert given.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Accept" in given.headers["Vary"]
    assert given.get_data(as_text=True) == prometheus_text(TOTALS, [])


@pytest.mark.parametrize(
    "accept", [PROMETHEUS_3, PROMETHEUS_2, "application/openmetrics-text", "application/openmetrics-text;q=0.1"]
)
def test_who_asks_for_openmetrics_as_a_prometheus_server_does_gets_it(answer: Any, accept: str) -> None:
    given = answer("/metrics", accept)
    assert given.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert "Accept" in given.headers["Vary"]
    assert given.get_data(as_text=True) == openmetrics_text(TOTALS, [])
    assert given.get_data(as_text=True).endswith("\n# EOF\n")


def test_openmetrics_has_the_same_series_under_the_same_names_and_types() -> None:
    def read(families: Any) -> Any:
        return [
            (family.name, family.type, [(each.name, each.labels, each.value) for each in family.samples])
            for family in families
        ]

    text, other = prometheus_text(TOTALS, STARTS), openmetrics_text(TOTALS, STARTS)
    assert read(openmetrics_families(other)) == read(text_string_to_metric_families(text))
    assert '\npayment_total{currency="INR",status="SUCCESS"} 1.2345678e+07\n' in other
    assert "\n# TYPE payment_total gauge\n" in other


def test_a_count_that_may_be_greater_says_so() -> None:
    help_of = dict(re.findall(r"^# HELP (\w+) (.*)$", prometheus_text(TOTALS, []), re.M))
    for name in ("payment_pending_count", "outbox_undelivered_count"):
        assert help_of[name].endswith(f"; {MOST_COUNTED} means at least so many.")


@pytest.mark.parametrize("accept", [None, "application/json", PROMETHEUS_3])
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_the_path_of_prometheus_always_answers_in_its_format(answer: Any, accept: str | None, prefix: str) -> None:
    assert (
        answer(f"{prefix}/metrics/prometheus", accept).headers["Content-Type"].startswith("text/plain; version=0.0.4")
    )


@pytest.mark.parametrize(
    ("write", "read"),
    [(prometheus_text, text_string_to_metric_families), (openmetrics_text, openmetrics_families)],
)
def test_of_several_cells_every_series_says_whose_it_is_and_is_the_same_besides(write: Any, read: Any) -> None:
    def series(text: str) -> list[tuple[str, dict[str, str], float]]:
        return [(each.name, each.labels, each.value) for family in read(text) for each in family.samples]

    alone, labelled = series(write(TOTALS, STARTS)), series(write(TOTALS, STARTS, "delhi"))
    assert labelled == [(name, labels | {"cell": "delhi"}, value) for name, labels, value in alone]


def test_a_cell_s_answers_are_labelled_in_each_form(serve: Any, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve("metrics").module, "settings", replace(SETTINGS, cell=2, cell_name="delhi"))
    assert answer("/metrics").get_json()["cell"] == "delhi"
    for accept in ("text/plain", OPENMETRICS):
        assert 'payment_pending_count{cell="delhi"} 1.0' in answer("/metrics", accept).text
    assert "cell" not in json.loads(json_totals(TOTALS))
