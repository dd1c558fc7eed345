#!/usr/bin/env python3
"""Stands for kubectl, minikube and docker: remembers what it was told, answers as a cluster would, and breaks when told to.

State is a JSON file (FAKE_STATE); every call is appended to FAKE_CALLS with what came on standard input.
"""

import fcntl
import json
import os
import sys
import time

# Few imports: a test starts this a hundred times.
STATE, CALLS = os.environ["FAKE_STATE"], os.environ["FAKE_CALLS"]
State = dict


def main() -> int:
    tool, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
    fed = ""
    if "--stdin" in arguments or "/dev/stdin" in arguments:
        fed = sys.stdin.read()
    with open(CALLS, "a") as calls:
        fcntl.flock(calls, fcntl.LOCK_EX)
        calls.write(json.dumps({"tool": tool, "arguments": arguments, "fed": fed}) + "\n")
        calls.flush()
        state = json.loads(read(STATE))
        status = {"kubectl": kubectl, "minikube": minikube, "docker": docker}[tool](state, arguments, fed)
        changed = json.dumps(state)
        with open(STATE, "w") as file:
            file.write(changed)
    if status == FORWARD:
        print(f"Forwarding from 127.0.0.1:{state['service_port']} -> 8082", flush=True)
        time.sleep(60)
    return status


FORWARD = -1


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def minikube(state: State, arguments: list[str], fed: str) -> int:
    match arguments:
        case ["status", *_]:
            return 0 if state["minikube"] == "running" else 7
        case ["profile", "list", *_]:
            found = [] if state["minikube"] == "absent" else [{"Name": "minikube"}]
            print(json.dumps({"valid": found}))
        case ["start", *_]:
            state["minikube"] = "running"
        case ["image", "ls", *_]:
            print("\n".join(state["images"]))
        case ["image", "load", name, *_]:
            state["images"].append(name)
        case ["ip", *_]:
            print(state["node"])
    return 0


def docker(state: State, arguments: list[str], fed: str) -> int:
    match arguments:
        case ["info"]:
            return 0 if state["docker"] else 1
        case ["image", "inspect", name]:
            return 0 if name in state["built"] else 1
        case ["build", "--tag", name, _]:
            state["built"].append(name)
    return 0


def kubectl(state: State, arguments: list[str], fed: str) -> int:
    if arguments[:1] == ["kustomize"]:
        print(read(os.path.join(os.environ["FAKE_BUILT"], os.path.basename(arguments[1]))), end="")
        return 0
    assert arguments[0] == "--context", arguments
    words = [word for word in arguments[2:] if word not in ("--namespace", "payments", "-n")]
    match words:
        case ["version"]:
            return 0 if state["reachable"] else 1
        case ["api-versions"]:
            print("\n".join(state["versions"]))
        case ["apply", "--filename", source, *rest]:
            return apply(state, source, option(rest, "--selector"))
        case ["patch", "secret", name, *_]:
            import base64

            changed = json.loads(fed)["stringData"]
            data = state["objects"][f"Secret/{name}"]["data"]
            data.update({key: base64.b64encode(value.encode()).decode() for key, value in changed.items()})
        case ["patch", "configmap", "config-network", *_]:
            state["ingress_class"] = "kourier.ingress.networking.knative.dev"
        case ["get", *what]:
            return get(state, what)
        case ["rollout", "status", name, *_]:
            return settled(state, name)
        case ["wait", _, name, *_]:
            return settled(state, name)
        case ["delete", "namespace", *_]:
            state["objects"].clear()
        case ["delete", "job", name, *_]:
            delete(state, f"Job/{name}")
        case ["delete", *names]:
            for key, found in list(state["objects"].items()):
                if "apiVersion" in found and said_of(found) in names:
                    delete(state, key)
                    print(f"{said_of(found)} deleted")
        case ["port-forward", *_]:
            return FORWARD
        case ["logs", *_]:
            print("a line of the log that tells why")
        case ["exec", "deployment/trip-service", *rest]:
            print(state["trip_is_paid"])
        case ["exec", *rest] if "python" in rest:
            print(json.dumps(state.get("notifications", [])))
        case ["create", "token", name, "--audience", audience, *_]:
            if name not in state["accounts"]:
                print(f'error: failed to create token: serviceaccounts "{name}" not found', file=sys.stderr)
                return 1
            print(f"{name}.for.{audience}")
    return 0


def option(words: list[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None


def key_of(manifest: dict) -> str:
    group = manifest["apiVersion"].rpartition("/")[0]
    kind = (
        manifest["kind"]
        if group in ("", "apps", "batch", "policy", "networking.k8s.io")
        else f"{manifest['kind']}.{group}"
    )
    return f"{kind}/{manifest['metadata']['name']}"


def said_of(manifest: dict) -> str:
    """The name as kubectl writes it."""
    group = manifest["apiVersion"].rpartition("/")[0]
    return f"{manifest['kind'].lower()}{'.' + group if group else ''}/{manifest['metadata']['name']}"


def chosen(source: str, selector: str | None) -> list[dict]:
    sys.path.append(os.environ["FAKE_PACKAGES"])  # started without site packages, which is many times faster
    import yaml

    manifests = list(yaml.load_all(read(source), yaml.CSafeLoader))
    if selector is None:
        return manifests
    import re

    name, operator, values = re.fullmatch(r"([\w./-]+)(!=|=| in )\(?([\w,-]+)\)?", selector).groups()
    inside = [m for m in manifests if m["metadata"].get("labels", {}).get(name) in values.split(",")]
    return [m for m in manifests if m not in inside] if operator == "!=" else inside


def apply(state: State, source: str, selector: str | None) -> int:
    if state["refusals"] > 0:
        state["refusals"] -= 1
        print("failed calling webhook: connection refused", file=sys.stderr)
        return 1
    if source.startswith("https://"):
        state["installed"].append(source)
        for word, found in (
            ("serving-core", ["crd services.serving.knative.dev", "deployment/controller"]),
            ("kourier", ["service/kourier-internal"]),
            ("mt-channel", ["crd brokers.eventing.knative.dev", "deployment/eventing-controller"]),
        ):
            if word in source:
                state["present"] += found
        return 0
    for manifest in chosen(source, selector):
        key = key_of(manifest)
        there = state["objects"].get(key)
        merged = manifest
        if there and manifest["kind"] == "Secret":
            merged = {**manifest, "data": {**there["data"], **manifest["data"]}}
        if there and manifest["kind"] == "Job" and there["spec"] != manifest["spec"]:
            print("spec.template: Invalid value: field is immutable", file=sys.stderr)
            return 1
        # Also where nothing comes of it, as after a webhook or a default; only the version tells.
        print(f"{said_of(manifest)} {'created' if there is None else 'configured'}")
        if there != merged:
            state["clock"] += 1
            state["resource_versions"][key] = state["clock"]
        state["objects"][key] = merged
        if manifest["kind"] == "StatefulSet":
            state["objects"].setdefault("PersistentVolumeClaim/data-payment-postgres-0", {"made": time.time()})
    return 0


def delete(state: State, key: str) -> None:
    state["objects"].pop(key, None)
    state["resource_versions"].pop(key, None)


def list_labelled(state: State, plurals: list[str], selector: str) -> None:
    """Every object of these kinds that has the label, in the columns that deploy.sh asks for."""
    label, value = selector.split("=")
    for key, found in state["objects"].items():
        metadata = found.get("metadata", {})
        if metadata.get("labels", {}).get(label) != value:
            continue
        group = found["apiVersion"].rpartition("/")[0]
        kind = found["kind"].lower()
        plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        if (f"{plural}.{group}" if group else plural) in plurals:
            owners = ",".join(owner["kind"] for owner in metadata.get("ownerReferences", [])) or "<none>"
            kept = metadata["labels"].get("payments/kept", "<none>")
            version = state["resource_versions"].get(key, 1)
            print(f"{found['apiVersion']}   {found['kind']}   {metadata['name']}   {version}   {kept}   {owners}")


def settled(state: State, name: str) -> int:
    if any(broken in name for broken in state["broken"]):
        print(f"timed out waiting for {name}", file=sys.stderr)
        return 1
    return 0


def get(state: State, words: list[str]) -> int:
    path = (option(words, "--output") or "").removeprefix("jsonpath=")
    if words[0] in state["unanswered"]:
        print("the server was unable to return a response in the time allotted", file=sys.stderr)
        return 1
    match words:
        case ["--raw", address]:
            if state["raw"][address] is None:
                print("Error from server (Forbidden)", file=sys.stderr)
                return 1
            print(state["raw"][address], end="")
        case ["configmap", "config-features", *_]:
            print(state["authentication_oidc"], end="")
        case [
            "triggers.eventing.knative.dev/notify-of-payments" | "pingsources.sources.knative.dev/sweep-clock" as one,
            *_,
        ]:
            print(state["senders"].get(one.partition("/")[2], ""), end="")
        case ["crd", name, *_]:
            return 0 if f"crd {name}" in state["present"] else 1
        case ["knative-serving" | "knative-eventing" | "kourier-system", name, *_]:
            return 0 if name in state["present"] else 1
        case ["kourier-system", *_]:
            return 0
        case [kinds, "--selector", selector, *_] if "," in kinds:
            list_labelled(state, kinds.split(","), selector)
        case ["revisions.serving.knative.dev", *_]:
            print("\n".join(state["named_by_revisions"]))
        case ["services.serving.knative.dev", *_]:
            print("\n".join(f"{name}-00002" for name in ("create-payment", "notify")))
        case ["pods", "--selector", "serving.knative.dev/revision", *_]:
            print("create-payment-00002")
            if state["old_pods"] > 0:
                state["old_pods"] -= 1
                print("create-payment-00001")
        case ["configmap", "config-network", *_]:
            print(state["ingress_class"], end="")
        case ["secret", name, *_]:
            secret = state["objects"].get(f"Secret/{name}")
            if secret is None:
                return 1
            print(secret["data"].get(path.removeprefix("{.data.").removesuffix("}"), ""), end="")
        case ["job", name, *_]:
            job = state["objects"].get(f"Job/{name}")
            if job is None:
                return 0
            if "annotations" in path:
                print(job["metadata"]["annotations"]["payments/template"], end="")
            elif '"Complete"' in path:
                print("True" if state["migration"] == "succeeds" else "", end="")
            elif '"Failed"' in path:
                print("True" if state["migration"] == "fails" else "", end="")
        case ["service", *_]:
            print(state["node_port"] or "", end="")
        case ["nodes", *_]:
            print(state["node"])
        case ["brokers.eventing.knative.dev/payment-events", *_]:
            print(state["broker"], end="")
        case ["deployment", name, *_]:
            return 0 if f"Deployment/{name}" in state["objects"] else 1
        case ["pods", *_]:
            if "serving.knative.dev/service=get-payment" in words:
                print("pod/get-payment" if state["awake"] else "", end="")
            elif path.startswith("{range"):
                print("payment-postgres-0 false")
            else:
                print("payment-postgres-0   0/1   ImagePullBackOff")
        case ["events", *_]:
            print("Warning  Failed  pod/payment-postgres-0  no such image")
    return 0


sys.exit(main())
