"""The network forwards, and what it forgets it forgets as a firewall does: nobody is told."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.network import Network

HERE, NOWHERE = "127.0.0.2", "127.0.0.3"
IDLE = 0.3


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@pytest.fixture
def network(server: socket.socket) -> Iterator[Network]:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    with Network({HERE: server.getsockname()[1], NOWHERE: nobody}) as network:
        yield network


def connected(network: Network, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    near = socket.create_connection((HERE, network.port), timeout=10)
    far, _ = server.accept()
    far.settimeout(10)
    return near, far


def test_bytes_go_both_ways_and_an_end_is_passed_on(network: Network, server: socket.socket) -> None:
    near, far = connected(network, server)
    with near, far:
        much = b"x" * 5_000_000
        sending = threading.Thread(target=near.sendall, args=(much,))
        sending.start()
        received = bytearray()
        while len(received) < len(much):
            received += far.recv(1 << 16)
        sending.join()
        assert received == much
        far.sendall(b"answer")
        assert near.recv(100) == b"answer"
        far.close()
        assert near.recv(100) == b""


def test_an_address_behind_which_nobody_listens_resets(network: Network) -> None:
    with pytest.raises(ConnectionResetError), socket.create_connection((NOWHERE, network.port), timeout=10) as near:
        near.recv(1)


def test_an_idle_connection_is_forgotten_and_nobody_is_told(network: Network, server: socket.socket) -> None:
    near, far = connected(network, server)
    with near, far, network.forgetting(IDLE):
        _until_forgotten(network, 1)
        for side, other in ((near, far), (far, near)):
            side.sendall(b"vanishes")
            other.settimeout(IDLE)
            with pytest.raises(TimeoutError):
                other.recv(1)


def test_packets_on_a_forgotten_connection_are_not_even_acknowledged(network: Network, server: socket.socket) -> None:
    """As a user time-out or a keep-alive would find out, and only they."""
    near, far = connected(network, server)
    with near, far, network.forgetting(IDLE):
        _until_forgotten(network, 1)
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 300)
        near.sendall(b"vanishes")
        with pytest.raises(TimeoutError, match="Connection timed out"):
            near.recv(1)


def test_a_connection_in_use_and_a_new_one_are_not_forgotten(network: Network, server: socket.socket) -> None:
    idle, used = connected(network, server), connected(network, server)
    with network.forgetting(IDLE):
        while network.forgotten() == 0:
            used[0].sendall(b"x")
            assert used[1].recv(1) == b"x"
    new = connected(network, server)
    for near, far in (used, new):
        near.sendall(b"x")
        assert far.recv(1) == b"x"
    assert network.forgotten() == 1
    for side in (*idle, *used, *new):
        side.close()


def test_a_connection_that_was_forgotten_stays_so(network: Network, server: socket.socket) -> None:
    near, far = connected(network, server)
    with near, far:
        with network.forgetting(IDLE):
            _until_forgotten(network, 1)
        near.sendall(b"vanishes")
        far.settimeout(IDLE)
        with pytest.raises(TimeoutError):
            far.recv(1)


def _until_forgotten(network: Network, count: int) -> None:
    deadline = time.monotonic() + 10
    while network.forgotten() < count:
        assert time.monotonic() < deadline, f"{network.forgotten()} forgotten"
        time.sleep(0.01)
