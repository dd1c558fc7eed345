"""Each function called on its own port, without the front door."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from tests.e2e.client import Client, new_key, new_trip, parse, problem_of, raw
from tests.e2e.service import Service, await_that

PING = "dev.knative.sources.ping"
EVENT = {
    "ce-specversion": "1.0",
    "ce-type": "com.ridehailing.payment.succeeded.v1",
    "ce-source": "/payment-service",
    "ce-id": "PAY-20261122-DIRECT.succeeded",
    "ce-subject": "payments/1",
    "ce-time": "2026-11-22T12:00:00Z",
    "Content-Type": "application/json",
}


def event_of(service: Service) -> dict[str, str]:
    token = (service.folder / ".data" / "run" / "event-token").read_text(encoding="ascii")
    return EVENT | {"Authorization": f"Bearer {token}"}


@pytest.fixture
def event(service: Service) -> dict[str, str]:
    """The headers of an event of ours, from whoever this start gave its token to."""
    return event_of(service)


@pytest.fixture(scope="session", autouse=True)
def reconciled(service: Service) -> Iterator["Future[urllib3.BaseHTTPResponse]"]:
    """What a clock's event to reconcile comes to, which takes half a minute, since the gateway does not answer: beside the
    other tests, of this file and of those after it."""
    url, headers = f"http://127.0.0.1:{service.port_of('reconcile')}", event_of(service) | {"ce-type": PING}
    with ThreadPoolExecutor(1) as asking:
        yield asking.submit(
            urllib3.request, "POST", url, body=b"{}", headers=headers, retries=False, timeout=55, preload_content=True
        )


@pytest.fixture
def direct(service: Service) -> Callable[[str], Client]:
    return lambda function: Client(service.port_of(function))


@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_every_operation_works_when_its_function_is_called_directly(direct: Any, prefix: str) -> None:
    payment = direct("create_payment").pay(prefix=prefix).json
    assert direct("create_refund").refund(payment["payment_id"], prefix=prefix, amount=50).status == 201
    assert direct("get_payment").get(f"{prefix}/payments/{payment['payment_id']}").json["refunded_amount"] == 50
    assert direct("health").get(f"{prefix}/health").json["status"] == "UP"
    assert direct("metrics").get(f"{prefix}/metrics").json["payments_by_status"]["SUCCESS"] > 0


@pytest.mark.parametrize(
    "function",
    ["create_payment", "create_refund", "get_payment", "metrics", "notify", "sweep", "charge_trip", "reconcile"],
)
def test_a_function_answers_its_own_paths_only(direct: Any, event: dict[str, str], function: str) -> None:
    direct(function).call("GET", "/health", None, event).problem(404, "not_found")
    assert direct(function).get("/healthz").json == {"status": "UP"}


def test_sweep_takes_an_event_from_a_clock(direct: Any, event: dict[str, str]) -> None:
    answer = direct("sweep").call("POST", "/", b"{}", event | {"ce-type": PING})
    assert (answer.status, answer.body) == (204, b"")
    direct("sweep").call("GET", "/", None, event).problem(405, "method_not_allowed")


def complete(service: Service, trip_id: int, body: bytes) -> tuple[int, Any]:
    """Has the stand-in for the Trip Service end a trip; what it says."""
    address = (service.folder / ".data" / "run" / "trip-service").read_text(encoding="ascii").strip()
    with urllib.request.urlopen(f"{address}/trips/{trip_id}/complete", body) as answer:
        return answer.status, json.load(answer)


def test_a_trip_that_the_stand_in_ends_is_paid_once(service: Service, client: Client) -> None:
    paid = [complete(service, 998_000_777, b'{"method": "UPI", "via": "http"}') for _ in range(2)]
    assert paid[0] == paid[1]
    status, payment = paid[0]
    assert (status, payment["trip_id"], payment["method"], payment["status"]) == (201, 998_000_777, "UPI", "SUCCESS")
    assert client.get(f"/payments/{payment['payment_id']}").json == payment


def test_a_trip_that_the_stand_in_ends_charges_by_itself_once(service: Service, client: Client) -> None:
    for _ in range(2):
        status, said = complete(service, 998_000_778, b'{"method": "WALLET"}')
        assert (status, said["answered"], said["said"]) == (200, 204, "")
    (payment,) = client.get("/payments?trip_id=998000778").json["data"]
    assert (payment["method"], payment["status"], payment["fare"]["total"]) == ("WALLET", "SUCCESS", payment["amount"])


@pytest.mark.parametrize("function", ["notify", "sweep", "charge_trip", "reconcile"])
def test_an_event_of_a_stranger_is_taken_by_nobody(direct: Any, function: str) -> None:
    direct(function).call("POST", "/", {"payment_id": 1}, EVENT).problem(401, "unauthorized")


def test_notify_tells_the_notification_service_once_and_refuses_what_is_no_event_of_ours(
    service: Service, direct: Any, event: dict[str, str]
) -> None:
    answers = [direct("notify").call("POST", "/", {"payment_id": 1}, event) for _ in range(2)]
    assert [(answer.status, answer.body) for answer in answers] == [(204, b"")] * 2
    (stand_in,) = service.processes("local.notification_service")
    with urllib.request.urlopen(f"http://127.0.0.1:{stand_in.environ()['PORT']}/v1/notifications") as shown:
        assert shown.read().count(EVENT["ce-id"].encode()) >= 1
    port = service.port_of("notify")
    for broken in (b"", b"Ce-Id: 1\r\nCe-Type: x\r\nCe-Source: y\r\nCe-Specversion: 1.0\r\n"):
        token = f"Authorization: {event['Authorization']}\r\n".encode()
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" + token + broken + b"\r\n{}"
        assert parse(raw(port, head)).status == 400


def test_a_body_of_many_mib_is_refused_without_being_kept(direct: Any) -> None:
    def endless() -> Any:
        for _ in range(12):
            yield b" " * 65536

    answer = direct("create_payment").call("POST", "/payments", endless(), {"Idempotency-Key": new_key()})
    answer.problem(413, "payload_too_large")


def test_a_client_that_goes_away_in_the_middle_of_its_body_is_no_failure_of_ours(service: Service) -> None:
    head = b"POST /payments HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: gone-away\r\nContent-Length: 100\r\n\r\n{"
    came = raw(service.port_of("create_payment"), head, half_close=True)
    if came:
        problem_of(parse(came))
    await_that(lambda: "gone-away" in service.logs()["create_payment"], "the request is logged")
    lines = [line for line in service.log_lines("create_payment") if line["correlation_id"] == "gone-away"]
    assert [line["level"] for line in lines] == ["INFO"]
    assert lines[0]["status"] == 400


@pytest.mark.parametrize("function", ["create_payment", "notify"])
def test_a_body_in_chunks_that_are_none_is_a_bad_request(
    service: Service, event: dict[str, str], function: str
) -> None:
    headers = b"Ce-Id: 1\r\nCe-Type: x\r\nCe-Source: y\r\nCe-Specversion: 1.0\r\nIdempotency-Key: k\r\n"
    headers += f"Authorization: {event['Authorization']}\r\n".encode()
    path = b"/payments" if function == "create_payment" else b"/"
    head = b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + headers
    assert parse(raw(service.port_of(function), head + b"\r\nzz\r\n{}\r\n0\r\n\r\n")).status == 400


def test_a_function_alone_charges_as_exactly_as_behind_the_front_door(direct: Any, client: Client) -> None:
    key, trip_id = new_key(), new_trip()
    first = client.pay(key, trip_id=trip_id)
    again = direct("create_payment").pay(key, trip_id=trip_id)
    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (201, first.body, "true")


def test_reconcile_takes_an_event_from_a_clock_and_is_not_done_while_a_gateway_gives_no_books(
    reconciled: "Future[urllib3.BaseHTTPResponse]",
) -> None:
    answer = reconciled.result()
    assert (answer.status, answer.data) == (503, b"not done yet: the next call goes on")
    assert int(answer.headers["Retry-After"]) > 0
