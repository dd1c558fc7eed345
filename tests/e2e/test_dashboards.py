"""The dashboard and the alerts, evaluated by a real Prometheus over this run: every expression names series that exist."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
import yaml
from prometheus_client.parser import text_string_to_metric_families

from local.place import CHECKOUT
from tests.e2e.client import Client
from tests.e2e.service import Service, await_that
from tests.fakes.peers import peer
from tests.support.prometheus import Prometheus
from tests.tools.prometheus import promtool

MONITORING = CHECKOUT / "knative" / "components" / "monitoring" / "all-cells"
SELECTOR = r"\b[a-z][a-z_]*\{[^}]*\}"

# What a cluster alone has: as kube-state-metrics writes it (its internal/store/pod_test.go).
POD = 'namespace="payments",pod="create-payment-00001-deployment-6c9d8b7f5-x2x4z",uid="abc-123-xxx"'
OF_A_CLUSTER = f"""# HELP kube_pod_created [STABLE] Unix creation timestamp
# TYPE kube_pod_created gauge
kube_pod_created{{{POD}}} {time.time()}
# HELP kube_pod_status_phase [STABLE] The pods current phase.
# TYPE kube_pod_status_phase gauge
kube_pod_status_phase{{{POD},phase="Running"}} 1
"""
# What a run without a fault has no series of.
OF_A_FAULT = {
    # Only once a request was refused a connection; tests/functions/test_exposition.py has one, where there is no database.
    'payment_pool_wait_seconds_count{namespace=~"payments|payments-.+", outcome="refused"}',
}
# promtool would leave _total to counters and _count to histograms; these are the contract's gauges, which fall too.
GAUGES = {"payment_total", "payment_method_total", "payment_refund_total", "payment_contradiction_total"}
GAUGES |= {"payment_dispute_total", "payment_pending_count", "outbox_undelivered_count", "outbox_refused_count"}


def groups(manifest: str) -> list[dict[str, Any]]:
    """The groups of rules in a manifest."""
    found: list[dict[str, Any]] = yaml.safe_load((MONITORING / manifest).read_text(encoding="utf-8"))["spec"]["groups"]
    return found


def expressions() -> dict[str, str]:
    """Every expression of the dashboard, where all cells are chosen, and of the alerts, by where it is."""
    dashboard = json.loads((MONITORING / "payment-service.json").read_text(encoding="utf-8"))
    drawn = {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$cell", ".*")
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }
    return drawn | {rule["alert"]: rule["expr"] for [group] in [groups("alerts.yaml")] for rule in group["rules"]}


def work(client: Client, service: Service) -> None:
    """Payments of every outcome, a refund, and what the functions besides have to say."""
    paid = client.pay(amount=None).json["payment_id"]
    assert client.refund(paid, amount=1).status == 201
    assert client.pay(metadata={"simulate": "decline"}).status == 402
    assert client.pay(metadata={"simulate": "timeout"}).status == 202
    assert client.get("/payments").status == 200
    assert client.call("POST", "/webhooks/stripe").status == 400
    assert client.get("/health").status == 200
    with service.frozen("local.trip_service"):
        assert client.pay(amount=None).status == 503


@pytest.fixture(scope="module")
def configuration(service: Service) -> dict[str, Any]:
    """What a start wrote for a Prometheus."""
    path = service.folder / ".data" / "run" / "prometheus.yml"
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def scraping(
    service: Service, configuration: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """A Prometheus that has seen work begin and end."""

    def cluster(connection: socket.socket) -> None:
        connection.recv(65536)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(OF_A_CLUSTER)}"
        connection.sendall(f"{head}\r\nConnection: close\r\n\r\n{OF_A_CLUSTER}".encode())

    client = Client(service.port)
    with peer(cluster) as port:
        kube = {"job_name": "kube-state-metrics", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        jobs = [*configuration["scrape_configs"], kube]
        targets = sum(len(each["targets"]) for job in jobs for each in job["static_configs"])
        folder = tmp_path_factory.mktemp("prometheus")
        sums = [group | {"interval": "1s"} for group in groups("sums.yaml")]
        (folder / "sums.yml").write_text(json.dumps({"groups": sums}), encoding="utf-8")
        often = {"global": {"scrape_interval": "1s"}, "rule_files": ["sums.yml"], "scrape_configs": jobs}
        with Prometheus(often, folder) as running:
            work(client, service)
            await_that(lambda: len(running.query("up == 1")) == targets, "all targets are scraped")
            work(client, service)
            yield running
    client.close()


def test_every_expression_of_the_dashboard_and_of_the_alerts_finds_what_it_names(scraping: Prometheus) -> None:
    counted = 'sum(increase(payment_gateway_seconds_count{outcome="unknown"}[1m])) > 0'
    await_that(lambda: bool(scraping.query(counted)), "a rate of what was unknown")
    # Not the last of them alone: Envoy's are later than the functions' own, from which that one is made.
    sums = [rule["record"] for group in groups("sums.yaml") for rule in group["rules"]]
    await_that(lambda: all(map(scraping.query, sums)), "every sum")
    found = expressions()
    assert len(found) >= 50
    for place, expression in found.items():
        selectors = set(re.findall(SELECTOR, expression))
        assert selectors or place.startswith("All cells: "), expression
        for selector in selectors - OF_A_FAULT:
            assert scraping.query(selector), f"{place}: nothing is {selector}"
        given = scraping.query(expression)
        is_alert = " " not in place
        assert given or is_alert, f"{place}: {expression} gives nothing"


def test_a_run_in_which_nothing_stays_open_sets_off_no_alert_of_what_does(scraping: Prometheus) -> None:
    """The others may be set off by what tests before these made of the same service."""
    fired = {place for place, expression in expressions().items() if " " not in place and scraping.query(expression)}
    assert fired.isdisjoint({"PaymentTotalsMissing", "PaymentsStuck", "EventsUndelivered"})


def scraped(configuration: dict[str, Any]) -> dict[str, str]:
    """What each target that is ours says, by its address."""
    texts = {}
    for job in configuration["scrape_configs"]:
        for address in job["static_configs"][0]["targets"]:
            if "front-door" not in job["job_name"]:  # Envoy's own
                url = f"http://{address}{job['metrics_path']}"
                texts[address] = urllib3.request("GET", url, retries=False, timeout=10).data.decode()
    return texts


def test_promtool_has_nothing_against_what_is_exposed(scraping: Prometheus, configuration: dict[str, Any]) -> None:
    texts = scraped(configuration)
    assert len(texts) >= 8
    for text in texts.values():
        done = subprocess.run([promtool(), "check", "metrics"], input=text, capture_output=True, text=True, timeout=20)
        complaints = (done.stdout + done.stderr).splitlines()
        assert {line.split()[0] for line in complaints} <= GAUGES, complaints


def test_every_figure_has_the_labels_that_its_row_says(scraping: Prometheus, configuration: dict[str, Any]) -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("\n## Figures\n")[2].partition("\n## ")[0]
    said: dict[str, set[str]] = {}
    for names, labels in re.findall(r"^\| (`(?:payment|outbox)_[^|]*) \|([^|]*)\|", section, re.M):
        each = [set(re.findall(r"`(\w+)`", part)) for part in labels.split(";")]
        for number, name in enumerate(re.findall(r"`(\w+)`", names)):
            said[name] = set().union(*each[: number + 1])
    exposed: dict[str, set[str]] = {}
    for text in scraped(configuration).values():
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                figure = family.name if family.type == "histogram" else sample.name
                exposed.setdefault(figure, set()).update(sample.labels.keys() - {"le"})
    assert exposed == said
