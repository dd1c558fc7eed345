"""A good request of each function, as it is sent to it; each time a new one."""

import json
import time
import uuid
from collections.abc import Mapping
from contextlib import closing, suppress
from http.client import HTTPConnection
from statistics import median
from typing import NamedTuple

from benchmarks.measured import NotMeasured
from local.ports import HOST

EVENT = {"ce-specversion": "1.0", "ce-source": "/payment-service", "Content-Type": "application/json"}
SUCCEEDED = "com.ridehailing.payment.succeeded.v1"
TRIP_COMPLETED = "com.ridehailing.trip.completed.v1"
CHARGE = {"trip_id": 7, "method": "CARD", "amount": 150.00}


class Request(NamedTuple):
    method: str
    path: str
    headers: Mapping[str, str]
    body: str | None = None


def good(function: str, payment_id: int) -> Request:
    """`payment_id` is of a payment that may be refunded in small parts."""
    keyed = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "application/json"}
    event = EVENT | {"ce-id": str(uuid.uuid4())}
    match function:
        case "create_payment":
            return Request("POST", "/payments", keyed, json.dumps(CHARGE))
        case "create_refund":
            return Request("POST", f"/payments/{payment_id}/refunds", keyed, '{"amount": 0.01}')
        case "get_payment":
            return Request("GET", f"/payments/{payment_id}", {})
        case "notify":
            about = {"ce-type": SUCCEEDED, "ce-subject": f"payments/{payment_id}"}
            return Request("POST", "/", event | about, json.dumps({"payment_id": payment_id}))
        case "sweep":
            return Request("POST", "/", event | {"ce-type": "com.ridehailing.payment.sweep"}, "{}")
        case "charge_trip":
            trip = {"trip_id": uuid.uuid4().int % 900_000_000 + 1, "method": "CARD"}
            return Request("POST", "/", event | {"ce-type": TRIP_COMPLETED}, json.dumps(trip))
        case "reconcile":
            return Request("POST", "/", event | {"ce-type": "dev.knative.sources.ping"}, "{}")
        case "dead_letters":
            return Request("POST", "/", event | {"ce-type": SUCCEEDED, "ce-knativeerrorcode": "422"}, "{}")
        case _:
            return Request("GET", f"/{function}", {})


def ask(connection: HTTPConnection, request: Request) -> bytes:
    """The answer's body. Raises NotMeasured unless it is a success, and OSError."""
    connection.request(request.method, request.path, request.body, dict(request.headers))
    response = connection.getresponse()
    body = response.read()
    if response.status not in (200, 201, 204):
        raise NotMeasured(f"{request.method} {request.path} was answered {response.status}: {body[:200].decode()}")
    return body


def by_turns(sides: Mapping[str, tuple[HTTPConnection, Request]], times: int) -> dict[str, float]:
    """The median milliseconds until the answer of each, asked so many times, one after the other all the time."""
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(times):
        for name, (connection, request) in sides.items():
            began = time.perf_counter()
            ask(connection, request)
            took[name].append(1000 * (time.perf_counter() - began))
    return {name: median(each) for name, each in took.items()}


def wait_until_listening(port: int, patience: float = 10.0) -> None:
    """Until somebody answers there, whatever it is. Raises NotMeasured after so many seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        with suppress(OSError), closing(connection(port)) as asking:
            asking.request("GET", "/healthz")
            asking.getresponse().read()
            return
        time.sleep(0.02)
    raise NotMeasured(f"nobody answers on port {port}")


def connection(port: int) -> HTTPConnection:
    return HTTPConnection(HOST, port, timeout=30)
