"""deploy.sh and who may call: the cluster vouches for its service accounts, and production is not open to everybody."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.knative.machine import (
    CORE,
    DISCOVERY,
    ISSUER,
    JWKS,
    KEYS,
    KNATIVE,
    TO_A_CLUSTER,
    Deployed,
    Machine,
    succeeded,
)

OTHER = "https://oidc.eks.eu-north-1.example.com/id/0123456789ABCDEF"
CONFIG_MAP = "ConfigMap/payment-issuer-keys"
FUNCTION = "Service.serving.knative.dev/create-payment"
BROKER_SENDS_AS = "notify-of-payments-oidc-eventing.knative.dev-trigger"
CLOCK_SENDS_AS = "sweep-clock-oidc-sources.knative.dev-pingsource"

BuiltText = Callable[[str], str]


def settings_of(state: dict[str, Any]) -> dict[str, str]:
    (found,) = [each["data"] for key, each in state["objects"].items() if key.startswith("ConfigMap/payment-settings-")]
    data: dict[str, str] = found
    return data


def overlay(machine: Machine, text: str) -> tuple[str, str]:
    """An overlay of one's own, of which kubectl makes this."""
    folder = machine.folder / "own"
    folder.mkdir(exist_ok=True)
    (folder / "kustomization.yaml").touch()
    (machine.folder / "built" / "own").write_text(text)
    return "--overlay", str(folder)


def test_the_functions_get_the_keys_of_the_cluster_as_a_file_before_they_are_made(deployed: Deployed) -> None:
    assert deployed.state["objects"][CONFIG_MAP]["data"] == {"jwks.json": KEYS}
    (issuer,) = json.loads(settings_of(deployed.state)["AUTH_ISSUERS"])
    assert issuer["issuer"] == ISSUER
    template = deployed.state["objects"][FUNCTION]["spec"]["template"]
    assert template["metadata"]["annotations"]["payments/issuer"] == ISSUER
    (mounted,) = [v for v in template["spec"]["volumes"] if v.get("configMap", {}).get("name") == "payment-issuer-keys"]
    (mount,) = [m for m in template["spec"]["containers"][0]["volumeMounts"] if m["name"] == mounted["name"]]
    assert issuer["keys"] == f"{mount['mountPath']}/jwks.json"
    # With the settings: the first part that is applied.
    labels = deployed.state["objects"][CONFIG_MAP]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "configuration"


def test_a_cluster_whose_issuer_has_another_name_is_trusted_by_that_one(machine: Machine) -> None:
    machine.set(raw={DISCOVERY: f'{{\n  "issuer" : "{OTHER}",\n  "jwks_uri": "x"}}', JWKS: KEYS})
    succeeded(machine.deploy(*TO_A_CLUSTER))
    assert [each["issuer"] for each in json.loads(settings_of(machine.state)["AUTH_ISSUERS"])] == [OTHER]
    for key, found in machine.state["objects"].items():
        if key.startswith("Service.serving") or (key.endswith("/payment-front-door") and found["kind"] == "Deployment"):
            assert found["spec"]["template"]["metadata"]["annotations"]["payments/issuer"] == OTHER


def test_a_key_that_was_rotated_comes_with_the_next_run_and_restarts_nothing(second: Machine) -> None:
    before = second.state["objects"]
    rotated = KEYS.replace("first", "it's the second")
    second.set(raw={**second.state["raw"], JWKS: f"{rotated}\n"})
    assert "configmap/payment-issuer-keys configured" in succeeded(second.deploy(*TO_A_CLUSTER))
    after = second.state["objects"]
    assert after[CONFIG_MAP]["data"] == {"jwks.json": rotated}
    assert {**after, CONFIG_MAP: None} == {**before, CONFIG_MAP: None}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({DISCOVERY: "{}", JWKS: KEYS}, "no usable name"),
        ({DISCOVERY: json.dumps({"issuer": "https://a|b"}), JWKS: KEYS}, "no usable name: https://a|b"),
        ({DISCOVERY: json.dumps({"issuer": ISSUER}), JWKS: '{"keys": []}'}, "gives no keys"),
        ({DISCOVERY: None, JWKS: KEYS}, "does not say who issues"),
        ({DISCOVERY: json.dumps({"issuer": ISSUER}), JWKS: None}, "does not say who issues"),
    ],
)
def test_a_cluster_that_does_not_vouch_for_its_accounts_gets_nothing(
    machine: Machine, raw: dict[str, str | None], why: str
) -> None:
    machine.set(raw=raw)
    done = machine.deploy(*TO_A_CLUSTER)
    assert done.returncode == 1
    assert why in done.stderr
    assert not machine.state["objects"]


def test_a_cluster_is_not_asked_where_another_issuer_is_trusted(machine: Machine, built_text: BuiltText) -> None:
    text = with_settings(built_text("overlays/minikube"), AUTH_ISSUERS='[{"issuer": "https://id.example.com"}]')
    machine.set(raw={})
    succeeded(machine.deploy(*TO_A_CLUSTER, *overlay(machine, text)))
    assert not machine.said("--raw")
    assert CONFIG_MAP not in machine.state["objects"]


def with_settings(text: str, **changed: str) -> str:
    """The manifests with these settings."""
    manifests = list(yaml.load_all(text, yaml.CSafeLoader))
    (settings,) = [m["data"] for m in manifests if "AUTH_ISSUERS" in m.get("data", {})]
    settings.update(changed)
    changed_text: str = yaml.dump_all(manifests, Dumper=yaml.CSafeDumper, sort_keys=False)
    return changed_text


def test_the_clock_of_reconcile_goes_by_the_time_zone_of_the_settings(machine: Machine, built_text: BuiltText) -> None:
    text = with_settings(built_text("overlays/minikube"), TIME_ZONE="Asia/Kolkata")
    succeeded(machine.deploy(*TO_A_CLUSTER, *overlay(machine, text)))
    clock = machine.state["objects"]["PingSource.sources.knative.dev/reconcile-clock"]
    assert clock["spec"]["timezone"] == "Asia/Kolkata"


def test_where_people_sign_in_the_key_of_their_sessions_is_made_once_and_never_shown(
    machine: Machine, built_text: BuiltText
) -> None:
    console = {"CONSOLE_CLIENT_ID": "console", "CONSOLE_URL": "https://payments.example"}
    named = overlay(machine, with_settings(built_text("overlays/minikube"), **console))
    said = succeeded(machine.deploy(*TO_A_CLUSTER, *named))
    key = machine.secret()["console-session-key"]
    assert len(key) == 48
    assert key not in said
    assert not any(key in word for call in machine.calls for word in call["arguments"])
    succeeded(machine.deploy(*TO_A_CLUSTER, *named))
    assert machine.secret()["console-session-key"] == key


@pytest.mark.parametrize("missing", ["CONSOLE_URL", "AUTH_ISSUERS"])
def test_a_console_where_people_could_not_sign_in_is_not_deployed(
    machine: Machine, built_text: BuiltText, missing: str
) -> None:
    console = {"CONSOLE_CLIENT_ID": "console", "CONSOLE_URL": "https://payments.example", missing: ""}
    done = machine.deploy(*TO_A_CLUSTER, *overlay(machine, with_settings(built_text("overlays/minikube"), **console)))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert missing in line
    assert not machine.state["objects"]


@pytest.mark.parametrize("on_top", [False, True])
def test_production_is_refused_without_issuers_in_one_line_that_says_what_to_give(
    machine: Machine, built_text: BuiltText, on_top: bool
) -> None:
    text = built_text("overlays/production")
    if on_top:
        named = overlay(machine, text)
    else:
        (machine.folder / "built" / "production").write_text(text)
        named = ("--overlay", "production")
    done = machine.deploy(*TO_A_CLUSTER, *named)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    for word in ("AUTH_ISSUERS", "AUTH_AUDIENCE", "AUTH_SUBJECTS", "kustomization.yaml", "configMapGenerator"):
        assert word in line
    assert [call["arguments"][0] for call in machine.calls] == ["kustomize"], "before anything is built or asked"


def test_another_overlay_may_be_open_and_is_warned_of(machine: Machine, built_text: BuiltText) -> None:
    done = succeeded(machine.deploy(*TO_A_CLUSTER, *overlay(machine, built_text("base+eventing"))))
    assert "Beware: whoever reaches this service may pay and refund" in done
    assert not machine.said("--raw")


def test_an_overlay_that_says_who_may_call_is_not_warned_of(deployed: Deployed) -> None:
    assert "Beware" not in deployed.said


def test_production_with_the_cluster_s_own_accounts_gets_their_keys(machine: Machine) -> None:
    machine.set(versions=[*CORE, *KNATIVE, "postgresql.cnpg.io/v1", "monitoring.coreos.com/v1"])
    succeeded(machine.deploy(*TO_A_CLUSTER, "--overlay", "production"))
    assert CONFIG_MAP in machine.state["objects"]


def test_where_eventing_wants_tokens_an_overlay_without_them_is_refused(
    machine: Machine, built_text: BuiltText
) -> None:
    machine.set(authentication_oidc="Enabled")
    done = machine.deploy(*TO_A_CLUSTER)
    assert done.returncode == 1
    assert "add components/eventing-oidc" in done.stderr
    assert not machine.state["objects"]
    machine.set(senders={"notify-of-payments": BROKER_SENDS_AS, "sweep-clock": CLOCK_SENDS_AS})
    with_tokens = overlay(machine, built_text("overlays/minikube+eventing-oidc"))
    assert "Beware" not in succeeded(machine.deploy(*TO_A_CLUSTER, *with_tokens))
    machine.set(senders={"notify-of-payments": "another-name"})
    said = succeeded(machine.deploy(*TO_A_CLUSTER, *with_tokens))
    assert "sends as system:serviceaccount:payments:another-name, which AUTH_EVENTS does not name" in said


@pytest.mark.parametrize("feature", ["", "disabled"])
def test_where_eventing_sends_no_tokens_an_overlay_that_wants_them_is_refused(
    machine: Machine, built_text: BuiltText, feature: str
) -> None:
    machine.set(authentication_oidc=feature)
    done = machine.deploy(*TO_A_CLUSTER, *overlay(machine, built_text("overlays/minikube+eventing-oidc")))
    assert done.returncode == 1
    assert "take components/eventing-oidc out" in done.stderr


def test_the_senders_of_events_are_trusted_by_the_cluster_s_own_name(machine: Machine, built_text: BuiltText) -> None:
    machine.set(authentication_oidc="enabled", raw={DISCOVERY: json.dumps({"issuer": OTHER}), JWKS: KEYS})
    succeeded(machine.deploy(*TO_A_CLUSTER, *overlay(machine, built_text("overlays/minikube+eventing-oidc"))))
    senders = json.loads(settings_of(machine.state)["AUTH_EVENTS"])
    assert senders["issuer"] == OTHER
    assert Path(senders["keys"]).name in machine.state["objects"][CONFIG_MAP]["data"]
