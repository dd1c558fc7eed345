"""The logs, after everything else has been sent: JSON lines with a correlation id, and none of what must stay secret."""

import re
from datetime import datetime

import pytest

from tests.e2e.client import SENT_SECRETS, Client, new_key, new_trip
from tests.e2e.service import Service, await_that

FUNCTIONS = [
    *(
        "create_payment",
        "create_refund",
        "gateway_webhook",
        "get_payment",
        "health",
        "metrics",
        "console",
        "notify",
        "sweep",
        "charge_trip",
        "reconcile",
    )
]


@pytest.fixture(autouse=True, scope="module")
def asked(service: Service) -> None:
    """Every function has something to log, also when these tests run alone."""
    client = Client(service.port)
    client.refund(client.pay().json["payment_id"])
    for path in ("/payments/1", "/health", "/metrics", "/console", "/nowhere"):
        client.get(path)
    for function in ("gateway_webhook", "charge_trip", "reconcile"):
        Client(service.port_of(function)).get("/nowhere")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_line_of_a_function_is_one_json_object_with_what_the_contract_names(
    service: Service, function: str
) -> None:
    await_that(lambda: bool(service.logs().get(function)), f"{function} logs something")
    for line in service.log_lines(function):
        assert datetime.fromisoformat(line["timestamp"]).utcoffset() is not None
        assert line["level"] in ("INFO", "WARNING", "ERROR")
        assert line["message"]
        assert line["function"] == function
        assert "correlation_id" in line


def test_every_line_of_every_process_is_json_too(service: Service) -> None:
    assert {"postgres", "supervisor", "front_door", *FUNCTIONS} <= set(service.logs())
    for process in service.logs():
        for line in service.log_lines(process):
            assert {"timestamp", "level", "message", "correlation_id", "function"} <= set(line), process


def test_no_request_made_a_function_fail_in_a_way_that_was_not_foreseen(service: Service) -> None:
    for function in FUNCTIONS:
        lines = service.log_lines(function)
        assert [line for line in lines if line["message"] == "unexpected failure" or line.get("status") == 500] == []


def test_one_line_for_each_request_under_its_correlation_id(service: Service, client: Client) -> None:
    headers = {"X-Correlation-ID": "in-the-log", "Idempotency-Key": new_key()}
    body = {"trip_id": new_trip(), "method": "CARD", "amount": 1, "metadata": {"simulate": "timeout"}}
    payment_id = client.call("POST", "/v1/payments", body, headers).json["payment_id"]

    def lines() -> list[dict[str, object]]:
        return [line for line in service.log_lines("create_payment") if line["correlation_id"] == "in-the-log"]

    await_that(lambda: any(line["message"] == "request" for line in lines()), "the request is logged")
    (request,) = (line for line in lines() if line["message"] == "request")
    assert {
        "method": "POST",
        "path": "/v1/payments",
        "status": 202,
        "payment_id": payment_id,
        "level": "INFO",
    }.items() <= (request.items())
    assert isinstance(request["duration_ms"], float)


def test_no_key_token_or_body_is_in_any_log(service: Service, client: Client) -> None:
    body = {
        "trip_id": new_trip(),
        "method": "CARD",
        "amount": 4321.09,
        "payment_token": "s3cr3t-tok-1",
        "metadata": {"s3cr3t-name": "s3cr3t-note", "reason": "s3cr3t-reason"},
    }
    key = new_key()
    payment_id = client.call("POST", "/payments", body, {"Idempotency-Key": key}).json["payment_id"]
    client.refund(payment_id, metadata={"reason": "s3cr3t-reason"})
    client.call("POST", "/payments", body | {"amount": 4321.08}, {"Idempotency-Key": key})
    client.call("POST", "/payments", b'{"s3cr3t-broken', {"Idempotency-Key": "s3cr3t key"})
    client.call("POST", "/payments", body | {"method": "s3cr3t-method"}, {"Idempotency-Key": key})
    client.call(
        "POST", "/payments?token=s3cr3t-query", body, {"Idempotency-Key": key, "Authorization": "Bearer s3cr3t-bearer"}
    )
    marker = {"X-Correlation-ID": "last-of-the-secrets"}
    client.call("POST", "/payments", body, {"Idempotency-Key": key} | marker)
    await_that(lambda: marker["X-Correlation-ID"] in service.logs()["create_payment"], "the last request is logged")
    assert len(SENT_SECRETS) > 2
    for name, text in service.logs().items():
        assert not re.findall(r".{0,80}s3cr3t.{0,40}", text), name
        assert "4321.09" not in text, name


def test_the_start_says_where_the_service_is_and_how_to_try_it(service: Service) -> None:
    assert f"http://localhost:{service.port}" in service.summary
    assert len(re.findall(r"^ +curl ", service.summary, re.MULTILINE)) == 3
