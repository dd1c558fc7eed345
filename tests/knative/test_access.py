"""Who may call on Kubernetes: each caller has an account of its own and a token for this service alone."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from shared.platform.settings import Settings
from shared.rules.permissions import PERMISSIONS
from tests.knative.conftest import FORMS, own_overlay
from tests.knative.manifests import functions, named, of_kind, pods

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

AUDIENCE = "payment-service"
WITH_OIDC = "overlays/minikube+eventing-oidc"
ACCOUNT = "system:serviceaccount:payments:"
BROKERS_TOKEN = {"/var/run/secrets/payment-events/token": "eventing.knative.dev/broker/payments/payment-events"}


def settings_of(manifests: list[Manifest]) -> dict[str, str]:
    data: dict[str, str] = next(m["data"] for m in of_kind(manifests, "ConfigMap") if "AUTH_ISSUERS" in m["data"])
    return data


def tokens_of(template: Manifest) -> dict[str, str]:
    """The audience of each projected token of a pod, by the path of its file."""
    found = {}
    mounts = {m["name"]: m for c in template["spec"]["containers"] for m in c.get("volumeMounts", [])}
    for volume in template["spec"].get("volumes", []):
        for source in volume.get("projected", {}).get("sources", []):
            token = source["serviceAccountToken"]
            assert token["expirationSeconds"] == 3600
            assert mounts[volume["name"]]["readOnly"] is True
            found[f"{mounts[volume['name']]['mountPath']}/{token['path']}"] = token["audience"]
    return found


def test_on_minikube_the_trip_service_pays_and_an_operator_may_do_everything(built: Built) -> None:
    manifests = built("overlays/minikube")
    settings = Settings.read(settings_of(manifests))
    assert settings.auth_subjects == {
        f"{ACCOUNT}trip-service": {"payments:write", "payments:read"},
        f"{ACCOUNT}payment-operator": PERMISSIONS,
    }
    assert settings.auth_audience == AUDIENCE
    accounts = {m["metadata"]["name"] for m in of_kind(manifests, "ServiceAccount")}
    assert {subject.removeprefix(ACCOUNT) for subject in settings.auth_subjects} <= accounts
    template = named(manifests, "Deployment", "trip-service")["spec"]["template"]
    assert template["spec"]["serviceAccountName"] == "trip-service"
    environment = {v["name"]: v["value"] for v in template["spec"]["containers"][0]["env"]}
    assert tokens_of(template) == {environment["PAYMENT_TOKEN_FILE"]: AUDIENCE}
    door = named(manifests, "Service", "payment-service", "v1")
    assert environment["PAYMENT_SERVICE_URL"] == f"http://payment-service:{door['spec']['ports'][0]['port']}"


@pytest.mark.parametrize("form", FORMS)
def test_nobody_has_a_token_for_the_api_server_and_only_who_needs_one_has_any(built: Built, form: str) -> None:
    manifests = built(form)
    publishers = {"create-payment", "create-refund", "gateway-webhook", "sweep", "charge-trip"}
    publishers = publishers if form == WITH_OIDC else set()
    callers = {"trip-service"} if "minikube" in form else set()
    having = {m["metadata"]["name"]: tokens_of(template) for m, template in pods(manifests) if tokens_of(template)}
    assert having.keys() == publishers | callers
    for name in publishers | (callers if publishers else set()):
        assert BROKERS_TOKEN.items() <= having[name].items(), "the stand-in tells of completed trips"
        assert having[name] == BROKERS_TOKEN or name in callers
    assert not publishers or settings_of(manifests)["EVENT_TOKEN_FILE"] in BROKERS_TOKEN


@pytest.mark.parametrize("form", FORMS)
def test_every_function_finds_the_cluster_s_keys_in_a_folder_that_may_be_empty(built: Built, form: str) -> None:
    for function in functions(built(form)):
        spec = function["spec"]["template"]["spec"]
        assert {"name": "issuer-keys", "configMap": {"name": "payment-issuer-keys", "optional": True}} in spec[
            "volumes"
        ]
        mount = {"name": "issuer-keys", "mountPath": "/etc/payment-service/keys", "readOnly": True}
        assert mount in spec["containers"][0]["volumeMounts"]


def test_with_oidc_events_are_sent_to_whom_they_are_for_and_taken_from_their_senders_alone(built: Built) -> None:
    manifests = built(WITH_OIDC)
    senders = Settings.read(settings_of(manifests)).auth_events
    assert senders is not None
    assert senders.issuer.audience == AUDIENCE
    triggers, clocks = of_kind(manifests, "Trigger"), of_kind(manifests, "PingSource")
    broker = named(manifests, "Broker", "payment-events")
    destinations = [each["spec"]["subscriber"] for each in triggers] + [each["spec"]["sink"] for each in clocks]
    destinations += [each["spec"]["delivery"]["deadLetterSink"] for each in (*triggers, broker)]
    for destination in destinations:
        assert destination["audience"] == AUDIENCE
    # Knative Eventing 1.22, GetOIDCServiceAccountNameForResource: the name, `-oidc-`, group and kind, in lower case; longer
    # than 63 characters, it would end in a hash.
    accounts = set()
    for sender in (*triggers, *clocks):
        group = sender["apiVersion"].partition("/")[0]
        name = f"{sender['metadata']['name']}-oidc-{group}-{sender['kind']}".lower()
        assert len(name) <= 63
        accounts.add(f"{ACCOUNT}{name}")
    assert senders.subjects == accounts


@pytest.mark.parametrize("form", sorted(set(FORMS) - {WITH_OIDC}))
def test_without_oidc_nothing_of_it_is_there(built: Built, form: str) -> None:
    manifests = built(form)
    settings = settings_of(manifests)
    assert (settings["AUTH_EVENTS"], settings["EVENT_TOKEN_FILE"]) == ("", "")
    for kind in ("Broker", "Trigger", "PingSource"):
        assert '"audience"' not in json.dumps(of_kind(manifests, kind))


def test_the_page_s_own_overlay_stands_on_production_and_says_who_may_call(built: Built) -> None:
    assert own_overlay()["resources"] == ["../production"]
    manifests = built("overlays/production+access")
    settings = Settings.read(settings_of(manifests))
    assert [issuer.keys for issuer in settings.auth_issuers] == ["/etc/payment-service/keys/jwks.json"]
    assert settings.auth_subjects["system:serviceaccount:rides:trip-service"] == {"payments:write", "payments:read"}
    assert "metrics:read" in settings.auth_subjects["system:serviceaccount:monitoring:prometheus-k8s"]
    assert settings.db_host == "payment-pooler", "what production says stays"


def test_in_production_prometheus_says_who_it_is(built: Built) -> None:
    monitor = named(built("overlays/production"), "ServiceMonitor", "payment-totals")
    assert monitor["spec"]["scrapeClass"] == "payment-service"
    assert "scrapeClass" not in named(built("base+monitoring"), "ServiceMonitor", "payment-totals")["spec"]
