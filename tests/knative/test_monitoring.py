"""What is scraped, watched and drawn."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.knative.conftest import KNATIVE, ROOT
from tests.knative.manifests import named

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

OURS = '{namespace=~"payments|payments-.+"}'
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


OF_ALL_CELLS = {
    ("ConfigMap", "payment-dashboard"),
    ("PrometheusRule", "payment-service"),
    ("PrometheusRule", "payment-sums"),
}
DROPPED = "$patch: delete\napiVersion: v1\nkind: Any\nmetadata: {name: any}\n"


def rules(built: Built, name: str = "payment-service") -> list[dict[str, Any]]:
    groups = named(built("base+monitoring"), "PrometheusRule", name)["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


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


@pytest.mark.parametrize(("namespace", "cell"), [("payments", None), ("payments-delhi", "delhi"), ("other-x", None)])
def test_whatever_is_scraped_of_a_cell_s_namespace_bears_its_name(
    built: Built, namespace: str, cell: str | None
) -> None:
    manifests = built("base+monitoring")
    monitors = [each for each in manifests if each["kind"] in ("ServiceMonitor", "PodMonitor")]
    endpoints = [each for m in monitors for each in m["spec"].get("endpoints") or m["spec"]["podMetricsEndpoints"]]
    assert len(endpoints) == 4
    for endpoint in endpoints:
        [naming] = [each for each in endpoint["relabelings"] if each.get("targetLabel") == "cell"]
        assert naming["sourceLabels"] == ["__meta_kubernetes_namespace"]
        found = re.fullmatch(naming["regex"], namespace)
        assert (found and found.expand(naming["replacement"].replace("$", "\\"))) == cell


def test_a_further_cell_leaves_out_what_is_of_all_cells_and_that_can_be_had_by_itself(
    kustomize: str, built_text: Callable[[str], str], tmp_path: Path
) -> None:
    def made(name: str, **text: Any) -> list[tuple[str, str, str]]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "whole.yaml").write_text(built_text("base+monitoring"))
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(text))
        done = subprocess.run([kustomize, "build", str(folder)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        manifests = yaml.load_all(done.stdout, yaml.CSafeLoader)
        return [(each["kind"], each["metadata"]["name"], each["metadata"].get("namespace", "")) for each in manifests]

    dropped = {"target": {"labelSelector": "payments/all-cells=true"}, "patch": DROPPED}
    further = made("further", namespace="payments-delhi", resources=["whole.yaml"], patches=[dropped])
    assert not OF_ALL_CELLS & {(kind, name) for kind, name, _ in further}
    monitors = {(name, namespace) for kind, name, namespace in further if kind.endswith("Monitor")}
    names = ("payment-totals", "payment-front-door", "payment-functions")
    assert monitors == {(name, "payments-delhi") for name in names}
    shutil.copytree(KNATIVE / "components" / "monitoring" / "all-cells", tmp_path / "all-cells")
    alone = made("alone", namespace="payments-cells", components=["../all-cells"])
    assert alone == [(kind, name, "payments-cells") for kind, name in sorted(OF_ALL_CELLS)]


def test_the_dashboard_shows_the_chosen_cells_and_the_only_one_which_has_no_label(built: Built) -> None:
    dashboard = json.loads(
        named(built("base+monitoring"), "ConfigMap", "payment-dashboard")["data"]["payment-service.json"]
    )
    [cell] = [each for each in dashboard["templating"]["list"] if each["name"] == "cell"]
    # Of an absent label .* is true, too.
    assert (cell["includeAll"], cell["allValue"], cell["current"]["value"]) == (True, ".*", ["$__all"])
    recorded = {each["record"] for each in rules(built, "payment-sums")}
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            if panel["title"].startswith("All cells: "):
                assert any(name in target["expr"] for name in recorded), target["expr"]
            else:
                assert 'cell=~"$cell"' in target["expr"]
                assert "{{cell}}" in target["legendFormat"]


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
        assert re.match(r"max by \(cell, ([a-z]+, )?currency\) ", target["expr"]), target["expr"]
        assert "{{currency}}" in target["legendFormat"]


def test_whoever_is_on_call_is_woken_when_the_gateway_contradicts_what_is_stored(built: Built) -> None:
    (rule,) = [rule for rule in rules(built) if rule["alert"] == "PaymentContradicted"]
    assert rule["labels"]["severity"] == "page"
    # A gauge that rose within the hour; it falls only where a charge that was paid late is put right, at once or by a sweep.
    assert rule["for"] == "5m"
    assert rule["expr"] == f"max by (cell) (delta(payment_contradiction_total{OURS}[1h])) > 0"


def test_somebody_is_told_of_events_that_are_set_aside_and_how_to_see_them(built: Built) -> None:
    (rule,) = [rule for rule in rules(built) if rule["alert"] == "EventsRefused"]
    assert rule["labels"]["severity"] == "ticket"
    assert rule["expr"] == f"max by (cell) (outbox_refused_count{OURS}) > 0"
    assert "make events" in rule["annotations"]["summary"]
    assert re.search(r"^events:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


def test_every_alert_is_in_the_production_page_s_table(built: Built) -> None:
    page_of_alerts = (ROOT / "docs" / "production.md").read_text(encoding="utf-8")
    for rule in rules(built):
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
