"""A function as the image serves it: connections are kept, and any number of them have their turn."""

import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.support.functions import AsInTheImage
from tests.support.settings import ENVIRONMENT

THREADS = 3


@pytest.fixture
def served() -> Iterator[AsInTheImage]:
    with AsInTheImage(["notify"], ENVIRONMENT | {"GUNICORN_THREADS": str(THREADS)}) as functions:
        yield functions


def connect(served: AsInTheImage) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", served.ports["notify"], timeout=20)


def probe(connection: HTTPConnection) -> int:
    connection.request("GET", "/healthz")
    response = connection.getresponse()
    response.read()
    return response.status


def test_requests_one_after_the_other_are_served_on_one_connection(served: AsInTheImage) -> None:
    connection = connect(served)
    probe(connection)
    kept = connection.sock
    for pause in (0.0, 0.001, 0.05, 0.0):  # with its thread still there, and when it has gone
        time.sleep(pause)
        assert probe(connection) == 200
    assert connection.sock is kept


def test_more_connections_than_threads_are_all_served(served: AsInTheImage) -> None:
    statuses: list[int] = []

    def work() -> None:
        connection = connect(served)
        statuses.extend(probe(connection) for _ in range(20))

    clients = [threading.Thread(target=work) for _ in range(4 * THREADS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert statuses == [200] * 20 * len(clients)


def test_idle_connections_keep_no_thread_from_another(served: AsInTheImage) -> None:
    idle = [connect(served) for _ in range(2 * THREADS)]
    for connection in idle:
        assert probe(connection) == 200
    began = time.monotonic()
    assert probe(connect(served)) == 200
    assert time.monotonic() - began < 5


def test_requests_that_come_at_once_are_answered_in_their_order(served: AsInTheImage) -> None:
    with socket.create_connection(("127.0.0.1", served.ports["notify"]), timeout=20) as raw:
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n" * 3)
        answers = b""
        while answers.count(b"HTTP/1.1 200") < 3:
            received = raw.recv(65536)
            assert received, answers
            answers += received
