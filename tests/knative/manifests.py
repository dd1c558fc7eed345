"""How to find one's way in a list of manifests."""

from collections.abc import Iterator
from typing import Any

Manifest = dict[str, Any]

KNATIVE_SERVICE = ("serving.knative.dev/v1", "Service")


def of_kind(manifests: list[Manifest], kind: str, version: str | None = None) -> list[Manifest]:
    return [m for m in manifests if m["kind"] == kind and version in (None, m["apiVersion"])]


def named(manifests: list[Manifest], kind: str, name: str, version: str | None = None) -> Manifest:
    (found,) = [m for m in of_kind(manifests, kind, version) if m["metadata"]["name"] == name]
    return found


def functions(manifests: list[Manifest]) -> list[Manifest]:
    """The Knative Services."""
    return of_kind(manifests, KNATIVE_SERVICE[1], KNATIVE_SERVICE[0])


def pod_template(manifest: Manifest) -> Manifest | None:
    """The pod's metadata and spec in a manifest of something that runs; None for anything else."""
    if manifest["kind"] in ("Deployment", "StatefulSet", "Job") or manifest["apiVersion"].startswith("serving."):
        template: Manifest = manifest["spec"]["template"]
        return template
    if manifest["kind"] == "CronJob":
        inner: Manifest = manifest["spec"]["jobTemplate"]["spec"]["template"]
        return inner
    return None


def pods(manifests: list[Manifest]) -> Iterator[tuple[Manifest, Manifest]]:
    """Everything that runs, with its pod template."""
    for manifest in manifests:
        if (template := pod_template(manifest)) is not None:
            yield manifest, template


def containers(template: Manifest) -> list[Manifest]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector of `matchLabels` selects these labels."""
    assert set(selector) <= {"matchLabels"}, selector
    wanted = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in wanted.items())


def operations(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The Knative Services that run one of our functions, by the function's name."""
    found = {}
    for function in functions(manifests):
        (container,) = function["spec"]["template"]["spec"]["containers"]
        values = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
        if "FUNCTION_TARGET" in values:
            assert values["FUNCTION_SOURCE"] == f"/app/functions/{values['FUNCTION_TARGET']}/main.py"
            found[values["FUNCTION_TARGET"]] = function
    return found
