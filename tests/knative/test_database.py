"""The database: connections, roles, the migration, and what production does to lose no commit."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from local.postgres import WITHOUT_VALUES
from tests.knative.conftest import FORMS, KNATIVE
from tests.knative.manifests import containers, named, of_kind, operations, pods

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

IMAGE = "dev.local/payment-service:local"


@pytest.mark.parametrize(("form", "allowed"), [("base", 310), ("overlays/minikube", 310)])
def test_a_rollout_at_full_scale_leaves_the_database_connections(built: Built, form: str, allowed: int) -> None:
    manifests = built(form)
    database = named(manifests, "StatefulSet", "payment-postgres")
    (container,) = database["spec"]["template"]["spec"]["containers"]
    assert f"max_connections={allowed}" in container["args"]
    at_once = 0
    for function in operations(manifests).values():
        template = function["spec"]["template"]
        environment = {v["name"]: v.get("value") for v in template["spec"]["containers"][0]["env"]}
        pods_at_most = int(template["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"])
        at_once += pods_at_most * int(environment.get("DB_POOL_SIZE", "0"))
    assert 2 * at_once + 10 <= allowed


@pytest.mark.parametrize("form", ["base", "overlays/minikube", "overlays/production"])
def test_the_database_logs_what_fails_without_values(built: Built, form: str) -> None:
    if form == "overlays/production":
        said = named(built(form), "Cluster", "payment-postgres")["spec"]["postgresql"]["parameters"]
    else:
        database = named(built(form), "StatefulSet", "payment-postgres")
        (container,) = database["spec"]["template"]["spec"]["containers"]
        said = dict(each.split("=") for each in container["args"] if "=" in each)
    assert said.items() >= WITHOUT_VALUES.items()


def test_the_poolers_open_fewer_connections_than_the_database_has(built: Built) -> None:
    cluster = named(built("overlays/production"), "Cluster", "payment-postgres")
    pooler = named(built("overlays/production"), "Pooler", "payment-pooler")
    size = int(pooler["spec"]["pgbouncer"]["parameters"]["default_pool_size"]) * pooler["spec"]["instances"]
    assert size + 20 <= int(cluster["spec"]["postgresql"]["parameters"]["max_connections"])
    own = (KNATIVE / "components/pgbouncer/pgbouncer.ini").read_text(encoding="utf-8")
    deployment = named(built("base+pgbouncer"), "Deployment", "payment-pgbouncer")
    (pool,) = re.findall(r"^default_pool_size = (\d+)$", own, re.M)
    assert int(pool) * deployment["spec"]["replicas"] + 20 <= 200
    assert "pool_mode = transaction" in own
    assert pooler["spec"]["pgbouncer"]["poolMode"] == "transaction"


def test_postgres_has_its_claim_and_keeps_its_data_below_the_mount(built: Built) -> None:
    database = named(built("base"), "StatefulSet", "payment-postgres")
    (claim,) = database["spec"]["volumeClaimTemplates"]
    (container,) = database["spec"]["template"]["spec"]["containers"]
    data = next(v["value"] for v in container["env"] if v["name"] == "PGDATA")
    mount = next(m["mountPath"] for m in container["volumeMounts"] if m["name"] == claim["metadata"]["name"])
    assert data.startswith(mount + "/")
    assert database["spec"]["template"]["spec"]["securityContext"]["fsGroup"] == 999


def test_what_cannot_be_changed_in_place_is_what_earlier_installations_have(built: Built) -> None:
    database = named(built("base"), "StatefulSet", "payment-postgres")["spec"]
    assert database["serviceName"] == "payment-postgres"
    assert database["selector"] == {"matchLabels": {"app.kubernetes.io/name": "payment-postgres"}}
    assert database["volumeClaimTemplates"] == [
        {
            "metadata": {"name": "data", "labels": {"app.kubernetes.io/part-of": "payment-service"}},
            "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
        }
    ]
    headless = named(built("base"), "Service", "payment-postgres", "v1")
    assert headless["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize("form", FORMS)
def test_whoever_connects_to_the_database_names_a_service_that_has_an_address(built: Built, form: str) -> None:
    manifests = built(form)
    with_address = {
        m["metadata"]["name"] for m in of_kind(manifests, "Service", "v1") if m["spec"].get("clusterIP") != "None"
    }
    # The operator makes these two Services.
    with_address |= {m["metadata"]["name"] for m in of_kind(manifests, "Pooler")}
    with_address |= {f"{m['metadata']['name']}-rw" for m in of_kind(manifests, "Cluster")}
    hosts = re.findall(
        r'"DB_HOST", "value": "([^"]+)"|"DB_HOST": "([^"]+)"|(?<!-)\bhost=([a-z0-9-]+)', json.dumps(manifests)
    )
    named_there = {name for found in hosts for name in found if name}
    assert len(hosts) >= 2
    assert named_there <= with_address


def test_the_database_s_address_leads_to_its_pod(built: Built) -> None:
    service = named(built("base"), "Service", "payment-database", "v1")["spec"]
    template = named(built("base"), "StatefulSet", "payment-postgres")["spec"]["template"]
    assert service["selector"].items() <= template["metadata"]["labels"].items()
    (port,) = service["ports"]
    assert port["port"] == 5432
    assert port["targetPort"] in {p["name"] for p in template["spec"]["containers"][0]["ports"]}


@pytest.mark.parametrize("form", FORMS)
def test_the_job_migrates_as_the_owner_straight_at_the_database(built: Built, form: str) -> None:
    manifests = built(form)
    job = named(manifests, "Job", "payment-migrate")
    steps = containers(job["spec"]["template"])
    commands = [step["command"] for step in steps]
    assert commands[0] == ["python", "-m", "sql.migrate"]
    assert commands[1:] == ([] if form.startswith("overlays/production") else [["python", "-m", "seed.load"]])
    for step in steps:
        keys = {v["name"]: v["valueFrom"]["secretKeyRef"]["key"] for v in step["env"] if "valueFrom" in v}
        assert keys == {
            "DB_USER": "username",
            "DB_PASS": "password",
            "DB_APP_USER": "app-username",
            "DB_APP_PASS": "app-password",
        }
        host = next(v["value"] for v in step["env"] if v["name"] == "DB_HOST")
        assert host == ("payment-postgres-rw" if form.startswith("overlays/production") else "payment-database")
        assert step["image"] == IMAGE
    assert job["metadata"]["annotations"]["payments/template"] == "unset"


@pytest.mark.parametrize("form", FORMS)
def test_deploy_can_name_the_database_role_wherever_it_is_used(built: Built, form: str) -> None:
    for manifest, template in pods(built(form)):
        uses = "app-username" in json.dumps(template)
        named_there = template["metadata"].get("annotations", {}).get("payments/database-role")
        assert named_there == ("unset" if uses else None), manifest["metadata"]["name"]


def test_production_commits_on_a_standby_before_it_answers(built: Built) -> None:
    manifests = built("overlays/production")
    cluster = named(manifests, "Cluster", "payment-postgres")["spec"]
    assert cluster["instances"] == 3
    assert cluster["postgresql"]["synchronous"] == {
        "method": "any",
        "number": 1,
        "dataDurability": "required",
        "failoverQuorum": True,
    }
    assert cluster["bootstrap"]["initdb"]["secret"]["name"] == "payment-database"
    assert named(manifests, "Pooler", "payment-pooler")["spec"]["cluster"]["name"] == "payment-postgres"
    settings = next(m["data"] for m in of_kind(manifests, "ConfigMap") if "DB_HOST" in m["data"])
    assert settings["DB_HOST"] == "payment-pooler"
    assert settings["DB_NAME"] == cluster["bootstrap"]["initdb"]["database"]
    assert not of_kind(manifests, "StatefulSet")
