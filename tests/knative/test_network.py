"""Who may call whom: the NetworkPolicies, and the one open door."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.knative.conftest import FORMS
from tests.knative.manifests import containers, functions, named, of_kind, pod_template, pods, selects

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

# Everywhere; with eventing dead-letters too.
USE_THE_DATABASE = {
    "create-payment",
    "create-refund",
    "gateway-webhook",
    "get-payment",
    "health",
    "metrics",
    "console",
    "sweep",
    "charge-trip",
    "reconcile",
}


def _may_come_in(manifests: list[Manifest], pod: dict[str, str], port: int) -> list[Manifest]:
    """The peers that the policies let in to a pod at a port; an empty peer is anybody."""
    policies = [p for p in of_kind(manifests, "NetworkPolicy") if selects(p["spec"]["podSelector"], pod)]
    assert policies, "without any policy a pod is open to all"
    peers: list[Manifest] = []
    for policy in policies:
        assert policy["spec"]["policyTypes"] == ["Ingress"]
        for rule in policy["spec"].get("ingress", []):
            if any(entry["port"] == port for entry in rule["ports"]):
                peers += rule.get("from", [{}])
    return peers


def _labels(template: Manifest) -> dict[str, str]:
    labels: dict[str, str] = template["metadata"]["labels"]
    return labels


@pytest.mark.parametrize("form", ["base", "overlays/minikube"])
def test_only_functions_that_use_the_database_and_the_job_reach_it(built: Built, form: str) -> None:
    manifests = built(form)
    database = pod_template(named(manifests, "StatefulSet", "payment-postgres"))
    assert database
    (peer,) = _may_come_in(manifests, _labels(database), 5432)
    assert peer.keys() == {"podSelector"}
    let_in = {m["metadata"]["name"] for m, t in pods(manifests) if selects(peer["podSelector"], _labels(t))}
    wanted = USE_THE_DATABASE | {"payment-migrate"}
    wanted |= {"dead-letters"} if of_kind(manifests, "Broker") else set()
    assert let_in == wanted
    # And these are the ones that are given a role.
    given = {m["metadata"]["name"] for m, t in pods(manifests) for c in containers(t) if "DB_USER" in str(c.get("env"))}
    assert given == wanted


def test_with_pgbouncer_only_it_and_the_job_reach_the_database(built: Built) -> None:
    manifests = built("base+pgbouncer")
    database = pod_template(named(manifests, "StatefulSet", "payment-postgres"))
    assert database
    peers = _may_come_in(manifests, _labels(database), 5432)
    let_in = {m["metadata"]["name"] for m, t in pods(manifests) for p in peers if selects(p["podSelector"], _labels(t))}
    assert let_in == {"payment-pgbouncer", "payment-migrate"}
    settings = next(m["data"] for m in of_kind(manifests, "ConfigMap") if "DB_HOST" in m["data"])
    assert settings["DB_HOST"] == "payment-pgbouncer"


@pytest.mark.parametrize(
    ("form", "pooler"),
    [
        ("base+eventing+pgbouncer", {"app.kubernetes.io/name": "payment-pgbouncer"}),
        ("overlays/production", {"cnpg.io/poolerName": "payment-pooler"}),
    ],
)
def test_every_function_that_uses_the_database_reaches_its_pooler(
    built: Built, form: str, pooler: dict[str, str]
) -> None:
    manifests = built(form)
    (peer,) = _may_come_in(manifests, pooler, 5432)
    let_in = {m["metadata"]["name"] for m, t in pods(manifests) if selects(peer["podSelector"], _labels(t))}
    assert let_in == USE_THE_DATABASE | {"dead-letters"}


@pytest.mark.parametrize("form", FORMS)
def test_functions_are_reached_only_through_the_front_door_kourier_and_knative(built: Built, form: str) -> None:
    manifests = built(form)
    for function in functions(manifests):
        template = function["spec"]["template"]
        for port in (8012, 8013, 8112):
            peers = _may_come_in(manifests, _labels(template), port)
            namespaces = {
                p["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
                for p in peers
                if "namespaceSelector" in p
            }
            own = [p["podSelector"]["matchLabels"] for p in peers if "podSelector" in p]
            assert namespaces == {"kourier-system", "knative-serving"}
            assert own == [{"app.kubernetes.io/name": "payment-front-door"}]
        scraped = _may_come_in(manifests, _labels(template), 9090)
        assert [list(p["namespaceSelector"]["matchLabels"].values()) for p in scraped] == [["knative-serving"]]
        assert _may_come_in(manifests, _labels(template), 8080) == [], "past the queue-proxy"


@pytest.mark.parametrize("form", FORMS)
def test_whatever_no_policy_names_is_closed(built: Built, form: str) -> None:
    closed = named(built(form), "NetworkPolicy", "nothing-unless-said")
    assert closed["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}


def test_the_front_door_has_its_node_port_in_base_and_none_in_production(built: Built) -> None:
    for form, kind in (("base", "NodePort"), ("overlays/minikube", "NodePort"), ("overlays/production", "ClusterIP")):
        service = named(built(form), "Service", "payment-service", "v1")
        assert service["spec"]["type"] == kind
        (port,) = service["spec"]["ports"]
        assert port["port"] == 8082
        assert port.get("nodePort") == (30082 if kind == "NodePort" else None)


def test_production_keeps_a_front_door_open_while_nodes_are_drained(built: Built) -> None:
    manifests = built("overlays/production")
    budget = named(manifests, "PodDisruptionBudget", "payment-front-door")
    door = named(manifests, "Deployment", "payment-front-door")
    assert door["spec"]["replicas"] > budget["spec"]["minAvailable"] >= 1
    assert budget["spec"]["selector"] == door["spec"]["selector"]


def test_policies_of_one_name_say_the_same_in_every_overlay(built: Built) -> None:
    said: dict[str, Manifest] = {}
    for form in FORMS:
        for policy in of_kind(built(form), "NetworkPolicy"):
            assert said.setdefault(policy["metadata"]["name"], policy["spec"]) == policy["spec"], form
