"""What is scraped, watched and drawn."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.knative.conftest import ROOT
from tests.knative.manifests import named

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

OF_A_CURRENCY = (
    "payment_total",
    "payment_method_total",
    "payment_average_amount",
    "payment_total_revenue",
    "payment_refund_total",
    "payment_refund_amount",
)
OPERATIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


@pytest.mark.parametrize("form", ["base+monitoring", "overlays/production"])
def test_figures_that_are_drawn_or_watched_are_ones_that_exist(built: Built, form: str) -> None:
    manifests = built(form)
    ours = set(
        re.findall(r"\"((?:payment|outbox)_[a-z_]+)\"", (ROOT / "functions/metrics/prometheus.py").read_text("utf-8"))
    )
    assert len(ours) >= 10
    rules = named(manifests, "PrometheusRule", "payment-service")["spec"]["groups"][0]["rules"]
    dashboard = json.loads(named(manifests, "ConfigMap", "payment-dashboard")["data"]["payment-service.json"])
    drawn = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    for expression in drawn + [rule["expr"] for rule in rules]:
        for metric in re.findall(r"\b((?:payment|outbox)_[a-z_]+)\{", expression):
            assert metric in ours, metric
        others = re.findall(r"\b([a-z]+_[a-z_]+)\{", expression)
        assert others, expression
        for cluster in re.findall(r'envoy_cluster_name=~?"([^"]+)"', expression):
            assert set(cluster.split("|")) <= set(OPERATIONS)
        assert expression.count("(") == expression.count(")")
    titles = " ".join(panel["title"].lower() for panel in dashboard["panels"])
    for word in ("status", "revenue", "declined", "latency", "undelivered", "refused", "stuck", "cold starts"):
        assert word in titles
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_what_is_drawn_of_money_is_drawn_for_each_currency(built: Built) -> None:
    dashboard = json.loads(
        named(built("base+monitoring"), "ConfigMap", "payment-dashboard")["data"]["payment-service.json"]
    )
    targets = [target for panel in dashboard["panels"] for target in panel["targets"]]
    of_currencies = [
        target for target in targets if re.search(rf"max.*\b({'|'.join(OF_A_CURRENCY)})\{{", target["expr"])
    ]
    assert len(of_currencies) >= 6
    for target in of_currencies:
        assert re.match(r"max by \(([a-z]+, )?currency\) ", target["expr"]), target["expr"]
        assert "{{currency}}" in target["legendFormat"]


def test_whoever_is_on_call_is_woken_when_the_gateway_contradicts_what_is_stored(built: Built) -> None:
    rules = named(built("base+monitoring"), "PrometheusRule", "payment-service")["spec"]["groups"][0]["rules"]
    (rule,) = [rule for rule in rules if rule["alert"] == "PaymentContradicted"]
    assert rule["labels"]["severity"] == "page"
    # A gauge that rose within the hour; it never falls, so the alert clears an hour after the last.
    assert rule["expr"] == 'max(delta(payment_contradiction_total{namespace="payments"}[1h])) > 0'


def test_somebody_is_told_of_events_that_are_set_aside_and_how_to_see_them(built: Built) -> None:
    rules = named(built("base+monitoring"), "PrometheusRule", "payment-service")["spec"]["groups"][0]["rules"]
    (rule,) = [rule for rule in rules if rule["alert"] == "EventsRefused"]
    assert rule["labels"]["severity"] == "ticket"
    assert rule["expr"] == 'max(outbox_refused_count{namespace="payments"}) > 0'
    assert "make events" in rule["annotations"]["summary"]
    assert re.search(r"^events:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def test_every_alert_is_in_the_production_page_s_table(built: Built) -> None:
    rules = named(built("base+monitoring"), "PrometheusRule", "payment-service")["spec"]["groups"][0]["rules"]
    page_of_alerts = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    for rule in rules:
        page = " (page)" if rule["labels"]["severity"] == "page" else ""
        assert f"\n| {rule['alert']}{page} |" in page_of_alerts, rule["alert"]


def test_the_totals_are_scraped_seldom_enough_for_their_function_to_sleep(built: Built) -> None:
    manifests = built("base+monitoring")
    (endpoint,) = named(manifests, "ServiceMonitor", "payment-totals")["spec"]["endpoints"]
    window = named(manifests, "Service", "metrics", "serving.knative.dev/v1")["spec"]["template"]["metadata"][
        "annotations"
    ]
    # The window, and the 30 s that Knative waits besides before the last pod goes.
    assert endpoint["interval"] == "2m"
    assert int(window["autoscaling.knative.dev/window"].removesuffix("s")) + 30 < 120
