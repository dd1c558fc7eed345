"""What must be true of the manifests together: names that refer to each other do, and what the design asks for is there."""

import ast
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from local import surroundings
from tests.knative.conftest import FORMS, KNATIVE, ROOT
from tests.knative.manifests import containers, functions, named, of_kind, operations, pods, selects

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

OPERATIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/main.py"))
IMAGE = "dev.local/payment-service:local"
SECRET_KEYS = {"username", "password", "app-username", "app-password"}
OPTIONAL_KEYS = {
    *("stripe-api-key", "stripe-webhook-secret", "rate-limit-storage"),
    *("previous-app-username", "previous-app-password"),
}
OPTIONAL_KEYS |= {"console-client-secret", "console-session-key"}


@pytest.mark.parametrize("form", FORMS)
def test_there_is_one_knative_service_for_each_function(built: Built, form: str) -> None:
    manifests = built(form)
    found = operations(manifests)
    called_by_the_broker = set() if of_kind(manifests, "Broker") else {"dead_letters"}
    assert found.keys() == set(OPERATIONS) - called_by_the_broker
    for name, function in found.items():
        assert function["metadata"]["name"] == name.replace("_", "-")


@pytest.mark.parametrize("form", FORMS)
def test_every_knative_service_is_private_locked_probed_and_scales_to_zero(built: Built, form: str) -> None:
    for function in functions(built(form)):
        template = function["spec"]["template"]
        (container,) = template["spec"]["containers"]
        assert function["metadata"]["labels"]["networking.knative.dev/visibility"] == "cluster-local"
        assert container["image"] == IMAGE
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert container["securityContext"]["runAsUser"] == 10001
        assert container["readinessProbe"] == {"httpGet": {"path": "/healthz", "port": 8080}}, (
            "Knative then asks every 50 ms"
        )
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": 8080}
        annotations = template["metadata"]["annotations"]
        low, high = (annotations[f"autoscaling.knative.dev/{side}-scale"] for side in ("min", "max"))
        busiest = form.startswith("overlays/production") and function["metadata"]["name"] == "create-payment"
        assert low == ("1" if busiest else "0")
        assert int(high) >= 1
        assert template["metadata"]["labels"]["app.kubernetes.io/component"] == "function"


def test_a_function_has_threads_to_spare_for_probes_and_no_more_connections_than_threads(built: Built) -> None:
    settings: dict[str, Any] = {}
    exec((ROOT / "gunicorn.conf.py").read_text(encoding="utf-8"), settings)  # noqa: S102 - our own file
    for function in operations(built("base")).values():
        spec = function["spec"]["template"]["spec"]
        assert settings["threads"] >= spec["containerConcurrency"] + 2
        environment = {v["name"]: v.get("value") for v in spec["containers"][0]["env"]}
        assert int(environment.get("DB_POOL_SIZE", "0")) <= spec["containerConcurrency"]
        assert settings["graceful_timeout"] < spec["timeoutSeconds"], "Knative's grace is the request's time-out"
    assert settings["keepalive"] > 90


def test_each_function_s_scaling_is_explained() -> None:
    for operation in OPERATIONS:
        (manifest,) = KNATIVE.glob(f"*/**/{operation.replace('_', '-')}.yaml")
        text = manifest.read_text(encoding="utf-8")
        assert re.search(r"annotations:\n +# .{40,}", text), operation


@pytest.mark.parametrize("form", FORMS)
def test_config_maps_secrets_and_volumes_that_are_referred_to_exist(built: Built, form: str) -> None:
    manifests = built(form)
    maps = {m["metadata"]["name"]: m["data"] for m in of_kind(manifests, "ConfigMap")}
    used = set()
    for manifest, template in pods(manifests):
        name = manifest["metadata"]["name"]
        volumes = {volume["name"]: volume for volume in template["spec"].get("volumes", [])}
        claims = {c["metadata"]["name"] for c in manifest["spec"].get("volumeClaimTemplates", [])}
        mounted = {m["name"] for c in containers(template) for m in c.get("volumeMounts", [])}
        assert mounted == volumes.keys() | claims, name
        mapped = [volume["configMap"] for volume in volumes.values() if "configMap" in volume]
        used |= {of["name"] for of in mapped if not of.get("optional")}
        # deploy.sh fills it, from the cluster's own keys.
        assert {of["name"] for of in mapped if of.get("optional")} <= {"payment-issuer-keys"}, name
        for container in containers(template):
            used |= {source["configMapRef"]["name"] for source in container.get("envFrom", [])}
            for variable in container.get("env", []):
                if source := variable.get("valueFrom"):
                    reference = source["secretKeyRef"]
                    assert reference["name"] == "payment-database", name
                    optional = reference.get("optional", False)
                    assert reference["key"] in (OPTIONAL_KEYS if optional else SECRET_KEYS), name
    assert used <= maps.keys()
    looked_up = {
        n for n, m in maps.items() if "grafana_dashboard" in named(manifests, "ConfigMap", n)["metadata"]["labels"]
    }
    assert maps.keys() == used | looked_up
    for name in used:
        assert re.search(r"-[a-z0-9]{10}$", name), "a change of a ConfigMap must change its name"


@pytest.mark.parametrize("form", FORMS)
def test_no_manifest_holds_a_password(built: Built, form: str) -> None:
    (secret,) = of_kind(built(form), "Secret")
    assert secret["data"].keys() == {"username"}
    assert "stringData" not in secret


@pytest.mark.parametrize("form", FORMS)
def test_a_pod_has_no_secret_of_the_gateway_s_that_its_function_does_not_use(built: Built, form: str) -> None:
    having: dict[str, set[str]] = {}
    for manifest, template in pods(built(form)):
        for variable in (each for container in containers(template) for each in container.get("env", [])):
            having.setdefault(variable["name"], set()).add(manifest["metadata"]["name"])
    for name in ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"):
        users = {program.replace("_", "-") for program, used in surroundings.USED_BY.items() if name in used}
        assert having[name] == users


@pytest.mark.parametrize("form", FORMS)
def test_services_budgets_monitors_and_policies_select_something_that_runs(built: Built, form: str) -> None:
    manifests = built(form)
    templates = [template for _, template in pods(manifests)]
    for manifest in manifests:
        spec, name = manifest.get("spec", {}), manifest["metadata"]["name"]
        selectors = []
        if (manifest["apiVersion"], manifest["kind"]) == ("v1", "Service"):
            selectors = [{"matchLabels": spec["selector"]}]
        elif manifest["kind"] in ("NetworkPolicy",):
            selectors = [spec["podSelector"]]
        elif manifest["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget", "PodMonitor"):
            selectors = [spec["selector"]]
        for selector in selectors:
            if any(label.startswith("cnpg.io/") for label in selector.get("matchLabels", {})):
                continue  # pods that the operator makes
            chosen = [t for t in templates if selects(selector, t["metadata"].get("labels", {}))]
            assert chosen, f"{manifest['kind']} {name} selects nothing"
            if manifest["kind"] == "Service":
                ports = {p["name"] for t in chosen for c in containers(t) for p in c.get("ports", [])}
                assert {port["targetPort"] for port in spec["ports"]} <= ports


@pytest.mark.parametrize("form", FORMS)
def test_every_manifest_says_which_part_it_is_of(built: Built, form: str) -> None:
    parts = {"foundation", "configuration", "database", "pooler", "migration", "function", "timer", "front-door"}
    for manifest in built(form):
        labels = manifest["metadata"]["labels"]
        assert labels["app.kubernetes.io/part-of"] == "payment-service"
        assert labels["app.kubernetes.io/component"] in parts | {"eventing", "neighbour", "monitoring"}
        kept = manifest["kind"] in ("Namespace", "Secret", "Cluster")
        assert (labels.get("payments/kept") == "true") == kept, "what --delete leaves"


@pytest.mark.parametrize("form", FORMS)
def test_deploy_looks_for_leftovers_of_every_kind_that_a_manifest_makes(built: Built, form: str) -> None:
    text = (KNATIVE / "deploy" / "leftovers.sh").read_text(encoding="utf-8")
    (kinds,) = re.findall(r"^our_kinds=\(\n(.*?)^\)", text, re.M | re.S)
    for manifest in built(form):
        group = manifest["apiVersion"].rpartition("/")[0]
        plural = re.sub("ys$", "ies", f"{manifest['kind'].lower()}s")
        assert (f"{plural}.{group}" if group else plural) in kinds.split()


@pytest.mark.parametrize("form", FORMS)
def test_whatever_refers_to_a_knative_service_names_one_that_exists(built: Built, form: str) -> None:
    manifests = built(form)
    names = {f["metadata"]["name"] for f in functions(manifests)}
    text = yaml.safe_dump_all(manifests)
    for host in re.findall(r"([a-z-]+)\.payments\.svc\.cluster\.local", text):
        assert host in names
    for manifest in of_kind(manifests, "Trigger") + of_kind(manifests, "PingSource") + of_kind(manifests, "Broker"):
        for reference in re.findall(r"'ref': (\{[^}]*\})", str(manifest["spec"])):
            values = ast.literal_eval(reference)
            assert (values["apiVersion"], values["kind"]) == ("serving.knative.dev/v1", "Service")
            assert values["name"] in names
            assert values["namespace"] == "payments"
