"""From one overlay to another and back, call by call: nothing goes before what takes its place is ready."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.knative.machine import CORE, KNATIVE, TO_A_CLUSTER, Machine, succeeded
from tests.knative.manifests import of_kind

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

OPERATORS = [*CORE, *KNATIVE, "postgresql.cnpg.io/v1", "monitoring.coreos.com/v1"]
OF_MONITORING = ("front-door-figures", "function-figures")
POLICY = "networkpolicy.networking.k8s.io/"
STATEFUL_SET = "statefulset.apps/payment-postgres"
CLUSTER = "cluster.postgresql.cnpg.io/payment-postgres"
# What must outlive every switch once it is there: the data, and what its pods are reached by.
DATA = {
    "StatefulSet/payment-postgres",
    "PersistentVolumeClaim/data-payment-postgres-0",
    "Service/payment-postgres",
    "Service/payment-database",
    "ServiceAccount/payment-database",
    "Secret/payment-database",
    "Namespace/payments",
}
DATA_OF_THE_OPERATOR = {
    "Cluster.postgresql.cnpg.io/payment-postgres",
    "NetworkPolicy/database-cluster-from-pooler-and-job",
}


@pytest.fixture
def second(second: Machine, built_text: Callable[[str], str]) -> Machine:
    """The service as overlays/minikube makes it, on a cluster with both operators, and an overlay of one's own."""
    second.set(versions=OPERATORS, old_pods=2)
    folder = second.folder / "pooled"
    folder.mkdir()
    (folder / "kustomization.yaml").touch()
    (second.folder / "built" / "pooled").write_text(built_text("base+eventing+pgbouncer"))
    return second


def _switch(machine: Machine, overlay: str) -> tuple[str, list[str], list[list[str]]]:
    """What deploy.sh said, every call of kubectl, and the names in each that deletes, but for the migration's Job."""
    machine.set(old_pods=2)
    said = succeeded(machine.deploy(*TO_A_CLUSTER, "--timeout", "20", "--overlay", overlay))
    calls = [" ".join(call["arguments"]) for call in machine.calls]
    deleted = [re.findall(r"[a-z.0-9]+/[a-z.0-9-]+", call) for call in calls if " delete --namespace" in call]
    return said, calls, deleted


def _first(calls: list[str], *words: str) -> int:
    return next(index for index, call in enumerate(calls) if all(word in call for word in words))


def _last(calls: list[str], *words: str) -> int:
    return max(index for index, call in enumerate(calls) if all(word in call for word in words))


def _comes_in_order(calls: list[str], manifests: list[Manifest], database: str, pooler: str) -> None:
    functions = [m["metadata"]["name"] for m in of_kind(manifests, "Service", "serving.knative.dev/v1")]
    assert len(functions) == 12
    ready = [_first(calls, "wait", f"services.serving.knative.dev/{name} ") for name in functions]
    for kind in ("deployment", "statefulset"):
        for manifest in of_kind(manifests, kind.capitalize()):
            ready.append(_first(calls, "rollout status", f"{kind}/{manifest['metadata']['name']} "))
    order = [
        _first(calls, "apply", "(foundation,configuration)"),  # with the policies
        _first(calls, "apply", "(database,pooler)"),
        _first(calls, database),
        _first(calls, f"rollout status deployment/{pooler} "),
        _first(calls, "apply", "component=migration"),
        _first(calls, "apply", "component!=migration"),
        min(ready[: len(functions)]),
        max(ready),
        _last(calls, "get pods", "serving.knative.dev/revision"),
        _first(calls, " delete --namespace"),
        _last(calls, " delete --namespace"),
    ]
    assert order == sorted(order)
    asked = [call for call in calls if "get pods --namespace payments --selector serving.knative.dev/revision" in call]
    assert len(asked) == 3, "until the pods of earlier revisions are gone"


def _kept(database: str) -> str:
    remove = f"kubectl delete --namespace payments {database}"
    return f"Kept, with its data, though this overlay does not use it: {database} ({remove})"


def test_from_the_own_database_to_the_operator_s_and_back_with_pgbouncer(second: Machine, built: Built) -> None:
    said, calls, (things, policies) = _switch(second, "production")
    _comes_in_order(calls, built("overlays/production"), "wait --for=condition=Ready clusters", "payment-pooler")
    assert {"deployment.apps/trip-service", "service/notification-service"} <= set(things)
    assert set(policies) == {f"{POLICY}database-from-functions-and-job", f"{POLICY}neighbours-from-functions"}
    assert second.state["objects"].keys() >= DATA | DATA_OF_THE_OPERATOR
    assert [line for line in said.splitlines() if line.startswith("Kept")] == [_kept(STATEFUL_SET)]

    said, calls, (things, policies) = _switch(second, f"{second.folder}/pooled")
    _comes_in_order(
        calls, built("base+eventing+pgbouncer"), "rollout status statefulset/payment-postgres", "payment-pgbouncer"
    )
    assert {"pooler.postgresql.cnpg.io/payment-pooler", "poddisruptionbudget.policy/payment-front-door"} <= set(things)
    assert set(policies) == {f"{POLICY}{each}" for each in ("pooler-from-functions", *OF_MONITORING)}
    assert second.state["objects"].keys() >= DATA | DATA_OF_THE_OPERATOR
    assert [line for line in said.splitlines() if line.startswith("Kept")] == [_kept(CLUSTER)]

    said, calls, (things, policies) = _switch(second, "minikube")
    assert {"deployment.apps/payment-pgbouncer", "service/payment-pgbouncer"} <= set(things)
    assert set(policies) == {f"{POLICY}database-from-pgbouncer-and-job", f"{POLICY}pgbouncer-from-functions"}
    assert second.state["objects"].keys() >= DATA | DATA_OF_THE_OPERATOR


def test_a_pooler_that_does_not_come_up_keeps_the_functions_as_they_are(second: Machine) -> None:
    before = second.state["objects"]["Service.serving.knative.dev/create-payment"]
    second.set(broken=["deployment/payment-pgbouncer"])
    done = second.deploy(*TO_A_CLUSTER, "--overlay", f"{second.folder}/pooled")
    assert done.returncode == 1
    assert "gave up waiting for: The pooler is ready" in done.stderr
    assert second.state["objects"]["Service.serving.knative.dev/create-payment"] == before
    assert not second.said("delete --namespace")
