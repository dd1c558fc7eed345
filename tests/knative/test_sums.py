"""The recording rules: each cell's figures and those of all, tried by promtool."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.knative.manifests import named
from tests.tools.prometheus import promtool

Series = dict[str, str]


def cell(labels: str, *, revenue: int, failures: int, slow: int, declined: int, twice: bool = False) -> Series:
    """The figures of one cell by the minute: a hundred payments, so many of them slow or failed, and what the gateway said of
    ten. `twice`: its totals are scraped by way of two front doors."""
    totals = {
        f'payment_total{{{labels},status="SUCCESS",currency="INR"': "0+100x20",
        f'payment_total_revenue{{{labels},currency="INR"': f"{revenue}x20",
        f'payment_refund_total{{{labels},currency="INR"': "3x20",
        f'payment_refund_amount{{{labels},currency="INR"': "7x20",
        f"payment_pending_count{{{labels}": "2x20",
    }
    envoy = f'{{{labels},envoy_cluster_name="create_payment"'
    asked = f'payment_gateway_seconds_count{{{labels},gateway="stripe",function="create_payment",how="charge"'
    return {
        **{f"{name}}}": values for name, values in totals.items()},
        **({f'{name},replica="b"}}': values for name, values in totals.items()} if twice else {}),
        f"envoy_cluster_upstream_rq_completed{envoy}}}": "0+100x20",
        **(
            {f'envoy_cluster_upstream_rq_xx{envoy},envoy_response_code_class="5"}}': f"0+{failures}x20"}
            if failures
            else {}
        ),
        f'envoy_cluster_upstream_rq_time_bucket{envoy},le="100"}}': f"0+{100 - slow}x20",
        f'envoy_cluster_upstream_rq_time_bucket{envoy},le="1000"}}': "0+100x20",
        f'envoy_cluster_upstream_rq_time_bucket{envoy},le="+Inf"}}': "0+100x20",
        f'{asked},outcome="succeeded"}}': f"0+{10 - declined}x20",
        f'{asked},outcome="declined"}}': f"0+{declined}x20",
    }


def expected(series: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """What each recorded series says after twenty minutes, by its labels, to three decimals."""
    return [
        {
            "expr": f"round({name}, 0.001)",
            "eval_time": "20m",
            "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()],
        }
        for name, samples in series.items()
    ]


TWO = cell('namespace="payments-mumbai",cell="mumbai"', revenue=100, failures=0, slow=0, declined=0, twice=True)
TWO |= cell('namespace="payments-delhi",cell="delhi"', revenue=50, failures=10, slow=50, declined=5)
OF_TWO = {
    "cell_status_currency:payment_total:max": {
        '{cell="mumbai", status="SUCCESS", currency="INR"}': 2000.0,
        '{cell="delhi", status="SUCCESS", currency="INR"}': 2000.0,
    },
    "status_currency:payment_total:sum": {'{status="SUCCESS", currency="INR"}': 4000.0},
    "cell_currency:payment_total_revenue:max": {
        '{cell="mumbai", currency="INR"}': 100.0,
        '{cell="delhi", currency="INR"}': 50.0,
    },
    "currency:payment_total_revenue:sum": {'{currency="INR"}': 150.0},
    "currency:payment_refund_total:sum": {'{currency="INR"}': 6.0},
    "currency:payment_refund_amount:sum": {'{currency="INR"}': 14.0},
    "cell:payment_pending_count:max": {'{cell="mumbai"}': 2.0, '{cell="delhi"}': 2.0},
    ":payment_pending_count:sum": {"{}": 4.0},
    "cell:payment_request_failures_per_requests:ratio_rate5m": {'{cell="mumbai"}': 0.0, '{cell="delhi"}': 0.1},
    ":payment_request_failures_per_requests:ratio_rate5m": {"{}": 0.05},
    # Interpolated within the bucket: 99 of 100 up to 0.1 s, and the 49th of fifty between 0.1 and 1 s.
    "cell:create_payment_seconds:p99_rate5m": {'{cell="mumbai"}': 0.099, '{cell="delhi"}': 0.982},
    ":create_payment_seconds:p99_rate5m": {"{}": 0.964},
    "cell_gateway_outcome:payment_gateway_asked:ratio_rate5m": {
        '{cell="mumbai", gateway="stripe", outcome="succeeded"}': 1.0,
        '{cell="mumbai", gateway="stripe", outcome="declined"}': 0.0,
        '{cell="delhi", gateway="stripe", outcome="succeeded"}': 0.5,
        '{cell="delhi", gateway="stripe", outcome="declined"}': 0.5,
    },
    "gateway_outcome:payment_gateway_asked:ratio_rate5m": {
        '{gateway="stripe", outcome="succeeded"}': 0.75,
        '{gateway="stripe", outcome="declined"}': 0.25,
    },
}
ONE = cell('namespace="payments"', revenue=50, failures=10, slow=50, declined=5)
OF_ONE = {
    "currency:payment_total_revenue:sum": {'{currency="INR"}': 50.0},
    "cell:payment_pending_count:max": {"{}": 2.0},
    "cell:payment_request_failures_per_requests:ratio_rate5m": {"{}": 0.1},
    ":create_payment_seconds:p99_rate5m": {"{}": 0.982},
    "gateway_outcome:payment_gateway_asked:ratio_rate5m": {
        '{gateway="stripe", outcome="succeeded"}': 0.5,
        '{gateway="stripe", outcome="declined"}': 0.5,
    },
}


def test_figures_are_summed_by_cell_and_over_all_cells_and_those_of_the_only_one_are_its_own(
    built: Callable[[str], list[dict[str, Any]]], tmp_path: Path
) -> None:
    groups = named(built("base+monitoring"), "PrometheusRule", "payment-sums")["spec"]["groups"]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": expected(recorded),
        }
        for series, recorded in ((TWO, OF_TWO), (ONE, OF_ONE))
    ]
    trial = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(trial))
    for check in (["check", "rules", "rules.yaml"], ["test", "rules", "tests.yaml"]):
        done = subprocess.run([promtool(), *check], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
