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

OPERATIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))


@pytest.mark.parametrize("form", ["base+monitoring", "overlays/production"])
def test_figures_that_are_drawn_or_watched_are_ones_that_exist(built: Built, form: str) -> None:
    manifests = built(form)
    ours = set(
        re.findall(r"\"((?:payment|outbox)_[a-z_]+)\"", (ROOT / "functions/metrics/formats.py").read_text("utf-8"))
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
    for word in ("status", "revenue", "declined", "latency", "undelivered", "stuck", "cold starts"):
        assert word in titles
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_the_totals_are_scraped_seldom_enough_for_their_function_to_sleep(built: Built) -> None:
    manifests = built("base+monitoring")
    (endpoint,) = named(manifests, "ServiceMonitor", "payment-totals")["spec"]["endpoints"]
    window = named(manifests, "Service", "metrics", "serving.knative.dev/v1")["spec"]["template"]["metadata"][
        "annotations"
    ]
    # The window, and the 30 s that Knative waits besides before the last pod goes.
    assert endpoint["interval"] == "2m"
    assert int(window["autoscaling.knative.dev/window"].removesuffix("s")) + 30 < 120
