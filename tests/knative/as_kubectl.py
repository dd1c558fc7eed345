"""Manifests as kubectl takes them: it reads them from a text, chooses some by their labels, and has names for each."""

import re
from functools import lru_cache
from itertools import pairwise
from typing import Any

import yaml

Manifest = dict[str, Any]


@lru_cache(maxsize=32)
def manifests_of(text: str) -> list[Manifest]:
    """Not to be changed: every deployment applies the same few texts, and they are parsed once."""
    return list(yaml.load_all(text, yaml.CSafeLoader))


def chosen(manifests: list[Manifest], selector: str | None) -> list[Manifest]:
    if selector is None:
        return manifests
    found = re.fullmatch(r"([\w./-]+)(!=|=| in )\(?([\w,-]+)\)?", selector)
    assert found, selector
    name, operator, values = found.groups()
    return [m for m in manifests if (labels_of(m).get(name) in values.split(",")) == (operator != "!=")]


def labels_of(manifest: Manifest) -> dict[str, str]:
    labels: dict[str, str] = manifest.get("metadata", {}).get("labels", {})
    return labels


def group_of(manifest: Manifest) -> str:
    return str(manifest["apiVersion"]).rpartition("/")[0]


def key_of(manifest: Manifest) -> str:
    """The name by which the tests know it: with the group only where Kubernetes itself has none such."""
    group = group_of(manifest)
    own = group in ("", "apps", "batch", "policy", "networking.k8s.io")
    metadata = manifest["metadata"]
    return key_in(
        metadata.get("namespace", "payments"), f"{manifest['kind']}{'' if own else f'.{group}'}/{metadata['name']}"
    )


def key_in(namespace: str, key: str) -> str:
    """The namespace is told where it is a cell's, or the cells' own."""
    return key if namespace == "payments" else f"{namespace}:{key}"


def said_of(manifest: Manifest) -> str:
    """The name as kubectl writes it."""
    return f"{_with_group(manifest['kind'].lower(), manifest)}/{manifest['metadata']['name']}"


def plural_of(manifest: Manifest) -> str:
    """The kind as kubectl is asked for it."""
    kind = manifest["kind"].lower()
    return _with_group(f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s", manifest)


def without_namespace(arguments: list[str]) -> tuple[str, list[str]]:
    """Which namespace of ours is meant, and the other words. Knative's and Kourier's stay among these."""
    for option, namespace in pairwise(arguments):
        if option in ("--namespace", "-n"):
            ours = namespace.startswith("payments")
            words = [word for word in arguments if word != option]
            if ours:
                words.remove(namespace)
            return (namespace if ours else "payments"), words
    return "payments", arguments


def _with_group(kind: str, manifest: Manifest) -> str:
    group = group_of(manifest)
    return f"{kind}.{group}" if group else kind


def columns_of(manifest: Manifest, version: int) -> str:
    """A line of the table that deploy.sh asks for."""
    metadata = manifest["metadata"]
    kept = labels_of(manifest).get("payments/kept", "<none>")
    owners = ",".join(owner["kind"] for owner in metadata.get("ownerReferences", [])) or "<none>"
    return "   ".join([manifest["apiVersion"], manifest["kind"], metadata["name"], str(version), kept, owners])
