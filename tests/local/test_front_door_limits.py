"""What the real Envoy lets one client, and all of them together, take of it."""

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.fakes.issuer import Issuer
from tests.local import http2
from tests.local.doors import HOST, Door, Function, functions, running
from tests.local.test_front_door_access import of

BUCKET = "token_bucket: {max_tokens: 4000, tokens_per_fill: 200, fill_interval: 0.1s}"
PART = b"x" * 65536


@pytest.fixture(scope="module")
def behind() -> Iterator[dict[str, Function]]:
    with functions() as behind:
        yield behind


def closed(connection: socket.socket) -> bytes:
    """What the other side says until it closes the connection."""
    said = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            said += part
    return said


def test_the_whole_service_takes_so_much_and_no_more(tmp_path: Path, behind: dict[str, Function]) -> None:
    changes = {BUCKET: "token_bucket: {max_tokens: 5, tokens_per_fill: 1, fill_interval: 3600s}"}
    with running(tmp_path, behind, changes) as door:
        before = door.passed
        answers = [door.ask("POST", "/v1/payments/", b"{}", X_Correlation_ID="mine") for _ in range(8)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
        assert door.passed == before + 5
        problem = answers[-1].problem()
        assert (problem["code"], problem["instance"], problem["correlation_id"]) == (
            "rate_limited",
            "/payments",
            "mine",
        )
        assert int(answers[-1].headers["retry-after"]) >= 1


def test_the_ceiling_is_above_what_one_front_door_is_asked_in_earnest(
    tmp_path: Path, behind: dict[str, Function]
) -> None:
    with running(tmp_path, behind) as door:
        assert {door.ask("GET", "/health").status for _ in range(200)} == {200}


def test_a_stranger_spends_nothing_of_what_callers_may_ask(tmp_path: Path, behind: dict[str, Function]) -> None:
    changes = {BUCKET: "token_bucket: {max_tokens: 5, tokens_per_fill: 1, fill_interval: 3600s}"}
    with Issuer() as issuer, running(tmp_path, behind, changes, of(issuer)) as door:
        assert {door.ask("GET", "/payments").status for _ in range(20)} == {401}
        known = {"Authorization": f"Bearer {issuer.token()}"}
        assert [door.ask("GET", "/payments", **known).status for _ in range(6)] == [200] * 5 + [429]


def test_a_flood_of_webhooks_spends_nothing_of_what_callers_may_ask(
    tmp_path: Path, behind: dict[str, Function]
) -> None:
    changes = {BUCKET: "token_bucket: {max_tokens: 5, tokens_per_fill: 1, fill_interval: 3600s}"}
    with running(tmp_path, behind, changes) as door:
        asked = [door.ask("POST", "/webhooks/stripe", b"{}") for _ in range(8)]
        assert [each.status for each in asked] == [200] * 5 + [429] * 3
        assert asked[-1].problem()["code"] == "rate_limited"
        assert [door.ask("GET", "/payments").status for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: x\r\n", b"G", http2.PREFACE[:10]])
def test_who_sends_headers_in_drops_is_let_go(tmp_path: Path, behind: dict[str, Function], sent: bytes) -> None:
    changes = {"request_headers_timeout: 10s": "request_headers_timeout: 0.5s", "idle_timeout: 75s": "idle_timeout: 1s"}
    with running(tmp_path, behind, changes) as door, door.connect() as connection:
        began = time.monotonic()
        connection.sendall(sent)
        dropping = threading.Thread(target=_drop, args=(connection, b"X"))
        dropping.start()
        said = closed(connection)
        dropping.join(10)
        assert time.monotonic() - began < 5
        assert not said or b" 408 " in said.partition(b"\r\n")[0] or b" 400 " in said.partition(b"\r\n")[0]


def _drop(connection: socket.socket, drop: bytes) -> None:
    with suppress(OSError):
        for _ in range(100):
            connection.sendall(drop)
            time.sleep(0.05)  # this client's own pace


def test_who_sends_a_body_in_drops_is_told_and_let_go(tmp_path: Path, behind: dict[str, Function]) -> None:
    with running(tmp_path, behind, {"request_timeout: 30s": "request_timeout: 0.5s"}) as door:
        before = door.passed
        with door.connect() as connection:
            connection.sendall(b"POST /payments HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
            dropping = threading.Thread(target=_drop, args=(connection, b"X"))
            dropping.start()
            said = closed(connection)
            dropping.join(10)
        assert b'"code":"request_timeout"' in said
        assert door.passed == before


class Large(socketserver.BaseRequestHandler):
    """Answers without an end, and says when nobody takes it any more."""

    let_go = threading.Event()

    def handle(self) -> None:
        self.request.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nX-Correlation-ID: a\r\nContent-Length: 1000000000\r\n\r\n"
        with suppress(OSError):
            self.request.sendall(head)
            for _ in range(10_000):
                self.request.sendall(PART)
        self.let_go.set()


def test_who_does_not_read_its_answer_holds_no_function(tmp_path: Path, behind: dict[str, Function]) -> None:
    with ExitStack() as ending:
        large = ending.enter_context(socketserver.ThreadingTCPServer((HOST, 0), Large))
        threading.Thread(target=large.serve_forever, args=(0.05,), daemon=True).start()
        ending.callback(large.shutdown)
        port = f'"port_value": {behind["get_payment"].server_port}'
        changes = {
            port: f'"port_value": {large.server_address[1]}',
            "max_stream_duration: 120s": "max_stream_duration: 1s",
        }
        door = ending.enter_context(running(tmp_path, behind, changes))
        connection = ending.enter_context(door.connect())
        connection.sendall(b"GET /payments HTTP/1.1\r\nHost: x\r\n\r\n")
        assert Large.let_go.wait(10)
        closed(connection)


def test_a_crowd_that_asks_nothing_keeps_others_out_for_a_while_only(
    tmp_path: Path, behind: dict[str, Function]
) -> None:
    changes = {'"max_active_downstream_connections": 4096': '"max_active_downstream_connections": 20'}
    with running(tmp_path, behind, {**changes, "idle_timeout: 75s": "idle_timeout: 2s"}) as door, ExitStack() as ending:
        crowd = [ending.enter_context(door.connect()) for _ in range(30)]
        with pytest.raises(OSError, match=r".*"):
            door.ask("GET", "/health")
        for connection in crowd:
            closed(connection)
        _answers(door)


def _answers(door: Door) -> None:
    deadline = time.monotonic() + 10
    while True:
        with suppress(OSError):
            assert door.ask("GET", "/health").status == 200
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_connection_has_its_time(tmp_path: Path, behind: dict[str, Function]) -> None:
    """Else whoever once found a front door would stay with it, however many are added."""
    with running(tmp_path, behind, {"max_connection_duration: 600s": "max_connection_duration: 1s"}) as door:
        with door.connect() as connection:
            began = time.monotonic()
            closed(connection)
            assert 0.5 < time.monotonic() - began < 8
        assert door.ask("GET", "/health").status == 200


def test_who_resets_streams_as_fast_as_it_opens_them_is_let_go(tmp_path: Path, behind: dict[str, Function]) -> None:
    """CVE-2023-44487."""
    with running(tmp_path, behind) as door:
        with door.connect() as connection:
            http2.begin(connection)
            said: list[bytes] = []
            reading = threading.Thread(target=lambda: said.append(closed(connection)))
            reading.start()
            sent = 0
            with suppress(OSError):
                for stream in range(1, 100_000, 2):
                    connection.sendall(http2.request(stream, "GET", "/payments/slow") + http2.reset(stream))
                    sent += 1
            reading.join(10)
            assert not reading.is_alive()
            assert sent < 40_000
        assert door.ask("GET", "/health").status == 200


def test_http_2_is_no_way_around_the_tokens(tmp_path: Path, behind: dict[str, Function]) -> None:
    with Issuer() as issuer, running(tmp_path, behind, settings=of(issuer)) as door, door.connect() as connection:
        before = door.passed
        http2.begin(connection)
        told = {}
        for stream, (method, path) in enumerate(
            [("GET", "/payments"), ("POST", "/payments"), ("GET", "/health"), ("GET", "/x")]
        ):
            connection.sendall(http2.request(2 * stream + 1, method, path))
            told[method, path] = json.loads(http2.body_of(connection, 2 * stream + 1))
        assert told.pop(("GET", "/health"))["function"] == "health"
        assert {problem["code"] for problem in told.values()} == {"unauthorized"}
        assert door.passed == before + 1


@pytest.mark.parametrize("name", ["X-Caller-Address", "X_Caller_Address", "X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_a_client_does_not_choose_its_address(tmp_path: Path, behind: dict[str, Function], name: str) -> None:
    with running(tmp_path, behind) as door:
        sent = f"GET /health HTTP/1.1\r\nHost: x\r\n{name}: 203.0.113.9\r\n{name}: 203.0.113.10\r\n\r\n"
        seen = json.loads(door.raw(sent.encode()).body)["headers"]
        assert seen["x-caller-address"] == HOST
        assert "x_caller_address" not in seen
