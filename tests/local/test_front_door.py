"""The real Envoy with the real route table, in front of stubs that say which function they are."""

import json
import re
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from local import front_door
from local.ports import free, pick
from tests.local.doors import HOST, Answer, Door, Function, Stub

# Retries and time-outs shorter than the real ones, so that a fault costs no second of waiting.
SHORT = {"timeout: 35s": "timeout: 3s", "num_retries: 16": "num_retries: 2"}
READ = ("GET", "HEAD")
OTHER = ("PUT", "PATCH", "DELETE", "OPTIONS")
TABLE = [
    *[("POST", "/payments", "create_payment"), ("POST", "/payments/7/refunds", "create_refund")],
    *[("POST", "/webhooks/stripe", "gateway_webhook"), ("POST", "/webhooks/stripe/", "gateway_webhook")],
    *[("GET", "/webhooks/stripe", "health"), ("POST", "/webhooks", "health"), ("POST", "/webhooks/a/b", "health")],
    *[(method, "/payments", "get_payment") for method in READ],
    *[(method, "/payments?limit=2&cursor=%2Fa", "get_payment") for method in READ],
    *[(method, "/payments/7", "get_payment") for method in READ],
    *[(method, "/payments/not-a-number", "get_payment") for method in READ],
    *[(method, "/payments/7/refunds", "get_payment") for method in READ],
    *[(method, "/payments/7/receipt", "get_payment") for method in READ],
    *[(method, "/payments/7/events", "get_payment") for method in READ],
    *[(method, "/ledger/balances?currency=INR", "get_payment") for method in READ],
    *[("GET", path, "get_payment") for path in ("/ledger/drivers", "/ledger/drivers/drv-17")],
    *[("GET", path, "health") for path in ("/ledger", "/ledger/drivers/a/b")],
    *[(method, "/metrics", "metrics") for method in READ],
    *[(method, "/metrics/prometheus", "metrics") for method in READ],
    *[(method, "/health", "health") for method in (*READ, "POST")],
    # A slash at a path's end changes nothing.
    *[("POST", "/payments/", "create_payment"), ("POST", "/payments/7/refunds/", "create_refund")],
    *[
        ("GET", path, "get_payment")
        for path in ("/payments/", "/payments/?limit=2", "/payments/7/", "/payments/7/refunds/")
    ],
    *[("GET", path, "get_payment") for path in ("/payments/7/receipt/",)],
    *[("GET", path, "metrics") for path in ("/metrics/", "/metrics/prometheus/")],
    *[
        ("GET", path, "health")
        for path in ("/health/", "/openapi.json/", "/metrics//", "/payments/7//", "/payments/7/refunds//")
    ],
    *[
        ("GET", path, "health")
        for path in ("/", "/openapi.json", "/docs", "/healthz", "/sweep", "/notify", "/nothing", "/payments//")
    ],
    *[
        ("POST", path, "health")
        for path in ("/", "/payments/7", "/payments/7/receipt", "/metrics", "/payments//refunds")
    ],
    *[("GET", path, "health") for path in ("/payments/7/other", "/payments/7/refunds/1", "/Payments", "/v2/payments")],
    *[(method, "/payments", "health") for method in OTHER],
]


@contextmanager
def opened(changes: dict[str, str]) -> Iterator[Door]:
    """A front door with these changes of its listener, before functions that say who they are."""
    functions = {
        name: Function(name) for name in ("create_payment", "gateway_webhook", "get_payment", "health", "metrics")
    }
    ports = {name: function.server_port for name, function in functions.items()}
    with tempfile.TemporaryDirectory() as folder:
        port, nobody = pick(2)
        bootstrap = front_door.write(Path(folder), port, {**ports, "create_refund": nobody}, changes)
        log = Path(folder) / "log"
        with log.open("wb") as output:
            envoy = subprocess.Popen(front_door.command(bootstrap), stdout=output)
        try:
            while free(port):
                with pytest.raises(subprocess.TimeoutExpired):
                    envoy.wait(0.02)
            yield Door(port, functions, log)
        finally:
            envoy.terminate()
            envoy.wait(20)
            for function in functions.values():
                function.released.set()
                function.shutdown()
                function.server_close()


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with opened(SHORT) as door:
        yield door


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize(("method", "path", "function"), [row for row in TABLE if row[2] != "create_refund"])
def test_every_row_of_the_route_table(door: Door, method: str, path: str, function: str, prefix: str) -> None:
    answer = door.ask(method, prefix + path)
    assert answer.status == 200
    assert answer.headers["x-function"] == function
    if method != "HEAD":
        assert json.loads(answer.body)["path"] == prefix + path


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_function_that_is_not_there_is_a_503_that_asks_for_patience(door: Door, prefix: str, slash: str) -> None:
    answer = door.ask("POST", f"{prefix}/payments/7/refunds{slash}", b"{}", X_Correlation_ID="mine-1")
    problem = answer.problem()
    assert (answer.status, problem["code"]) == (503, "service_unavailable")
    assert problem["correlation_id"] == "mine-1"
    assert problem["instance"] == "/payments/7/refunds"
    assert int(answer.headers["retry-after"]) >= 1


def test_a_function_that_is_started_again_costs_no_error(door: Door) -> None:
    port = pick(1)[0]
    with tempfile.TemporaryDirectory() as folder:
        ports = dict.fromkeys(
            ("create_payment", "create_refund", "gateway_webhook", "get_payment", "health", "metrics"), port
        )
        listening = pick(1)[0]
        envoy = subprocess.Popen(
            front_door.command(front_door.write(Path(folder), listening, ports)), stdout=subprocess.DEVNULL
        )
        try:
            while free(listening):
                time.sleep(0.02)
            answers: list[Answer] = []
            other = Door(listening, {}, Path(folder))
            asking = threading.Thread(target=lambda: answers.append(other.ask("POST", "/payments", b"{}")))
            asking.start()
            asking.join(0.5)
            assert not answers
            with ThreadingHTTPServer((HOST, port), Stub) as late:
                late.name, late.requests = "late", 0  # type: ignore[attr-defined]
                threading.Thread(target=late.serve_forever, daemon=True).start()
                asking.join(20)
                late.shutdown()
            assert [answer.status for answer in answers] == [200]
        finally:
            envoy.terminate()
            envoy.wait(20)


def test_a_body_of_64_kib_passes_and_one_byte_more_does_not(door: Door) -> None:
    passed = door.ask("POST", "/payments", b"x" * 65536)
    assert (passed.status, json.loads(passed.body)["size"]) == (200, 65536)
    before = door.functions["create_payment"].requests
    refused = door.ask("POST", "/v1/payments", b"x" * 65537)
    assert (refused.status, refused.problem()["code"]) == (413, "payload_too_large")
    assert refused.problem()["instance"] == "/payments"
    assert door.functions["create_payment"].requests == before


def test_a_body_without_a_length_is_limited_too(door: Door) -> None:
    chunk = b"2000\r\n" + b"x" * 8192 + b"\r\n"
    head = b"POST /payments HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    passed = door.raw(head + chunk * 8 + b"0\r\n\r\n")
    assert json.loads(passed.body)["size"] == 65536
    refused = door.raw(head + chunk * 8 + b"1\r\nx\r\n")
    assert refused.problem()["code"] == "payload_too_large"


def test_a_slow_function_is_a_504(door: Door) -> None:
    answer = door.ask("POST", "/slow", b"{}")
    assert (answer.status, answer.problem()["code"]) == (504, "gateway_timeout")
    assert int(answer.headers["retry-after"]) >= 1


def test_an_answer_that_is_not_http_is_a_502(door: Door) -> None:
    answer = door.ask("POST", "/nonsense", b"{}")
    assert (answer.status, answer.problem()["code"]) == (502, "bad_gateway")
    assert int(answer.headers["retry-after"]) >= 1


def test_what_a_function_may_have_seen_is_asked_again_only_when_it_reads(door: Door) -> None:
    health = door.functions["health"]
    health.requests = 0
    refused = door.ask("POST", "/lost", b"{}")
    assert (refused.status, refused.problem()["code"], health.requests) == (503, "service_unavailable", 1)
    health.requests = 0
    assert (door.ask("GET", "/lost").status, health.requests) == (200, 3)


def test_an_error_of_a_function_passes_as_it_is(door: Door) -> None:
    answer = door.ask("GET", "/failing")
    assert answer.status == 503
    assert json.loads(answer.body)["function"] == "health"
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("sent", ["", "a" * 129, "with space", "semi;colon", "é"])
def test_a_correlation_id_that_is_none_is_replaced(door: Door, sent: str) -> None:
    answer = door.ask("GET", "/health", X_Correlation_ID=sent, X_Request_ID="chosen-by-the-client")
    made = json.loads(answer.body)["headers"]["x-correlation-id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made)
    assert answer.headers["x-correlation-id"] == made


@pytest.mark.parametrize("sent", ["a", "A.b_c-9", "a" * 128])
def test_a_good_correlation_id_is_kept(door: Door, sent: str) -> None:
    assert json.loads(door.ask("GET", "/health", X_Correlation_ID=sent).body)["headers"]["x-correlation-id"] == sent


def test_a_long_address_is_a_414_and_long_headers_are_a_431(door: Door) -> None:
    assert door.ask("GET", "/" + "a" * 3999).status == 200
    long = door.ask("GET", "/payments?cursor=" + "a" * 4000, X_Correlation_ID="mine-2")
    assert (long.status, long.problem()["code"]) == (414, "uri_too_long")
    assert (long.problem()["correlation_id"], long.problem()["instance"]) == ("mine-2", "/payments")
    for answer in (
        door.raw(b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
        door.raw(b"GET / HTTP/1.1\r\nHost: x\r\nLong: " + b"a" * 8200 + b"\r\n\r\n"),
        door.raw(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n"),
    ):
        assert (answer.status, answer.problem()["code"]) == (431, "request_headers_too_large")


@pytest.mark.parametrize(
    "request_", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n"]
)
def test_what_is_not_http_is_a_400(door: Door, request_: bytes) -> None:
    answer = door.raw(request_)
    assert (answer.status, answer.problem()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["/payments/7%2Frefunds", "/payments/7%5crefunds"])
def test_an_encoded_slash_is_refused(door: Door, path: str) -> None:
    answer = door.ask("POST", path, b"{}", X_Correlation_ID="mine-3")
    assert (answer.status, answer.problem()["instance"], answer.problem()["correlation_id"]) == (400, path, "mine-3")


def test_a_key_that_is_given_twice_is_refused(door: Door) -> None:
    answer = door.raw(
        b"POST /payments HTTP/1.1\r\nHost: h\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 0\r\n\r\n"
    )
    assert answer.status == 400
    assert "Idempotency-Key" in answer.problem()["detail"]


def test_a_path_with_dots_means_what_it_leads_to(door: Door) -> None:
    assert door.ask("GET", "/health/../payments/7").headers["x-function"] == "get_payment"
    assert door.ask("GET", "/payments/%2e%2e/health").headers["x-function"] == "health"


def test_a_client_cannot_shorten_a_time_out_or_have_a_request_repeated(door: Door) -> None:
    told = {"X_Envoy_Upstream_Rq_Timeout_Ms": "1", "X_Envoy_Retry_On": "5xx", "X_Envoy_Max_Retries": "5"}
    health = door.functions["health"]
    health.requests = 0
    answer = door.ask("POST", "/failing", b"{}", **told)
    assert (answer.status, health.requests) == (503, 1)
    assert not [name for name in answer.headers if "envoy" in name]


def test_a_function_is_told_who_asks_whatever_the_client_claims(door: Door) -> None:
    seen = json.loads(door.ask("GET", "/health", X_Caller_Address="203.0.113.9").body)["headers"]
    assert seen["x-caller-address"] == HOST


def test_the_log_is_json_and_has_no_query(door: Door) -> None:
    door.ask("GET", "/payments/7?secret=1", X_Correlation_ID="logged")
    deadline = time.monotonic() + 10
    while not (lines := [line for line in door.log.read_text().splitlines() if "logged" in line]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    line = json.loads(lines[0])
    wanted = {
        "method": "GET",
        "path": "/payments/7",
        "status": 200,
        "correlation_id": "logged",
        "upstream": "get_payment",
    }
    assert wanted.items() <= line.items()
    assert line["duration_ms"] >= 0
    assert "secret" not in lines[0]
