"""A call out is bounded as a whole, whatever names, addresses and slow peers are in between, whoever makes it."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trustme

from local.ports import pick
from shared.gateways.stripe import connections, session
from shared.platform import dns, http_client, http_connections, tcp
from shared.platform.http_client import NoResponse, Response, Send
from tests.fakes.peers import answers, drips, peer, reads_and_says_nothing, says_nothing, silent

NAME = "trip-service.test"
TIMEOUT = 0.5
# A busy machine wakes a thread late; what is not bounded as a whole takes a multiple of the time-out.
LATE = 0.9


@pytest.fixture(params=[http_client.send, session.send], ids=["kept", "requests"])
def through(request: pytest.FixtureRequest) -> Send:
    """Both ways in which calls are made."""
    way: Send = request.param
    return way


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Has the name lead to these addresses; gives the list of the names that are looked up from then on."""
    real = socket.getaddrinfo
    monkeypatch.setattr(dns, "_looks", dns._Looks())

    def lead_to(*addresses: str) -> list[str]:
        asked: list[str] = []

        def look_up(host: str, port: object, *rest: Any, **options: Any) -> list[tuple[Any, ...]]:
            if host != NAME:
                return list(real(host, port, *rest, **options))  # type: ignore[arg-type]
            asked.append(host)
            return [(0, socket.SOCK_STREAM, 6, "", (address, 0)) for address in addresses]

        monkeypatch.setattr("socket.getaddrinfo", look_up)
        return asked

    return lead_to


def call(url: str, through: Send, timeout: float = TIMEOUT, body: bytes | None = None) -> Response:
    return http_client.request("POST" if body else "GET", url, timeout=timeout, headers={}, body=body, through=through)


def refused_in_time(url: str, through: Send, body: bytes | None = None) -> str:
    """Why there was no reply; asserts that it took the time-out and no more."""
    began = time.monotonic()
    with pytest.raises(NoResponse) as refused:
        call(url, through, body=body)
    took = time.monotonic() - began
    assert TIMEOUT - 0.1 < took < TIMEOUT + LATE
    return str(refused.value)


def test_a_name_with_four_silent_addresses_holds_nobody_longer_than_their_time_out(
    resolve: Callable[..., list[str]], through: Send
) -> None:
    (port,) = pick(1)
    addresses = [f"127.0.0.{number}" for number in range(2, 6)]
    asked = resolve(*addresses)
    with contextlib.ExitStack() as held:
        for address in addresses:
            held.enter_context(silent(address, port))
        refused_in_time(f"http://{NAME}:{port}/", through)
    assert asked == [NAME]


def test_an_address_that_answers_is_reached_behind_silent_ones(
    resolve: Callable[..., list[str]], through: Send
) -> None:
    resolve("127.0.0.2", "127.0.0.3", "127.0.0.1")
    with peer(answers) as port, silent("127.0.0.2", port), silent("127.0.0.3", port):
        began = time.monotonic()
        assert call(f"http://{NAME}:{port}/", through, 4 * TIMEOUT).status == 200
        assert time.monotonic() - began > 2 * TIMEOUT, "nobody was silent"


def test_an_address_that_refuses_costs_nothing(resolve: Callable[..., list[str]], through: Send) -> None:
    resolve("127.0.0.2", "::1", "127.0.0.1")
    with peer(answers) as port:
        began = time.monotonic()
        assert call(f"http://{NAME}:{port}/", through, 30).status == 200
        assert time.monotonic() - began < 5


def test_a_name_without_an_address_that_takes_the_connection_is_known_at_once(
    resolve: Callable[..., list[str]], through: Send
) -> None:
    asked = resolve("127.0.0.2", "127.0.0.3")
    began = time.monotonic()
    with pytest.raises(NoResponse):
        call(f"http://{NAME}:{pick(1)[0]}/", through, 30)
    assert time.monotonic() - began < 5
    assert asked == [NAME]


def test_a_look_up_that_hangs_is_given_up_in_time_and_not_made_twice(
    monkeypatch: pytest.MonkeyPatch, through: Send
) -> None:
    released, asked = threading.Event(), list[str]()

    def hang(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        released.wait(30)
        return []

    monkeypatch.setattr(dns, "_looks", dns._Looks())
    monkeypatch.setattr(dns, "SHARED_FOR", 0.0)
    monkeypatch.setattr("socket.getaddrinfo", hang)
    refused_in_time(f"http://{NAME}:1/", through)
    released.set()
    assert asked == [NAME]


SLOW = {
    "says nothing": says_nothing,
    "reads and says nothing": reads_and_says_nothing,
    "drips its status line": drips(b"HTTP/1.1 200 " + b"O" * 60_000),
    "drips headers": drips(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000),
    "drips a body": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b" " * 60_000, 0.001),
    "drips 100 Continue": drips(b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000, 0.001),
}


@pytest.mark.parametrize("behave", SLOW.values(), ids=SLOW)
def test_a_call_is_bounded_as_a_whole_however_slow_the_peer(
    behave: Callable[[socket.socket], None], through: Send
) -> None:
    with peer(behave) as port:
        refused_in_time(f"http://127.0.0.1:{port}/", through)


def test_a_peer_that_does_not_read_holds_nobody_who_sends(through: Send) -> None:
    with peer(says_nothing) as port:
        refused_in_time(f"http://127.0.0.1:{port}/", through, body=b"x" * (32 << 20))


def test_a_connection_that_is_kept_has_the_deadline_of_each_call(through: Send) -> None:
    """The second call has its own time, and no more of it than a first one."""
    accepted: list[socket.socket] = []
    quiet = threading.Event()

    def behave(connection: socket.socket) -> None:
        accepted.append(connection)
        connection.settimeout(30)
        while connection.recv(65536):
            if not quiet.is_set():
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with peer(behave) as port:
        url = f"http://127.0.0.1:{port}/"
        call(url, through, 1.0)
        threading.Event().wait(1.1)
        call(url, through, 1.0)
        quiet.set()
        refused_in_time(url, through)
        assert len(accepted) == 1


def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch, through: Send) -> None:
    """Something in between may have forgotten it, and lets whoever uses it wait for nothing."""
    accepted: list[socket.socket] = []

    def behave(connection: socket.socket) -> None:
        accepted.append(connection)
        answers(connection)

    with peer(behave) as port:
        for _ in range(2):
            call(f"http://127.0.0.1:{port}/", through)
        assert len(accepted) == 1
        for module in (http_connections, connections):
            monkeypatch.setattr(module, "LONGEST_IDLE", 0.0)
        call(f"http://127.0.0.1:{port}/", through)
        assert len(accepted) == 2


def test_an_address_of_the_sixth_version_is_connected_to(resolve: Callable[..., list[str]], through: Send) -> None:
    resolve("::1")
    with peer(answers, "::1") as port:
        assert call(f"http://{NAME}:{port}/", through).status == 200
        assert call(f"http://[::1]:{port}/", through).status == 200


class Authority:
    """A certificate authority that calls trust, and servers with its certificates."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.named: list[str | None] = []
        self.requests: list[bytes] = []

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name).configure_cert(context)
        context.sni_callback = lambda _, name, __: self.named.append(name)
        return context

    def over_tls(self, behave: Callable[[socket.socket], None], name: str = NAME) -> Callable[[socket.socket], None]:
        context = self.context(name)

        def serve(connection: socket.socket) -> None:
            connection.settimeout(30)
            with context.wrap_socket(connection, server_side=True) as spoken:
                behave(spoken)

        return serve

    def answers(self, connection: socket.socket) -> None:
        while request := connection.recv(65536):
            self.requests.append(request)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, resolve: Callable[..., list[str]]) -> Iterator[Authority]:
    """Trusted by both ways; the name leads to this machine."""
    authority = Authority()
    resolve("127.0.0.1")
    with authority.ca.cert_pem.tempfile() as trusted:
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
        monkeypatch.setattr(session._shared, "verify", trusted)
        yield authority


def test_over_tls_the_servers_certificate_is_that_of_its_name(authority: Authority, through: Send) -> None:
    with peer(authority.over_tls(authority.answers)) as port:
        for _ in range(2):
            assert call(f"https://{NAME}:{port}/trips/1", through, 5).body == b"{}"
    assert authority.named == [NAME]
    assert f"Host: {NAME}:{port}\r\n".encode() in authority.requests[0]


@pytest.mark.parametrize("other", ["another.test", "127.0.0.1"])
def test_a_certificate_of_another_name_is_refused_though_the_address_is_right(
    authority: Authority, through: Send, other: str
) -> None:
    with peer(authority.over_tls(authority.answers, other)) as port, pytest.raises(NoResponse):
        call(f"https://{NAME}:{port}/", through, 5)
    assert authority.requests == []


def test_a_certificate_of_an_authority_that_nobody_trusts_is_refused(authority: Authority, through: Send) -> None:
    stranger = Authority()
    with peer(stranger.over_tls(stranger.answers)) as port, pytest.raises(NoResponse):
        call(f"https://{NAME}:{port}/", through, 5)
    assert stranger.requests == []


@pytest.mark.parametrize(
    "behave", [says_nothing, drips(b"\x16\x03\x03\x40\x00" + b"\x02" * 16_384)], ids=["stalls", "drips"]
)
def test_a_handshake_is_within_the_calls_time(
    authority: Authority, through: Send, behave: Callable[[socket.socket], None]
) -> None:
    with peer(behave) as port:
        refused_in_time(f"https://{NAME}:{port}/", through)


def test_over_tls_a_call_is_bounded_as_a_whole_too(authority: Authority, through: Send) -> None:
    slow = drips(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b" " * 60_000, 0.001)
    with peer(authority.over_tls(slow)) as port:
        refused_in_time(f"https://{NAME}:{port}/", through)
    with peer(authority.over_tls(says_nothing_for_long)) as port:
        refused_in_time(f"https://{NAME}:{port}/", through, body=b"x" * (32 << 20))


@pytest.mark.parametrize(("scheme", "step"), [("http", "connected"), ("https", "connected"), ("https", "wrap_socket")])
def test_a_deadline_that_passes_while_there_is_nothing_to_cut_yet_holds_nobody(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, scheme: str, step: str
) -> None:
    """It passes at the end of a step, after which the next would wait for ever."""
    where: Any = tcp if step == "connected" else ssl.SSLContext
    real = getattr(where, step)

    def takes_long(*arguments: Any, **options: Any) -> Any:
        opened = real(*arguments, **options)
        threading.Event().wait(1.2 * TIMEOUT)
        return opened

    monkeypatch.setattr(where, step, takes_long)
    with peer(reads_and_says_nothing) as port, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(refused_in_time, f"{scheme}://{NAME}:{port}/", http_client.send)
        assert answer.result(10) == "no answer in time"


def says_nothing_for_long(connection: socket.socket) -> None:
    threading.Event().wait(2 * TIMEOUT)


def test_a_silent_address_before_one_that_speaks_tls_leaves_it_its_share(
    resolve: Callable[..., list[str]], authority: Authority, through: Send
) -> None:
    resolve("127.0.0.2", "127.0.0.1")
    with peer(authority.over_tls(authority.answers)) as port, silent("127.0.0.2", port):
        assert call(f"https://{NAME}:{port}/", through, 2).status == 200
