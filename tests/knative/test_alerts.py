"""Every alert, tried by promtool: what sets it off, and what does not."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.knative.manifests import named
from tests.tools.prometheus import promtool

Manifest = dict[str, Any]
Series = dict[str, str]

NAMESPACE = 'namespace="payments"'
ENVOY = f'{NAMESPACE},envoy_cluster_name="create_payment"'


class Case(NamedTuple):
    """Series by the minute in promtool's notation; `at` which minute it is looked at; `labels` what the alert has then, besides
    its severity."""

    fires: Series
    silent: Series
    labels: dict[str, str] = {}  # noqa: RUF012 - never changed
    at: str = "50m"


def of(name: str, labels: str = "") -> str:
    return f"{name}{{{NAMESPACE}{labels and ','}{labels}}}"


def answers(share_of_5xx: int) -> Series:
    return {
        f'envoy_cluster_upstream_rq_xx{{{ENVOY},envoy_response_code_class="5"}}': f"0+{share_of_5xx}x60",
        f"envoy_cluster_upstream_rq_completed{{{ENVOY}}}": "0+100x60",
    }


def payments(failed: int, success: int) -> Series:
    totals = {"FAILED": failed, "SUCCESS": success}
    return {of("payment_total", f'status="{status}"'): f"0+{count}x60" for status, count in totals.items()}


def under(name: str, labels: str, bound: str, count: int) -> Series:
    """A histogram of a hundred a minute, so many of them up to the bound and the others up to ten times that."""
    by_bound = {bound: count, str(float(bound) * 10): 100, "+Inf": 100}
    return {f'{name}{{{labels},le="{le}"}}': f"0+{each}x60" for le, each in by_bound.items()}


def asked(name: str, labels: str, counts: dict[str, str]) -> Series:
    return {of(name, f'{labels}outcome="{outcome}"'): values for outcome, values in counts.items()}


def webhooks(**outcomes: int) -> Series:
    labels = 'gateway="stripe",outcome='
    return {of("payment_webhook_total", f'{labels}"{outcome}"'): f"0+{n}x60" for outcome, n in outcomes.items()}


GATEWAY = 'gateway="stripe",how="charge"'
MISSING = "PaymentTotalsMissing"
CASES = {
    MISSING: Case({"up": "1x60"}, {of("payment_total", 'status="FAILED"'): "0x60"}),
    "PaymentsStuck": Case(
        {of("payment_pending_oldest_seconds"): "601x60"}, {of("payment_pending_oldest_seconds"): "600x60"}
    ),
    "PaymentContradicted": Case(
        {of("payment_contradiction_total"): "3x25 4x35"}, {of("payment_contradiction_total"): "4x60"}
    ),
    "RingsUnanswered": Case(
        {of("payment_rings_oldest_seconds"): "14401x60"}, {of("payment_rings_oldest_seconds"): "14400x60"}
    ),
    "DisputeEvidenceDue": Case(
        {of("payment_dispute_evidence_due_seconds"): "172799x60"},
        {of("payment_dispute_evidence_due_seconds"): "172800x60"},
    ),
    "ReconciliationDiffers": Case(
        {of("payment_reconciliation_differences"): "1x60"}, {of("payment_reconciliation_differences"): "0x60"}
    ),
    "ReconciliationLate": Case(
        {of("payment_reconciliation_unreconciled_seconds"): "172801x60"},
        {of("payment_reconciliation_unreconciled_seconds"): "172800x60"},
    ),
    "EventsUndelivered": Case({of("outbox_oldest_seconds"): "301x60"}, {of("outbox_oldest_seconds"): "300x60"}),
    "EventsRefused": Case({of("outbox_refused_count"): "1x60"}, {of("outbox_refused_count"): "0x60"}),
    "PaymentsFailing": Case(answers(6), answers(5)),
    "PaymentsDeclined": Case(payments(failed=6, success=4), payments(failed=4, success=6)),
    "PaymentsSlow": Case(
        under("envoy_cluster_upstream_rq_time_bucket", ENVOY, "5000", 98),
        under("envoy_cluster_upstream_rq_time_bucket", ENVOY, "5000", 100),
    ),
    "WebhooksRefused": Case(
        webhooks(refused=6, answered=4),
        webhooks(refused=4, answered=6),
        {"gateway": "stripe"},
    ),
    "GatewayFailing": Case(
        asked("payment_gateway_seconds_count", f"{GATEWAY},", {"unknown": "0+3x60", "succeeded": "0+7x60"}),
        asked("payment_gateway_seconds_count", f"{GATEWAY},", {"unknown": "0+1x60", "succeeded": "0+9x60"}),
        {"gateway": "stripe"},
    ),
    "GatewaySlow": Case(
        under("payment_gateway_seconds_bucket", f"{NAMESPACE},{GATEWAY}", "5", 90),
        under("payment_gateway_seconds_bucket", f"{NAMESPACE},{GATEWAY}", "5", 96),
        {"gateway": "stripe"},
    ),
    "TripServiceFailing": Case(
        asked(
            "payment_trip_service_seconds_count", "", {"trip_service_unavailable": "0+3x60", "trip_completed": "0+7x60"}
        ),
        asked("payment_trip_service_seconds_count", "", {"trip_not_found": "0+9x60", "trip_completed": "0+1x60"}),
    ),
    "PoolExhausted": Case(
        asked("payment_pool_wait_seconds_count", 'function="create_payment",', {"refused": "0+1x60"}),
        asked("payment_pool_wait_seconds_count", 'function="create_payment",', {"refused": "7x60", "served": "0+9x60"}),
        {"function": "create_payment"},
    ),
    "DeclinesRising": Case(
        asked(
            "payment_gateway_seconds_count",
            f"{GATEWAY},",
            {"declined": "0+1x1400 1405+5x60", "succeeded": "0+19x1460"},
        ),
        # Many, but no more than all day.
        asked("payment_gateway_seconds_count", f"{GATEWAY},", {"declined": "0+5x1460", "succeeded": "0+19x1460"}),
        {"gateway": "stripe"},
        at="1450m",
    ),
}


_DELHI, _MUMBAI = (f'namespace="payments-{cell}",cell="{cell}"' for cell in ("delhi", "mumbai"))
# Both front doors are there to be scraped, and one has no totals to show.
ONE_OF_TWO = {
    **{f'up{{{cell},job="payment-service"}}': "1x60" for cell in (_DELHI, _MUMBAI)},
    f'payment_total{{{_MUMBAI},status="FAILED"}}': "0x60",
}


@pytest.fixture(scope="module")
def groups(built: Callable[[str], list[Manifest]]) -> list[Manifest]:
    found: list[Manifest] = named(built("base+monitoring"), "PrometheusRule", "payment-service")["spec"]["groups"]
    return found


def _of_cell(series: Series, cell: str) -> Series:
    """The same of another cell."""
    there = f'namespace="payments-{cell}",cell="{cell}"'
    return {name.replace(NAMESPACE, there): values for name, values in series.items()}


def _said(rule: Manifest, cell: str) -> dict[str, str]:
    """Its annotations, as Prometheus fills them in."""
    prefix = "{{ with $labels.cell }}Cell {{ . }}: {{ end }}"
    assert rule["annotations"]["summary"].startswith(prefix), rule["alert"]
    return {"summary": rule["annotations"]["summary"].replace(prefix, f"Cell {cell}: " if cell else "")}


def _tried(rule: Manifest, series: Series, case: Case, fires: bool, cell: str = "") -> Manifest:
    labels = rule["labels"] | case.labels | ({"cell": cell} if cell else {})
    alert = {"exp_labels": labels, "exp_annotations": _said(rule, cell)}
    expected = {"eval_time": case.at, "alertname": rule["alert"], "exp_alerts": [alert] if fires else []}
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    return {"interval": "1m", "input_series": inputs, "alert_rule_test": [expected]}


def test_every_alert_fires_when_it_should_and_only_then(groups: list[Manifest], tmp_path: Path) -> None:
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    assert rules.keys() == CASES.keys()
    tests = [
        _tried(rules[name], series, case, fires)
        for name, case in CASES.items()
        for series, fires in ((case.fires, True), (case.silent, False))
    ]
    # Of two cells the one that it is true of is named, whatever the figures of the other.
    tests += [
        _tried(rules[name], _of_cell(case.fires, "delhi") | _of_cell(case.silent, "mumbai"), case, True, "delhi")
        for name, case in CASES.items()
        if name != MISSING
    ]
    tests.append(_tried(rules[MISSING], ONE_OF_TWO, Case({}, {}, {"namespace": "payments-delhi"}), True, "delhi"))
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    # Seldom enough for a day to be cheap, and as long as the longest `for`.
    trial = {"rule_files": ["rules.yaml"], "evaluation_interval": "10m", "tests": tests}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(trial))
    for check in (["check", "rules", "rules.yaml"], ["test", "rules", "tests.yaml"]):
        done = subprocess.run([promtool(), *check], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
