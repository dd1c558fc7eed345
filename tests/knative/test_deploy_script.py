"""deploy.sh, where everything goes well: against tools that stand for kubectl, minikube and docker."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.knative.conftest import ROOT
from tests.knative.machine import CORE, IMAGE, KNATIVE, TO_A_CLUSTER, Deployed, Machine, succeeded


def test_a_context_and_an_image_need_only_kubectl(deployed: Deployed) -> None:
    assert {call["tool"] for call in deployed.calls} == {"kubectl"}
    assert all(
        call["arguments"][:2] == ["--context", "there"] or call["arguments"][0] == "kustomize"
        for call in deployed.calls
    )
    assert not deployed.state["installed"], "an existing cluster gets nothing installed"
    assert "The payment service answers at http://" in deployed.said


def test_every_part_gets_the_image_that_was_given(deployed: Deployed) -> None:
    text = json.dumps(deployed.state["objects"])
    assert "dev.local" not in text
    assert text.count(IMAGE) >= 11


def test_the_parts_come_in_order_and_the_migration_ends_before_the_functions_are_applied(deployed: Deployed) -> None:
    order = [
        _first(deployed.calls, *words)
        for words in (
            ("apply", "foundation"),
            ("patch secret",),
            ("apply", "in (database,pooler)"),
            ("rollout status statefulset/payment-postgres",),
            ("apply", "component=migration"),
            ("get job", '"Complete"'),
            ("apply", "component!=migration"),
            ("wait", "services.serving.knative.dev/create-payment"),
        )
    ]
    assert order == sorted(order)


def _first(calls: list[dict[str, Any]], *words: str) -> int:
    for index, call in enumerate(calls):
        if all(word in " ".join(call["arguments"]) for word in words):
            return index
    raise AssertionError(f"never said: {words}")


def test_every_knative_resource_and_deployment_is_waited_for(deployed: Deployed) -> None:
    for kind, prefix in (
        ("Service.serving.knative.dev", "wait --for=condition=Ready services.serving.knative.dev/"),
        ("Broker.eventing.knative.dev", "wait --for=condition=Ready brokers.eventing.knative.dev/"),
        ("Trigger.eventing.knative.dev", "wait --for=condition=Ready triggers.eventing.knative.dev/"),
        ("PingSource.sources.knative.dev", "wait --for=condition=Ready pingsources.sources.knative.dev/"),
        ("Deployment", "rollout status deployment/"),
    ):
        names = [key.partition("/")[2] for key in deployed.state["objects"] if key.startswith(f"{kind}/")]
        assert names
        for name in names:
            assert _first(deployed.calls, f"{prefix}{name}")


def test_passwords_are_made_once_and_never_shown(second: Machine, deployed: Deployed) -> None:
    secret = second.secret()
    assert secret["username"] == "payment_owner"
    assert secret["app-username"] == "payment_app"
    passwords = {secret["password"], secret["app-password"]}
    assert len(passwords) == 2
    for password in passwords:
        assert len(password) == 48
        assert password not in deployed.said
        assert not any(password in word for call in deployed.calls for word in call["arguments"]), "on a command line"
    succeeded(second.deploy(*TO_A_CLUSTER))
    assert second.secret() == secret
    assert not second.said("patch secret")


def test_passwords_that_someone_made_by_hand_are_kept(machine: Machine) -> None:
    data = {"password": "by hand", "app-username": "payment_app", "app-password": "too"}
    encoded = {name: base64.b64encode(value.encode()).decode() for name, value in data.items()}
    machine.set(objects={"Secret/payment-database": {"data": encoded}})
    succeeded(machine.deploy(*TO_A_CLUSTER))
    assert machine.secret() == {**data, "username": "payment_owner"}


def test_a_kept_volume_whose_secret_is_gone_gets_the_new_owner_password(second: Machine) -> None:
    objects = second.state["objects"]
    del objects["Secret/payment-database"]
    second.set(objects=objects)
    succeeded(second.deploy(*TO_A_CLUSTER))
    (told,) = second.said("exec", "--stdin")
    assert told["fed"] == f"ALTER ROLE \"payment_owner\" PASSWORD '{second.secret()['password']}';\n"


def test_a_second_run_changes_nothing(second: Machine) -> None:
    before = second.state["objects"]
    said = succeeded(second.deploy(*TO_A_CLUSTER))
    assert second.state["objects"] == before
    assert said.count("nothing to change") == 3
    assert "The migration of this image ran already" in said
    for word in ("created", "configured", "Building", "Loading"):
        assert word not in said
    assert not second.said("delete")
    assert not second.said("patch")


def test_another_image_replaces_the_job_whose_template_cannot_change(second: Machine) -> None:
    succeeded(second.deploy("--context", "there", "--image", "registry.example/payments:8"))
    assert second.said("delete job payment-migrate")
    assert "payments:8" in json.dumps(second.state["objects"]["Job/payment-migrate"])


def test_rotating_gives_a_new_role_to_the_job_and_every_function_and_keeps_the_old_one(second: Machine) -> None:
    before = second.secret()
    said = succeeded(second.deploy(*TO_A_CLUSTER, "--rotate-password"))
    after = second.secret()
    assert after["app-username"] != before["app-username"]
    assert after["app-password"] != before["app-password"]
    assert after["password"] == before["password"]
    assert after["previous-app-username"] == before["app-username"]
    assert after["previous-app-password"] == before["app-password"]
    assert second.said("delete job payment-migrate")
    role = after["app-username"]
    create = second.state["objects"]["Service.serving.knative.dev/create-payment"]
    assert create["spec"]["template"]["metadata"]["annotations"]["payments/database-role"] == role
    assert f"ALTER ROLE {before['app-username']} NOLOGIN;" in said
    assert after["app-password"] not in said


def test_production_waits_for_its_database_cluster(machine: Machine) -> None:
    machine.set(versions=[*CORE, *KNATIVE, "postgresql.cnpg.io/v1", "monitoring.coreos.com/v1"])
    succeeded(machine.deploy(*TO_A_CLUSTER, "--overlay", "production"))
    assert machine.said("wait --for=condition=Ready clusters.postgresql.cnpg.io/payment-postgres")
    assert not machine.said("rollout status statefulset")


def test_an_image_is_loaded_by_the_command_that_is_given(machine: Machine) -> None:
    loaded = machine.folder / "loaded"
    command = f"sh_line() {{ echo \"$@\" > '{loaded}'; }}; sh_line --quiet"
    succeeded(machine.deploy(*TO_A_CLUSTER, "--load-command", command))
    assert loaded.read_text() == f"--quiet {IMAGE}\n"
    done = machine.deploy(*TO_A_CLUSTER, "--load-command", "false")
    assert done.returncode == 1
    assert "could not be loaded" in done.stderr


def test_without_an_image_one_is_built_and_named_by_its_content(machine: Machine) -> None:
    succeeded(machine.deploy("--context", "there", "--load-command", "true"))
    (name,) = machine.state["built"]
    assert name.startswith("dev.local/payment-service:")
    assert len(name.partition(":")[2]) == 12
    succeeded(machine.deploy("--context", "there", "--load-command", "true"))
    assert machine.state["built"] == [name], "built again, though nothing changed"


def test_minikube_is_made_with_the_flags_and_gets_knative_and_the_image(machine: Machine) -> None:
    machine.set(minikube="absent", present=[], ingress_class="istio")
    said = succeeded(machine.deploy("--cpus", "3", "--memory", "5g"))
    (start,) = machine.said("minikube start")
    assert "--cpus 3 --memory 5g" in " ".join(start["arguments"])
    state = machine.state
    parts = [url.rpartition("/")[2] for url in state["installed"]]
    assert parts == [
        "serving-crds.yaml",
        "serving-core.yaml",
        "kourier.yaml",
        "eventing-crds.yaml",
        "eventing-core.yaml",
        "in-memory-channel.yaml",
        "mt-channel-broker.yaml",
    ]
    assert all("knative-v1.22." in url for url in state["installed"])
    assert state["ingress_class"].startswith("kourier.")
    assert state["images"] == state["built"]
    assert "answers at" in said


@pytest.mark.parametrize("found", ["running", "stopped"])
def test_an_existing_minikube_is_never_resized_or_deleted(machine: Machine, found: str) -> None:
    machine.set(minikube=found)
    succeeded(machine.deploy("--cpus", "8", "--memory", "16g"))
    started = machine.said("minikube start")
    assert len(started) == (found == "stopped")
    for call in machine.calls:
        assert not {"--cpus", "--memory"} & set(call["arguments"])
        assert call["tool"] != "minikube" or call["arguments"][0] != "delete"
    assert not machine.state["installed"]


def test_deleting_keeps_the_volume_and_its_passwords(second: Machine) -> None:
    secret = second.secret()
    succeeded(second.deploy("--context", "there", "--delete"))
    kept = {"Namespace/payments", "Secret/payment-database", "PersistentVolumeClaim/data-payment-postgres-0"}
    assert second.state["objects"].keys() == kept
    assert second.secret() == secret
    succeeded(second.deploy(*TO_A_CLUSTER))
    assert second.secret() == secret, "a kept database would not let its owner in"


def _of_the_cluster(second: Machine, key: str, **more: Any) -> None:
    kind, _, name = key.partition("/")
    labels = {"app.kubernetes.io/part-of": "payment-service", **more.pop("labels", {})}
    version = {"Deployment": "apps/v1", "NetworkPolicy": "networking.k8s.io/v1"}.get(kind, "v1")
    thing = {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": labels, **more}}
    second.set(objects={**second.state["objects"], key: thing})


def test_what_an_overlay_has_no_more_goes_and_nothing_else(second: Machine) -> None:
    gone = {"Deployment/payment-pgbouncer", "ConfigMap/payment-dead-letters", "NetworkPolicy/of-an-earlier-overlay"}
    for key in (*gone, "ConfigMap/payment-settings-of-a-revision"):
        _of_the_cluster(second, key)
    _of_the_cluster(second, "ConfigMap/kept", labels={"payments/kept": "true"})
    _of_the_cluster(second, "Service/made-by-knative", ownerReferences=[{"kind": "Route"}])
    second.set(named_by_revisions=["payment-settings-of-a-revision "])
    before = second.state["objects"]
    succeeded(second.deploy(*TO_A_CLUSTER))
    assert second.state["objects"].keys() == before.keys() - gone
    removed = [" ".join(call["arguments"]) for call in second.said("delete")]
    assert "networkpolicy" in removed[-1], "what lets in goes after what it lets in"
    assert "networkpolicy" not in removed[0]


def test_nothing_is_removed_while_pods_of_an_earlier_revision_run(second: Machine) -> None:
    _of_the_cluster(second, "Deployment/payment-pgbouncer")
    second.set(old_pods=1000)
    assert "Left for the next run" in succeeded(second.deploy(*TO_A_CLUSTER))
    assert "Deployment/payment-pgbouncer" in second.state["objects"]
    second.set(old_pods=2)
    succeeded(second.deploy(*TO_A_CLUSTER, "--timeout", "20"))
    assert "Deployment/payment-pgbouncer" not in second.state["objects"]


@pytest.mark.parametrize("question", ["pods", "revisions.serving.knative.dev"])
def test_nothing_is_removed_where_the_cluster_does_not_say_what_runs(second: Machine, question: str) -> None:
    _of_the_cluster(second, "Deployment/payment-pgbouncer")
    second.set(unanswered=[question])
    second.deploy(*TO_A_CLUSTER)
    assert "Deployment/payment-pgbouncer" in second.state["objects"]
    assert not second.said("delete")


def test_the_database_of_another_overlay_is_never_removed(second: Machine) -> None:
    second.set(versions=[*CORE, *KNATIVE, "postgresql.cnpg.io/v1", "monitoring.coreos.com/v1"])
    succeeded(second.deploy(*TO_A_CLUSTER, "--overlay", "production"))
    for key in ("StatefulSet/payment-postgres", "Service/payment-postgres", "Service/payment-database"):
        assert key in second.state["objects"]
    assert "ServiceAccount/payment-database" in second.state["objects"]
    assert "Deployment/trip-service" not in second.state["objects"]
    succeeded(second.deploy(*TO_A_CLUSTER))
    assert "Cluster.postgresql.cnpg.io/payment-postgres" in second.state["objects"]
    assert "Pooler.postgresql.cnpg.io/payment-pooler" not in second.state["objects"]


def test_deleting_takes_what_another_overlay_made(second: Machine) -> None:
    succeeded(second.deploy("--context", "there", "--delete", "--overlay", "production"))
    kept = {"Namespace/payments", "Secret/payment-database", "PersistentVolumeClaim/data-payment-postgres-0"}
    assert second.state["objects"].keys() == kept


def test_deleting_the_data_takes_everything(second: Machine) -> None:
    succeeded(second.deploy("--context", "there", "--delete", "--delete-data"))
    assert not second.state["objects"]


def test_the_tag_follows_what_the_image_holds(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    for name in ("functions", "shared", "sql", "seed", "local", "requirements", "knative"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Dockerfile", ".dockerignore", "gunicorn.conf.py"):
        shutil.copy(ROOT / name, copy / name)

    def tag() -> str:
        program = f"root={copy}; source {copy}/knative/deploy/image.sh; name_the_content"
        environment = {"PATH": os.environ["PATH"]}
        return subprocess.run(
            ["bash", "-c", program], capture_output=True, text=True, check=True, env=environment
        ).stdout

    first = tag()
    (copy / "README.md").write_text("not in the image")
    (copy / "shared" / "__pycache__").mkdir()
    (copy / "shared" / "__pycache__" / "x.pyc").write_text("nor this")
    assert tag() == first
    (copy / "shared" / "pricing" / "fare.py").rename(copy / "shared" / "pricing" / "fares.py")
    moved = tag()
    assert moved != first
    with (copy / "gunicorn.conf.py").open("a") as file:
        file.write("\n# another\n")
    assert tag() not in (first, moved)
