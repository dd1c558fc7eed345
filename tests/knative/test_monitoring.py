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
    "payment_dispute_total",
    "payment_disputed_amount",
    "payment_ledger_balance",
)


@pytest.mark.parametrize("form", ["base+monitoring", "overlays/production"])
def test_the_dashboard_has_what_whoever_is_on_call_looks_for(built: Built, form: str) -> None:
    dashboard = json.loads(named(built(form), "ConfigMap", "payment-dashboard")["data"]["payment-service.json"])
    titles = " ".join(panel["title"].lower() for panel in dashboard["panels"])
    looked_for = (
        "status revenue disputes declined latency undelivered refused stuck starts gateway trip connections deliveries"
        " reconciliation ledger"
    )
    assert [word for word in looked_for.split() if word not in titles] == []
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(places) == len(set(places))


def test_functions_are_scraped_at_a_port_that_prometheus_does_not_find_by_itself(built: Built) -> None:
    manifests = built("base+monitoring")
    port = next(m["data"]["METRICS_PORT"] for m in manifests if "METRICS_PORT" in m.get("data", {}))
    knative, own = named(manifests, "PodMonitor", "payment-functions")["spec"]["podMetricsEndpoints"]
    assert knative["port"] == own["port"] == "http-usermetric"
    [change] = [each for each in own["relabelings"] if each["targetLabel"] == "__address__"]
    (source,) = change["sourceLabels"]
    assert source == "__address__"
    for found, wanted in (("10.1.2.3:9091", f"10.1.2.3:{port}"), ("[fd00::1]:9091", f"[fd00::1]:{port}")):
        there = re.fullmatch(change["regex"], found)
        assert there
        assert there.expand(change["replacement"].replace("$", "\\")) == wanted
    [rule] = named(manifests, "NetworkPolicy", "function-figures")["spec"]["ingress"]
    assert {9091, int(port)} == {each["port"] for each in rule["ports"]}


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
    # A gauge that rose within the hour; it falls only where a charge that was paid late is put right, at once or by a sweep.
    assert rule["for"] == "5m"
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
