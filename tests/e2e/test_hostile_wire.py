"""Hostile paths, methods and bytes on the wire: every answer is a problem document, and nothing of it is a 500 or HTML."""

import re
import socket

import pytest

from tests.e2e.client import Client, parse, problem_of, raw
from tests.e2e.service import Service

PATHS = [
    "/payments/1%2Frefunds",
    "/payments%2F1",
    "/payments/%2e%2e%2fhealth",
    "/payments/1%5Crefunds",
    "/payments/..%00/1",
    "/payments/%00",
    "/payments/1%00",
    "/payments/1%0a",
    "/payments/1%0d%0aX-Injected:%201",
    "/payments/%",
    "/payments/%zz",
    "/payments/%ff",
    "/payments/\xff".encode("latin-1").decode("latin-1"),
    "/payments/1;x=1",
    "/payments/-1",
    "/payments/1e3",
    "/payments/0x1",
    "/payments/１".encode().decode("latin-1"),
    "/payments/" + "9" * 3900,
    "/payments/" + "9" * 5000,
    "/" + "a/" * 1900,
    "/" + "a" * 20000,
    "/payments?" + "limit=1&" * 480,
    "/payments?cursor=" + "A" * 20000,
    "/payments/1'--",
    "/payments/{payment_id}",
    "/.git/config",
    "/../../etc/passwd",
    "/payments/../../../etc/passwd",
    "//payments",
    "//health",
    "//payments/1",
    "///",
    "/payments//1",
    "/v1//payments",
    "/v1/v1/payments",
    "/V1/payments",
    "/PAYMENTS",
    "/v1payments",
    "/openapi_json",
    "/openapixjson",
    "/healthz//",
    "/metrics/prometheus//",
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: ascii(path[:30]))
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_tricky_path_is_refused_with_a_problem(service: Service, method: str, path: str) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    answer = parse(raw(service.port, head.encode("latin-1")))
    assert answer.status in (400, 404, 405, 414, 431), answer
    found = problem_of(answer)
    assert "X-Injected" not in answer.headers
    if answer.status == 405:
        assert method not in answer.headers["Allow"].split(", ")
    assert len(found["instance"]) <= 8192


@pytest.mark.parametrize(
    ("path", "means"), [("/payments/../health", "/health"), ("/x/../v1/./payments/1", "/payments/1")]
)
def test_dots_in_a_path_are_resolved_before_anything_is_looked_up(service: Service, path: str, means: str) -> None:
    answer = parse(raw(service.port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    assert answer.status == 200
    assert ("payment_id" in answer.json) == ("payments" in means)


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "SEARCH", "OPTIONS"])
def test_a_method_that_no_path_takes_is_405(service: Service, method: str) -> None:
    answer = parse(raw(service.port, f"{method} /payments HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    answer.problem(405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("method", ["BREW", "get", "CONNECT", "GE", "GET!", "X" * 3000])
def test_a_method_that_http_does_not_know_is_refused_with_a_problem(service: Service, method: str) -> None:
    answer = parse(raw(service.port, f"{method} /payments HTTP/1.1\r\nHost: x\r\n\r\n".encode()))
    answer.problem(400, "invalid_request")


_POST = b"POST /payments HTTP/1.1\r\nHost: x\r\n"
NONSENSE = {
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 500,
    "HTTP/2 at once": b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    "no host": b"GET /payments/1 HTTP/1.1\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "a NUL in a header": b"GET /nowhere HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n",
    "a bare CR in a header": b"GET /nowhere HTTP/1.1\r\nHost: x\r\nX-A: a\rX-B: b\r\n\r\n",
    "a folded header": b"GET /nowhere HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n",
    "a control character in the key": _POST + b"Idempotency-Key: a\x01b\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": _POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "a length and chunks": _POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": _POST + b"Content-Length: -1\r\n\r\n",
    "another transfer encoding": _POST + b"Transfer-Encoding: gzip\r\n\r\n",
    "a chunk that is none": _POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    "a space in the path": b"GET /pay ments HTTP/1.1\r\nHost: x\r\n\r\n",
    "a hundred headers": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(100)) + b"\r\n",
    "a huge header": b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20000 + b"\r\n\r\n",
    "a huge key": _POST + b"Idempotency-Key: " + b"a" * 7000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "an expectation": _POST + b"Expect: the worst\r\nContent-Length: 2\r\n\r\n{}",
    "an upgrade": b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "a proxy's request": b"GET http://169.254.169.254/latest HTTP/1.1\r\nHost: x\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_on_the_wire_gets_a_problem_or_nothing(service: Service, name: str) -> None:
    came = raw(service.port, NONSENSE[name], half_close=name == "TLS")
    if not came:
        assert name in ("TLS", "HTTP/2 at once")
        return
    answer = parse(came)
    assert 400 <= answer.status < 500 or answer.status == 501, answer
    problem_of(answer)


def test_an_answer_is_whole_again_after_all_that(client: Client) -> None:
    assert client.pay().status == 201


@pytest.mark.parametrize(
    "accept", ["", "*/*;q=0", ",,,", "text/html;q=x", "a" * 3000, "text/html;q=1e400", "\xff", "*", "/"]
)
@pytest.mark.parametrize("path", ["/metrics", "/payments/2/receipt", "/payments/1"])
def test_an_odd_accept_header_breaks_nothing(client: Client, path: str, accept: str) -> None:
    assert client.get(path, Accept=accept).status in (200, 404, 406)


def test_many_requests_on_one_connection_are_answered_in_order(service: Service) -> None:
    requests = [f"GET /payments/{n} HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: n-{n}\r\n\r\n" for n in (1, 2, 3)]
    requests[-1] = requests[-1].replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")

    with socket.create_connection(("127.0.0.1", service.port), timeout=20) as connection:
        connection.sendall("".join(requests).encode())
        came = b"".join(iter(lambda: connection.recv(65536), b""))
    assert re.findall(rb"(?i)x-correlation-id: (n-\d)", came) == [b"n-1", b"n-2", b"n-3"]
