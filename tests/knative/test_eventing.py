"""Events: through the Broker where there is one, straight to notify where there is none."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from local.timer import PATIENCE
from shared.events.delivery import DELIVERY_TIMEOUT
from shared.events.event import TRIP_COMPLETED
from shared.sweeping.sweep import LATEST, LONGEST, STRAGGLERS
from tests.knative.conftest import ROOT
from tests.knative.manifests import named, of_kind, operations

Manifest = dict[str, Any]
Built = Callable[[str], list[Manifest]]

# Seconds.
COLD_START = 4.0  # with a tenth of a core (every-function.yaml)
FROM_ZERO = 1.4  # measured on a cluster of two cores, the platform's share included
CALL = 0.2  # of a function that is awake
A_PAGE = 10.0  # GATEWAY_TIMEOUT, as it is set


@pytest.mark.parametrize("form", ["base+eventing", "overlays/minikube", "overlays/production"])
def test_events_go_through_the_broker_to_notify_and_what_it_refuses_to_dead_letters(built: Built, form: str) -> None:
    manifests = built(form)
    broker = named(manifests, "Broker", "payment-events")
    assert broker["metadata"]["annotations"]["eventing.knative.dev/broker.class"] == "MTChannelBasedBroker"
    settings = next(m["data"] for m in of_kind(manifests, "ConfigMap") if "K_SINK" in m["data"])
    assert settings["K_SINK"] == "http://broker-ingress.knative-eventing.svc.cluster.local/payments/payment-events"
    trigger = named(manifests, "Trigger", "notify-of-payments")
    assert trigger["spec"]["broker"] == "payment-events"
    assert trigger["spec"]["subscriber"]["ref"]["name"] == "notify"
    source = re.search(r'"(/payment-service)"', (ROOT / "shared/events/event.py").read_text(encoding="utf-8"))
    assert source, "the source that the events carry"
    assert trigger["spec"]["filter"]["attributes"] == {"source": source[1]}
    for delivery in (broker["spec"]["delivery"], trigger["spec"]["delivery"]):
        assert delivery["deadLetterSink"]["ref"]["name"] == "dead-letters"
    assert named(manifests, "PingSource", "sweep-clock")["spec"]["sink"]["ref"]["name"] == "sweep"
    assert not of_kind(manifests, "CronJob")


@pytest.mark.parametrize("form", ["base+eventing", "overlays/minikube", "overlays/production"])
def test_completed_trips_go_through_the_broker_to_charge_trip_and_what_it_refuses_to_dead_letters(
    built: Built, form: str
) -> None:
    spec = named(built(form), "Trigger", "charge-of-trips")["spec"]
    assert (spec["broker"], spec["subscriber"]["ref"]["name"]) == ("payment-events", "charge-trip")
    assert spec["filter"]["attributes"] == {"type": TRIP_COMPLETED}
    delivery = spec["delivery"]
    assert delivery["deadLetterSink"]["ref"]["name"] == "dead-letters"
    assert (delivery["retry"], delivery["backoffPolicy"], delivery["backoffDelay"]) == (3, "exponential", "PT1S")
    assert "timeout" not in delivery, "a gateway may take as long as charge_trip waits for it"


@pytest.mark.parametrize("form", ["base", "base+eventing", "overlays/minikube", "overlays/production"])
def test_reconcile_is_called_every_ten_minutes_of_the_early_morning_where_the_settlement_is(
    built: Built, form: str
) -> None:
    manifests = built(form)
    zone = next(m["data"] for m in of_kind(manifests, "ConfigMap") if "K_SINK" in m["data"])["TIME_ZONE"]
    if of_kind(manifests, "Broker"):
        clock = named(manifests, "PingSource", "reconcile-clock")["spec"]
        assert (clock["schedule"], clock["timezone"]) == ("*/10 2-4 * * *", zone)
        assert clock["sink"]["ref"]["name"] == "reconcile"
        return
    timer = named(manifests, "CronJob", "payment-reconcile-timer")["spec"]
    assert (timer["schedule"], timer["timeZone"], timer["concurrencyPolicy"]) == ("*/10 2-4 * * *", zone, "Forbid")
    (container,) = timer["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (of_sweep,) = named(manifests, "CronJob", "payment-sweep-timer")["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ]
    where = [{"name": "FUNCTION_URL", "value": "http://reconcile.payments.svc.cluster.local/"}]
    assert container == of_sweep | {"env": where}


def test_a_call_of_reconcile_ends_before_whoever_calls_gives_up() -> None:
    """What it has begun when its time is over is a page of the gateway's, and its rows."""
    longest = re.search(r"^LONGEST = ([0-9.]+)$", (ROOT / "functions/reconcile/main.py").read_text("utf-8"), re.M)
    assert longest
    assert float(longest[1]) + A_PAGE + COLD_START < PATIENCE


@pytest.mark.parametrize("form", ["base+eventing", "overlays/minikube", "overlays/production"])
def test_the_broker_comes_to_an_end_with_both_functions_before_its_publisher_gives_up(built: Built, form: str) -> None:
    """It is synchronous: what comes after the publisher's time-out is cut off, and keeps the event from dead-letters."""
    manifests = built(form)
    delivered = [named(manifests, "Broker", "payment-events"), named(manifests, "Trigger", "notify-of-payments")]
    for delivery in (each["spec"]["delivery"] for each in delivered):
        assert delivery["backoffPolicy"] == "exponential"
        retries, first = delivery["retry"], re.fullmatch(r"PT(\d\.\d)S", delivery["backoffDelay"])
        assert first, "Knative rounds a period to tenths of a second"
        # It waits for the first pause times 1, 2, 4, ... and repeats its call of dead-letters as that of notify.
        pauses = float(first[1]) * (2**retries - 1)
        one_function = FROM_ZERO + pauses + (retries + 1) * CALL
        assert 2 * one_function < DELIVERY_TIMEOUT - 0.5
        assert "timeout" not in delivery, "a Notification Service may take as long as notify waits for it"


@pytest.mark.parametrize("form", ["base+eventing", "overlays/minikube", "overlays/production"])
def test_dead_letters_is_a_function_like_any_other_with_one_connection(built: Built, form: str) -> None:
    found = operations(built(form))
    ours, other = (found[name]["spec"]["template"] for name in ("dead_letters", "sweep"))
    (container,), (container_of_other,) = (template["spec"]["containers"] for template in (ours, other))
    own: Manifest = {"containers": [], "env": []}
    assert ours["spec"] | own == other["spec"] | own
    assert container | own == container_of_other | own
    assert ours["metadata"]["labels"] == other["metadata"]["labels"]
    assert found["dead_letters"]["metadata"]["labels"] == found["sweep"]["metadata"]["labels"]
    assert {"name": "DB_POOL_SIZE", "value": "1"} in container["env"]
    scaling = ours["metadata"]["annotations"]
    assert (scaling["autoscaling.knative.dev/max-scale"], scaling["autoscaling.knative.dev/window"]) == ("1", "6s")
    assert (ROOT / "functions" / "dead_letters" / "main.py").exists()


def test_without_eventing_events_go_straight_to_notify_and_a_cron_job_calls_sweep(built: Built) -> None:
    manifests = built("base")
    settings = next(m["data"] for m in of_kind(manifests, "ConfigMap") if "K_SINK" in m["data"])
    assert settings["K_SINK"] == "http://notify.payments.svc.cluster.local"
    timer = named(manifests, "CronJob", "payment-sweep-timer")
    (container,) = timer["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "local.timer", "--once"]
    assert container["env"] == [{"name": "FUNCTION_URL", "value": "http://sweep.payments.svc.cluster.local/"}]
    assert not {m["apiVersion"].split("/")[0] for m in manifests} & {"eventing.knative.dev", "sources.knative.dev"}


def test_whoever_calls_sweep_waits_for_its_answer_and_not_into_the_next_minute(built: Built) -> None:
    manifests = built("base")
    timer = named(manifests, "CronJob", "payment-sweep-timer")["spec"]
    job = timer["jobTemplate"]["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert container["command"] == ["python", "-m", "local.timer", "--once"]
    sweep = named(manifests, "Service", "sweep", "serving.knative.dev/v1")["spec"]["template"]["spec"]
    assert LATEST + COLD_START < PATIENCE < job["activeDeadlineSeconds"] < 60
    assert sweep["timeoutSeconds"] > LATEST + COLD_START
    assert LONGEST + STRAGGLERS < LATEST
    assert (timer["schedule"], timer["concurrencyPolicy"]) == ("* * * * *", "Forbid")


def test_the_minikube_overlay_brings_the_neighbours_that_the_settings_name(built: Built) -> None:
    manifests = built("overlays/minikube")
    settings = next(m["data"] for m in of_kind(manifests, "ConfigMap") if "K_SINK" in m["data"])
    for setting in (f"{name}_SERVICE_URL" for name in ("TRIP", "RIDER", "DRIVER", "NOTIFICATION")):
        host, port = re.fullmatch(r"http://([a-z-]+):(\d+)", settings[setting]).groups()  # type: ignore[union-attr]
        service = named(manifests, "Service", host, "v1")
        assert service["spec"]["ports"][0]["port"] == int(port)
        (container,) = named(manifests, "Deployment", host)["spec"]["template"]["spec"]["containers"]
        assert {"name": "PORT", "value": port} in container["env"]
        assert {"name": "LISTEN_ON", "value": "0.0.0.0"} in container["env"]  # noqa: S104 - in a pod
        assert container["command"] == ["python", "-m", f"local.{host.replace('-', '_')}"]
        assert (ROOT / "local" / f"{host.replace('-', '_')}.py").exists()
