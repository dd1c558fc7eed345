"""deploy.sh, where something is missing, refuses or fails."""

import shutil

import pytest

from tests.knative.machine import CORE, KNATIVE, TO_A_CLUSTER, Machine, succeeded


def test_a_job_that_failed_before_is_tried_again(machine: Machine) -> None:
    machine.set(migration="fails")
    done = machine.deploy(*TO_A_CLUSTER)
    assert done.returncode == 1
    assert "the migration failed" in done.stderr
    assert "a line of the log that tells why" in done.stderr
    assert "Service.serving.knative.dev/create-payment" not in machine.state["objects"], "functions came all the same"
    machine.set(migration="succeeds", objects={**machine.state["objects"]})
    first_job = machine.state["objects"]["Job/payment-migrate"]
    first_job["metadata"]["annotations"]["payments/template"] = "another"
    machine.set(objects={**machine.state["objects"], "Job/payment-migrate": first_job})
    succeeded(machine.deploy(*TO_A_CLUSTER))
    assert machine.said("delete job payment-migrate")


@pytest.mark.parametrize(
    ("part", "named"), [("statefulset", "The database"), ("/create-payment", "Function create-payment")]
)
def test_where_a_wait_fails_pods_events_and_logs_tell_why(machine: Machine, part: str, named: str) -> None:
    machine.set(broken=[part])
    done = machine.deploy(*TO_A_CLUSTER)
    assert done.returncode == 1
    assert f"gave up waiting for: {named}" in done.stderr
    for clue in ("ImagePullBackOff", "no such image", "a line of the log that tells why"):
        assert clue in done.stderr
    assert "answers at" not in done.stdout


def test_a_webhook_that_is_still_starting_is_asked_again(machine: Machine) -> None:
    machine.set(refusals=3)
    succeeded(machine.deploy(*TO_A_CLUSTER))


def test_a_cluster_that_does_not_answer_or_lacks_a_kind_is_named(machine: Machine) -> None:
    machine.set(versions=CORE + KNATIVE[:1])
    done = machine.deploy(*TO_A_CLUSTER)
    assert done.returncode == 1
    assert "eventing.knative.dev/v1" in done.stderr
    assert "install Knative Eventing" in done.stderr
    assert not machine.state["objects"], "nothing was applied"
    machine.set(versions=CORE + KNATIVE, present=[])
    assert "install Kourier" in machine.deploy(*TO_A_CLUSTER).stderr
    machine.set(reachable=False)
    assert "context there does not answer" in machine.deploy(*TO_A_CLUSTER).stderr
    done = machine.deploy(*TO_A_CLUSTER, "--overlay", "production")
    assert done.returncode == 1


def test_everything_that_a_cluster_lacks_is_named_once(machine: Machine) -> None:
    machine.set(versions=CORE)
    done = machine.deploy(*TO_A_CLUSTER, "--overlay", "production")
    assert done.returncode == 1
    for piece in ("Knative Serving", "Knative Eventing", "the CloudNativePG operator", "the Prometheus operator"):
        assert done.stderr.count(f"install {piece}") == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1
    machine.set(versions=CORE + KNATIVE)
    said = machine.deploy(*TO_A_CLUSTER, "--overlay", "production").stderr
    assert "CloudNativePG" in said
    assert "Prometheus" in said
    assert "Knative" not in said


def test_a_broker_of_another_class_is_mentioned(machine: Machine) -> None:
    machine.set(broker="http://kafka-broker-ingress.knative-eventing.svc.cluster.local/payments/payment-events")
    assert "Beware: the Broker listens at http://kafka" in succeeded(machine.deploy(*TO_A_CLUSTER))


@pytest.mark.parametrize("missing", [["kubectl"], ["minikube", "docker"]])
def test_missing_tools_are_named_before_anything_is_done(machine: Machine, missing: list[str]) -> None:
    for tool in missing:
        (machine.path / tool).unlink()
    done = machine.deploy()
    assert done.returncode == 1
    assert f"missing: {' '.join(missing)}" in done.stderr
    assert not machine.calls


def test_a_docker_engine_that_does_not_answer_is_said(machine: Machine) -> None:
    machine.set(docker=False)
    assert "its engine does not answer" in machine.deploy().stderr


def test_where_no_node_can_be_reached_a_port_is_forwarded(machine: Machine) -> None:
    machine.set(node_port=None)
    said = succeeded(machine.deploy(*TO_A_CLUSTER))
    assert machine.said("port-forward")
    assert "http://127.0.0.1:18082" in said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--context", "there"], "--context wants --image"),
        (["--delete-data"], "--delete-data goes with --delete"),
        (["--cluster"], "unknown option: --cluster"),
        (["--image"], "--image wants a value"),
        (["--timeout", "soon"], "a number of seconds"),
        (["--overlay", "staging"], "there is no overlay"),
    ],
)
def test_wrong_options_are_refused_in_a_line(machine: Machine, options: list[str], why: str) -> None:
    done = machine.deploy(*options)
    assert done.returncode == 1
    assert why in done.stderr
    assert not machine.calls


def test_an_old_kubectl_is_helped_by_kustomize_or_says_what_it_needs(machine: Machine, kustomize: str) -> None:
    shutil.rmtree(machine.folder / "built")
    assert "kubectl 1.24 or later is needed" in machine.deploy(*TO_A_CLUSTER).stderr
    (machine.path / "kustomize").symlink_to(kustomize)
    succeeded(machine.deploy(*TO_A_CLUSTER))
