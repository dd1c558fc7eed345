"""Stands for kubectl, minikube and docker: remembers what it was told, answers as a cluster would, and breaks when told to."""

import base64
import json
import subprocess
import time
from pathlib import Path
from shlex import quote
from typing import Any

from tests.knative.as_kubectl import (
    Manifest,
    chosen,
    columns_of,
    key_in,
    key_of,
    labels_of,
    manifests_of,
    plural_of,
    said_of,
    without_namespace,
)
from tests.knative.stand_ins import STAYS, Answer, failed, line, lines, whether
from tests.tools.kustomize import kustomize

# By their files: the cells of several tests are alike.
BUILT: dict[str, str] = {}
KOURIER = "kourier.ingress.networking.knative.dev"


class FakeCluster:
    """Has its state from a test, and keeps every call with what came on standard input. A manifest is replaced, never changed:
    another cluster may have the same one."""

    def __init__(self, built: Path) -> None:
        self.built = built
        self.namespace = "payments"
        self.state: dict[str, Any] = {}
        self.calls: list[dict[str, Any]] = []

    def answer(self, tool: str, arguments: list[str], fed: str) -> Answer:
        self.calls.append({"tool": tool, "arguments": arguments, "fed": fed})
        if tool == "minikube":
            return self.minikube(arguments)
        if tool == "docker":
            return self.docker(arguments)
        return self.kubectl(arguments, fed)

    def minikube(self, arguments: list[str]) -> Answer:
        state = self.state
        match arguments:
            case ["status", *_]:
                return Answer(end=f"exit {0 if state['minikube'] == 'running' else 7}")
            case ["profile", "list", *_]:
                found = [] if state["minikube"] == "absent" else [{"Name": "minikube"}]
                return line(json.dumps({"valid": found}))
            case ["start", *_]:
                state["minikube"] = "running"
            case ["image", "ls", *_]:
                return lines(state["images"])
            case ["image", "load", name, *_]:
                state["images"].append(name)
            case ["ip", *_]:
                return line(state["node"])
        return Answer()

    def docker(self, arguments: list[str]) -> Answer:
        match arguments:
            case ["info"]:
                return whether(self.state["docker"])
            case ["image", "inspect", name]:
                return whether(name in self.state["built"])
            case ["build", "--tag", name, _]:
                self.state["built"].append(name)
        return Answer()

    def kubectl(self, arguments: list[str], fed: str) -> Answer:
        if arguments[:1] == ["kustomize"]:
            return Answer(end=f"exec cat {quote(str(self.kustomize(Path(arguments[1]))))}")
        assert arguments[0] == "--context", arguments
        self.namespace, words = without_namespace(arguments[2:])
        match words:
            case ["version"]:
                return whether(self.state["reachable"])
            case ["api-versions"]:
                return lines(self.state["versions"])
            case ["apply", "--filename", source, *rest]:
                return self.apply(source, option(rest, "--selector"))
            case ["patch", "secret", name, *_]:
                self.patch_the_secret(name, json.loads(fed)["stringData"])
            case ["patch", "configmap", "config-network", *_]:
                self.state["ingress_class"] = KOURIER
            case ["get", *what]:
                return self.get(what)
            case ["rollout", "status", name, *_] | ["wait", _, name, *_]:
                return self.wait_for(key_in(self.namespace, name))
            case ["delete", *what]:
                return self.delete(what)
            case ["port-forward", *_]:
                return Answer(f"Forwarding from 127.0.0.1:{self.state['service_port']} -> 8082\n", end=STAYS)
            case ["logs", *_]:
                return line("a line of the log that tells why")
            case ["exec", "deployment/trip-service", *asked]:
                return line(self.state["trip_is_paid" if '"via": "http"' in str(asked) else "trip_is_told"])
            case ["exec", *rest] if "python" in rest:
                return line(json.dumps(self.state.get("notifications", [])))
            case ["create", "token", name, "--audience", audience, *_]:
                if name in self.state["accounts"]:
                    return line(f"{name}.for.{audience}")
                return failed(f'error: failed to create token: serviceaccounts "{name}" not found')
        return Answer()

    def kustomize(self, folder: Path) -> Path:
        """What was built of an overlay before; of one that deploy.sh wrote, by the real kustomize."""
        built = self.built / folder.name
        if not folder.parent.name.startswith("tmp."):  # the working folder
            return built
        text = BUILT.get(files := "".join(sorted(path.read_text() for path in folder.iterdir())))
        if text is None:
            text = BUILT[files] = subprocess.check_output([kustomize(), "build", folder], text=True)
        made = self.built / f"{folder.name}.made"
        made.write_text(text)
        return made

    def wait_for(self, name: str) -> Answer:
        if any(broken in name for broken in self.state["broken"]):
            return failed(f"timed out waiting for {name}")
        return Answer()

    def apply(self, source: str, selector: str | None) -> Answer:
        state = self.state
        if state["refusals"] > 0:
            state["refusals"] -= 1
            return failed("failed calling webhook: connection refused")
        if source.startswith("https://"):
            self.install(source)
            return Answer()
        said = ""
        for manifest in chosen(manifests_of(Path(source).read_text()), selector):
            there = state["objects"].get(key_of(manifest))
            if there and manifest["kind"] == "Job" and there["spec"] != manifest["spec"]:
                return Answer(said, "spec.template: Invalid value: field is immutable\n", "exit 1")
            # Also where nothing comes of it, as after a webhook or a default; only the version tells.
            said += f"{said_of(manifest)} {'created' if there is None else 'configured'}\n"
            self.keep(manifest, there)
        return Answer(said)

    def install(self, source: str) -> None:
        self.state["installed"].append(source)
        for word, found in (
            ("serving-core", ["crd services.serving.knative.dev", "deployment/controller"]),
            ("kourier", ["service/kourier-internal"]),
            ("mt-channel", ["crd brokers.eventing.knative.dev", "deployment/eventing-controller"]),
        ):
            if word in source:
                self.state["present"] += found

    def keep(self, manifest: Manifest, there: Manifest | None) -> None:
        state, key, merged = self.state, key_of(manifest), manifest
        if there and manifest["kind"] == "Secret":
            merged = {**manifest, "data": {**there["data"], **manifest["data"]}}
        if there != merged:
            state["clock"] += 1
            state["resource_versions"][key] = state["clock"]
        state["objects"][key] = merged
        if manifest["kind"] == "StatefulSet":
            claim = key_in(manifest["metadata"]["namespace"], "PersistentVolumeClaim/data-payment-postgres-0")
            state["objects"].setdefault(claim, {"made": time.time()})

    def patch_the_secret(self, name: str, changed: dict[str, str]) -> None:
        objects, key = self.state["objects"], key_in(self.namespace, f"Secret/{name}")
        encoded = {field: base64.b64encode(value.encode()).decode() for field, value in changed.items()}
        objects[key] = {**objects[key], "data": {**objects[key]["data"], **encoded}}

    def delete(self, words: list[str]) -> Answer:
        objects = self.state["objects"]
        match words:
            case ["namespace", name, *_]:
                for key in [key for key in objects if is_in(name, key) or key == f"Namespace/{name}"]:
                    self.forget(key)
                return Answer()
            case ["job", name, *_]:
                self.forget(key_in(self.namespace, f"Job/{name}"))
                return Answer()
        here = {key: m for key, m in objects.items() if is_in(self.namespace, key) and "apiVersion" in m}
        going = {key: said_of(m) for key, m in here.items() if said_of(m) in words}
        for key in going:
            self.forget(key)
        return Answer("".join(f"{said} deleted\n" for said in going.values()))

    def forget(self, key: str) -> None:
        self.state["objects"].pop(key, None)
        self.state["resource_versions"].pop(key, None)

    def get(self, words: list[str]) -> Answer:
        if words[0] in self.state["unanswered"]:
            return failed("the server was unable to return a response in the time allotted")
        path = (option(words, "--output") or "").removeprefix("jsonpath=")
        return (
            self.get_of_the_cluster(words)
            or self.get_of_cells(words)
            or self.get_of_the_service(words, path)
            or Answer()
        )

    def get_of_the_cluster(self, words: list[str]) -> Answer | None:
        """What is there before the service: Kubernetes and Knative."""
        state = self.state
        match words:
            case ["--raw", address]:
                found = state["raw"][address]
                return failed("Error from server (Forbidden)") if found is None else Answer(found)
            case ["configmap", "config-features", *_]:
                return Answer(state["authentication_oidc"])
            case ["configmap", "config-network", *_]:
                return Answer(state["ingress_class"])
            case ["crd", name, *_]:
                return whether(f"crd {name}" in state["present"])
            case ["knative-serving" | "knative-eventing" | "kourier-system", name, *_]:
                return whether(name in state["present"])
            case ["nodes", *_]:
                return line(state["node"])
        return None

    def get_of_cells(self, words: list[str]) -> Answer | None:
        """Which cells there are, by the labels of their namespaces, and which of them have a front door."""
        objects = self.state["objects"]
        match words:
            case ["namespaces", "--selector", "payments/cell", *_]:
                cells = [m["metadata"] for m in objects.values() if "payments/cell" in labels_of(m)]
                cells = [each for each in cells if each["labels"]["payments/cell"]]
                rows = [
                    f"{each['labels']['payments/cell']}   {each['labels']['payments/cell-name']}   {each['name']}\n"
                    for each in cells
                ]
                return Answer("".join(rows))
            case ["namespace", name, *_]:
                return Answer(labels_of(objects.get(f"Namespace/{name}", {})).get("payments/cell-name", ""))
            case ["services", "--all-namespaces", *_]:
                doors = [key for key in objects if key.endswith("Service/payment-service")]
                return lines([key.partition(":")[0] if ":" in key else "payments" for key in doors])
            case ["deployment", "cells-front-door", *_]:
                found = objects.get(key_in(self.namespace, "Deployment/cells-front-door"))
                return Answer(found["spec"]["template"]["spec"]["initContainers"][0]["image"] if found else "")
        return None

    def get_of_the_service(self, words: list[str], path: str) -> Answer | None:
        state = self.state
        match words:
            case [kinds, "--selector", selector, *_] if "," in kinds:
                return self.list_labelled(kinds.split(","), selector)
            case [sender, *_] if sender.startswith(
                ("triggers.eventing.knative.dev/", "pingsources.sources.knative.dev/")
            ):
                return Answer(state["senders"].get(sender.partition("/")[2], ""))
            case ["brokers.eventing.knative.dev/payment-events", *_]:
                there = key_in(self.namespace, "Broker.eventing.knative.dev/payment-events") in state["objects"]
                return Answer(state["broker"].replace("/payments/", f"/{self.namespace}/") if there else "")
            case ["revisions.serving.knative.dev", *_]:
                return lines(state["named_by_revisions"])
            case ["services.serving.knative.dev", *_]:
                return lines([f"{name}-00002" for name in ("create-payment", "notify")])
            case ["pods", *_]:
                return self.get_pods(words, path)
            case ["secret", name, *_]:
                secret = state["objects"].get(key_in(self.namespace, f"Secret/{name}"))
                field = path.removeprefix("{.data.").removesuffix("}")
                return Answer(secret["data"].get(field, "")) if secret else whether(False)
            case ["job", name, *_]:
                job = state["objects"].get(key_in(self.namespace, f"Job/{name}"))
                return Answer(self.told_of(job, path) if job else "")
            case ["service", *_]:
                return Answer(str(state["node_port"] or ""))
            case ["deployment", name, *_]:
                return whether(key_in(self.namespace, f"Deployment/{name}") in state["objects"])
            case ["events", *_]:
                return line("Warning  Failed  pod/payment-postgres-0  no such image")
        return None

    def list_labelled(self, plurals: list[str], selector: str) -> Answer:
        label, value = selector.split("=")
        here = {key: m for key, m in self.state["objects"].items() if is_in(self.namespace, key)}
        found = {key: m for key, m in here.items() if labels_of(m).get(label) == value}
        versions = self.state["resource_versions"]
        rows = [columns_of(m, versions.get(key, 1)) for key, m in found.items() if plural_of(m) in plurals]
        return Answer("".join(f"{row}\n" for row in rows))

    def get_pods(self, words: list[str], path: str) -> Answer:
        if words[1:3] == ["--selector", "serving.knative.dev/revision"]:
            old = self.state["old_pods"]
            self.state["old_pods"] = max(old - 1, 0)
            return lines(["create-payment-00002", *(["create-payment-00001"] if old else [])])
        if "serving.knative.dev/service=get-payment" in words:
            return line("pod/get-payment" if self.state["awake"] else "")
        if path.startswith("{range"):
            return line("payment-postgres-0 false")
        return line("payment-postgres-0   0/1   ImagePullBackOff")

    def told_of(self, job: Manifest, path: str) -> str:
        if "annotations" in path:
            return str(job["metadata"]["annotations"]["payments/template"])
        if '"Complete"' in path:
            return "True" if self.state["migration"] == "succeeds" else ""
        return "True" if '"Failed"' in path and self.state["migration"] == "fails" else ""


def is_in(namespace: str, key: str) -> bool:
    return key.partition(":")[0] == namespace if ":" in key else namespace == "payments"


def option(words: list[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None
