"""What keeps a port for scrapes from doing harm: it is bounded, and nobody waits for it."""

import socket
import subprocess
import sys
import time

import pytest

from shared.platform import exposition
from shared.platform.exposition import Exposition

HOST = "127.0.0.1"
LISTENS = """
import socket, sys, threading
from shared.platform import exposition
exposition.LONGEST = 2.0
made, create = [], socket.create_server
socket.create_server = lambda *given, **others: made.append(create(*given, **others)) or made[0]
exposition.Exposition("notify", ("127.0.0.1", 0)).begin()
print(made[0].getsockname()[1], flush=True)
for line in sys.stdin:
    print(threading.active_count(), flush=True)
"""


def scrape(port: int) -> bytes:
    with socket.create_connection((HOST, port), timeout=20) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b""))


def cut_off(connection: socket.socket, within: float) -> bool:
    """Whether the other side ends it, though no single read there ever waits for long."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            connection.sendall(b"a")
            if connection.recv(1) == b"":
                return True
        except ConnectionError:
            return True
        except TimeoutError:
            continue
    return False


def test_whoever_sends_little_by_little_is_cut_off_and_a_process_ends_with_scrapes_under_way() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    port = int(process.stdout.readline())
    assert b"200 OK" in scrape(port)
    slow = [socket.create_connection((HOST, port), timeout=0.1) for _ in range(5)]
    slow[0].sendall(b"GET /metrics HTTP/1.1\r\n")
    assert cut_off(slow[0], within=20)
    print("", file=process.stdin, flush=True)
    # The process's own, the one that answers, the one that cuts it off, and the one before that, which is about to end.
    assert int(process.stdout.readline()) <= 4
    process.stdin.close()
    assert process.wait(20) == 0
    for connection in slow:
        connection.close()


def test_a_port_that_is_taken_is_an_error_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        Exposition("notify", (HOST, port)).begin()
    [record] = caplog.records
    assert (record.levelname, record.getMessage(), vars(record)["port"]) == ("ERROR", "metrics are not exposed", port)
    assert "in use" in vars(record)["why"]


def test_it_begins_once_and_without_a_port_never(monkeypatch: pytest.MonkeyPatch) -> None:
    somewhere = Exposition("notify", (HOST, 1))
    assert [somewhere.due(), somewhere.due()] == [True, False]
    nowhere = Exposition("notify", None)
    assert not nowhere.due()
    monkeypatch.delattr(exposition, "socket")
    nowhere.begin()
