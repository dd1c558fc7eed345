"""Every manifest is one that an API server takes: field by field, and under the restricted Pod Security level."""

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import kubernetes_validate
import pytest

from tests.knative import kinds
from tests.knative.conftest import FORMS
from tests.knative.manifests import containers, functions, pods

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

KUBERNETES = "1.36"
NO_NAMESPACE = {"Namespace"}
VALID: set[str] = set()


def validate(manifest: Manifest) -> None:
    schema = kinds.SCHEMAS.get((manifest["apiVersion"], manifest["kind"]))
    if schema is None:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        return
    jsonschema.validate(manifest, schema)
    if schema is kinds.FUNCTION:
        _validate_function(manifest)


def _validate_function(manifest: Manifest) -> None:
    """As Knative's webhook: a subset of a pod, checked as a pod."""
    template = copy.deepcopy(manifest["spec"]["template"])
    spec = template["spec"]
    assert set(spec) <= kinds.FUNCTION_POD | kinds.REVISION
    for name in kinds.REVISION & set(spec):
        assert isinstance(spec.pop(name), int)
    assert spec.get("automountServiceAccountToken") is not True, "Knative lets it be switched off only"
    for volume in spec.get("volumes", []):
        assert set(volume) <= kinds.FUNCTION_VOLUME
    (container,) = spec["containers"]
    assert set(container) <= kinds.FUNCTION_CONTAINER
    assert set(container.get("securityContext", {})) <= kinds.FUNCTION_SECURITY
    assert [port["name"] for port in container.get("ports", [])] in ([], ["http1"], ["h2c"])
    for variable in container.get("env", []):
        assert set(variable.get("valueFrom", {})) <= {"configMapKeyRef", "secretKeyRef"}
        assert variable["name"] not in ("PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"), "Knative's own"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        container.get(probe, {}).get("httpGet", {}).setdefault("port", 8080)  # Knative puts it there
    annotations = template["metadata"].get("annotations", {})
    for name, value in annotations.items():
        if name.startswith("autoscaling.knative.dev/"):
            jsonschema.validate(value, kinds.ANNOTATIONS[name])
    window = annotations.get("autoscaling.knative.dev/window", "60s")
    assert 6 <= int(window.removesuffix("s")) <= 3600
    assert not any(name.startswith("autoscaling.") for name in manifest["metadata"].get("annotations", {}))
    assert spec.get("timeoutSeconds", 0) <= 600
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", **template["metadata"]}, "spec": spec}
    kubernetes_validate.validate(pod, KUBERNETES, strict=True)


@pytest.mark.parametrize("form", FORMS)
def test_every_manifest_has_only_fields_that_exist(built: Built, form: str) -> None:
    manifests = built(form)
    assert len(manifests) > 20
    for manifest in manifests:
        text = json.dumps(manifest)
        if text not in VALID:  # most are the same in every form
            try:
                validate(manifest)
            except Exception as wrong:
                pytest.fail(f"{manifest['kind']} {manifest['metadata']['name']}: {wrong}")
            VALID.add(text)


def test_a_field_that_does_not_exist_is_found(built: Built) -> None:
    manifest = copy.deepcopy(functions(built("base"))[0])
    manifest["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["httpGet"]["pth"] = "/"
    with pytest.raises(Exception, match="pth"):
        validate(manifest)
    manifest = copy.deepcopy(functions(built("base"))[0])
    manifest["spec"]["template"]["spec"]["initContainers"] = []
    with pytest.raises(AssertionError):
        validate(manifest)


@pytest.mark.parametrize("form", FORMS)
def test_names_are_unique_and_everything_is_in_the_one_namespace(built: Built, form: str) -> None:
    manifests = built(form)
    names = [(m["apiVersion"], m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(names) == len(set(names))
    for manifest in manifests:
        if manifest["kind"] not in NO_NAMESPACE:
            assert manifest["metadata"]["namespace"] == "payments", manifest["metadata"]["name"]
    # A Knative Service makes Kubernetes Services of its name: one of ours must not be in the way.
    taken = {name for _, kind, name in names if kind == "Service"}
    assert len(taken) == sum(kind == "Service" for _, kind, _ in names)


@pytest.mark.parametrize("form", FORMS)
def test_the_namespace_enforces_the_restricted_level_and_every_pod_meets_it(built: Built, form: str) -> None:
    manifests = built(form)
    (namespace,) = [m for m in manifests if m["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for manifest, template in pods(manifests):
        meets_restricted(manifest["metadata"]["name"], template)


def meets_restricted(name: str, template: Manifest) -> None:
    spec = template["spec"]
    pod = spec.get("securityContext", {})
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}, name
    for volume in spec.get("volumes", []):
        assert volume.keys() & {"configMap", "emptyDir", "secret", "projected", "persistentVolumeClaim"}, name
    for container in containers(template):
        own = container["securityContext"]
        both = {**pod, **own}
        assert both["runAsNonRoot"] is True, name
        assert both["runAsUser"] > 0, name
        assert both["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert own["allowPrivilegeEscalation"] is False, name
        assert own["capabilities"] == {"drop": ["ALL"]}, name
        assert own["readOnlyRootFilesystem"] is True, name
        assert "privileged" not in own, name
        assert not any("hostPort" in port for port in container.get("ports", [])), name


@pytest.mark.parametrize("form", FORMS)
def test_every_container_asks_for_room_and_has_a_limit(built: Built, form: str) -> None:
    for manifest, template in pods(built(form)):
        for container in containers(template):
            for side in ("requests", "limits"):
                assert container["resources"][side].keys() == {"cpu", "memory"}, manifest["metadata"]["name"]


@pytest.mark.parametrize("form", FORMS)
def test_no_pod_gets_a_token_of_the_cluster(built: Built, form: str) -> None:
    manifests = built(form)
    accounts = {m["metadata"]["name"]: m for m in manifests if m["kind"] == "ServiceAccount"}
    for manifest, template in pods(manifests):
        assert template["spec"]["automountServiceAccountToken"] is False, manifest["metadata"]["name"]
        assert accounts[template["spec"]["serviceAccountName"]]["automountServiceAccountToken"] is False
