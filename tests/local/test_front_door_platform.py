"""What stands between the front door and a function (Kourier, activator, queue-proxy) answers in words of its own: no client
sees them, and what a function says passes byte for byte."""

import gzip
import http.client
import json
import re
import socketserver
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from local import front_door
from local.ports import free, pick
from tests.local.doors import HOST, Answer, Door

TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"
RESET = b"upstream connect error or disconnect/reset before headers. reset reason: connection termination"
WORDS = b"context deadline exceeded: http://10.0.0.7:8012\n"


def _said(status: str, headers: bytes = b"", body: bytes = b"", length: int | None = None) -> bytes:
    size = f"Content-Length: {len(body) if length is None else length}\r\n".encode()
    return f"HTTP/1.1 {status}\r\n".encode() + headers + size + b"\r\n" + body


# What is said, and what the client gets for it.
PLATFORM = {
    "eof": (_said("502 Bad Gateway", TEXT + b"X-Content-Type-Options: nosniff\r\n", b"EOF\n"), 502),
    "reset": (_said("503 Service Unavailable", TEXT + b"Server: envoy\r\n", RESET), 503),
    "silent": (_said("504 Gateway Timeout"), 504),
    "no-route": (_said("404 Not Found", b"Server: envoy\r\n"), 503),
    "page": (_said("404 Not Found", b"Content-Type: text/html\r\n", b"<html><h1>404 Not Found</h1></html>"), 503),
    "deadline": (_said("500 Internal Server Error", TEXT, WORDS), 502),
    "cut": (_said("502 Bad Gateway", TEXT, b"EOF", length=4000), 502),
    "chunked": (
        b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfull\r\n0\r\n\r\n",
        503,
    ),
    "gzip": (_said("502 Bad Gateway", TEXT + b"Content-Encoding: gzip\r\n", gzip.compress(b"EOF\n")), 502),
    "large": (_said("503 Service Unavailable", TEXT, b"pending request queue full\n" * 40_000), 503),
    "ok": (_said("200 OK", TEXT, b"OK"), 502),
    "nothing": (b"HTTP/1.1 204 No Content\r\n\r\n", 502),
    "moved": (_said("301 Moved Permanently", b"Location: https://10.0.0.7/\r\n"), 502),
    "bad-request": (_said("400 Bad Request", TEXT, b"Bad Request"), 502),
    "too-large": (_said("413 Request Entity Too Large", TEXT, b"too large"), 413),
    "too-many": (_said("429 Too Many Requests", TEXT, b"slow down"), 429),
    "headers": (_said("431 Request Header Fields Too Large", TEXT, b"request header fields too large\n"), 431),
    "unmarked": (_said("503 Service Unavailable", TEXT + b"X-Correlation-ID: \r\n", b"no healthy upstream"), 503),
}
CODES = {
    413: "payload_too_large",
    429: "rate_limited",
    431: "request_headers_too_large",
    502: "bad_gateway",
    503: "service_unavailable",
    504: "gateway_timeout",
}

MARK = b"X-Correlation-ID: theirs\r\nX-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"
PROBLEM = b"Content-Type: application/problem+json\r\n"
FUNCTION = {
    "created": _said("201 Created", MARK + b"Content-Type: application/json\r\n", b'{"payment_id": 1}'),
    "pending": _said("202 Accepted", MARK + b"Content-Type: application/json\r\nRetry-After: 5\r\n", b"{}"),
    "gone": b"HTTP/1.1 204 No Content\r\n" + MARK + b"\r\n",
    "invalid": _said("400 Bad Request", MARK + PROBLEM, b'{"code":"invalid_request"}'),
    "unknown": _said("404 Not Found", MARK + PROBLEM, b'{"code":"payment_not_found"}'),
    "method": _said(
        "405 Method Not Allowed", MARK + PROBLEM + b"Allow: GET, HEAD\r\n", b'{"code":"method_not_allowed"}'
    ),
    "busy": _said("409 Conflict", MARK + PROBLEM + b"Retry-After: 1\r\n", b'{"code":"idempotency_in_progress"}'),
    "limited": _said("429 Too Many Requests", MARK + PROBLEM + b"Retry-After: 7\r\n", b'{"code":"rate_limited"}'),
    "failed": _said("500 Internal Server Error", MARK + PROBLEM, b'{"code":"internal_error"}'),
    "down": _said("503 Service Unavailable", MARK + b"Content-Type: application/json\r\n", b'{"status": "DOWN"}'),
    "receipt": _said("200 OK", MARK + b"Content-Type: text/html; charset=utf-8\r\n", b"<html>\xe2\x82\xb9 150</html>"),
    "figures": _said("200 OK", MARK + b"Content-Type: text/plain; version=0.0.4\r\n", b"payment_total 1\n" * 20_000),
    "healthz": _said("200 OK", MARK + b"Content-Type: application/json\r\n", b'{"status":"UP"}'),
    "chunks": b"HTTP/1.1 200 OK\r\n" + MARK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
}


read = threading.Event()  # the first part of an answer that comes in two


class Between(socketserver.StreamRequestHandler):
    """Says what the last part of the path stands for, and hangs up."""

    def handle(self) -> None:
        line, size = self.rfile.readline(), 0
        while (header := self.rfile.readline().strip().lower()) != b"":
            if header.startswith(b"content-length:"):
                size = int(header.partition(b":")[2])
        self.rfile.read(size)
        method, path, _ = line.decode().split()
        name = path.rpartition("/")[2]
        if name == "parts":
            self.wfile.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + MARK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
            )
            read.wait(10)
            self.wfile.write(b"4\r\nlast\r\n0\r\n\r\n")
            return
        said = FUNCTION[name] if name in FUNCTION else PLATFORM[name][0]
        # Said beforehand: who hangs up without a word may do so just as the front door asks on.
        said = said.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        with suppress(ConnectionError):  # the front door does not wait for words that it drops
            self.wfile.write(said.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else said)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with Server((HOST, 0), Between) as between, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=between.serve_forever, args=(0.05,), daemon=True).start()
        (port,) = pick(1)
        names = ("create_payment", "create_refund", "get_payment", "health", "metrics")
        bootstrap = front_door.write(Path(folder), port, dict.fromkeys(names, between.server_address[1]))
        door = Door(port, {}, Path(folder) / "log")
        with door.log.open("w") as log:
            envoy = subprocess.Popen(front_door.command(bootstrap), stdout=log, stderr=log)
        try:
            while free(port):
                with pytest.raises(subprocess.TimeoutExpired):
                    envoy.wait(0.02)
            yield door
        finally:
            envoy.terminate()
            envoy.wait(20)
            between.shutdown()


def _ask(door: Door, method: str, name: str, version: str = "1.1") -> Answer:
    body = "Content-Length: 2\r\n\r\n{}" if method == "POST" else "\r\n"
    asked = f"{method} /v1/payments/{name} HTTP/{version}\r\nHost: x\r\nX-Correlation-ID: mine\r\n{body}"
    return door.raw(asked.encode())


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("name", PLATFORM)
def test_what_is_no_answer_of_a_function_becomes_a_problem(door: Door, name: str, method: str, version: str) -> None:
    said, status = PLATFORM[name]
    answer = _ask(door, method, name, version)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-correlation-id"] == "mine"
    assert answer.headers["server"] == "payment-service"
    assert not {"location", "content-encoding", "x-envoy-upstream-service-time"} & set(answer.headers)
    if status not in (413, 431):
        assert int(answer.headers["retry-after"]) >= 1
    if method == "HEAD":
        assert answer.body == b""
        return
    problem = answer.problem()
    assert (problem["code"], problem["instance"]) == (CODES[status], f"/payments/{name}")
    words = said.partition(b"\r\n\r\n")[2]
    assert not words or words not in answer.body


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("name", FUNCTION)
def test_what_a_function_says_passes_byte_for_byte(door: Door, name: str, method: str, version: str) -> None:
    head, _, body = FUNCTION[name].partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    told = {line.partition(": ")[0].lower(): line.partition(": ")[2] for line in lines}
    chunked = told.pop("transfer-encoding", None)
    answer = _ask(door, method, name, version)
    assert answer.status == int(status.split()[1])
    assert told.items() <= answer.headers.items()
    added = set(answer.headers) - set(told)
    assert added <= {"server", "date", "transfer-encoding", "connection"}
    if chunked:
        body = b"{}"
    assert answer.body == (b"" if method == "HEAD" else body)


def test_the_log_says_what_a_replaced_answer_was(door: Door) -> None:
    door.raw(b"GET /payments/no-route HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: replaced\r\n\r\n")
    deadline = time.monotonic() + 10
    while not (lines := [line for line in door.log.read_text().splitlines() if "replaced" in line]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    line = json.loads(lines[0])
    assert (line["status"], line["instead_of"]) == (503, "404")


def test_what_json_would_have_to_escape_is_no_harm_to_a_problem(door: Door) -> None:
    answer = door.raw(b'GET /payments/"%22\\x/eof?"\\ HTTP/1.1\r\nHost: x\r\n\r\n')
    assert answer.problem()["instance"] == "/payments/%22%22/x/eof"


def test_a_tunnel_is_refused(door: Door) -> None:
    answer = door.raw(b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\nX-Correlation-ID: mine\r\n\r\n")
    assert (answer.status, answer.problem()["correlation_id"]) == (400, "mine")


def test_what_a_function_says_passes_part_by_part(door: Door) -> None:
    read.clear()
    with door.connect() as connection:
        connection.sendall(b"GET /payments/parts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.read(5) == b"first"
        read.set()
        assert answer.read() == b"last"


def test_a_connection_is_kept_after_a_replaced_answer(door: Door) -> None:
    asked = b"POST /payments/large HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    last = b"GET /payments/created HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with door.connect() as connection:
        connection.sendall(asked + asked + last)
        said = b""
        while part := connection.recv(65536):
            said += part
    assert [said.count(status) for status in (b"HTTP/1.1 503 ", b"HTTP/1.1 201 ")] == [2, 1]
    assert said.endswith(FUNCTION["created"].partition(b"\r\n\r\n")[2])


def test_the_correlation_id_of_a_replaced_answer_is_made_where_the_client_has_none(door: Door) -> None:
    answer = door.raw(b"GET /payments/eof HTTP/1.1\r\nHost: x\r\n\r\n")
    assert json.loads(answer.body)["correlation_id"] == answer.headers["x-correlation-id"] != ""


def test_nothing_that_is_replaced_or_refused_makes_envoy_warn(door: Door) -> None:
    assert not [line for line in door.log.read_text().splitlines() if re.search(r"\[(warning|error)\]", line)]
