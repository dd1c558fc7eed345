"""Names are looked up by whoever needs them, and hold nobody longer than they chose."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shared.platform import dns
from shared.platform.dns import NameUnknown, addresses


def soon() -> float:
    return time.monotonic() + 5


class NameServer:
    """Answers what a test tells it; is silent about names that begin with `silent` until released."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.released = threading.Event()

    def __call__(self, host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        if host.startswith("silent"):
            self.released.wait(30)
        if host == "nowhere":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"10.0.0.{n}", 0)) for n in (1, 2, 2)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    monkeypatch.setattr("shared.platform.dns.socket.getaddrinfo", server)
    monkeypatch.setattr(dns, "_looks", dns._Looks())
    yield server
    server.released.set()


def test_an_address_is_its_own_and_nobody_is_asked(server: NameServer) -> None:
    assert addresses("192.0.2.7", 0) == ["192.0.2.7"]
    assert addresses("::1", 0) == ["::1"]
    assert server.asked == []


def test_every_address_of_a_name_once_in_the_resolvers_order(server: NameServer) -> None:
    assert addresses("database", soon()) == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize("host", ["nowhere", "a" * 64 + ".example", "", ".."])
def test_what_is_no_name_is_unknown(host: str, server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    if host != "nowhere":
        monkeypatch.undo()
    with pytest.raises(NameUnknown):
        addresses(host, soon())


def test_a_silent_name_server_holds_nobody_longer_than_they_chose(server: NameServer) -> None:
    began = time.monotonic()
    with pytest.raises(NameUnknown):
        addresses("silent", time.monotonic() + 0.2)
    assert time.monotonic() - began < 1


def test_a_silent_name_server_is_in_nobodys_way_who_needs_another_name(server: NameServer) -> None:
    for number in range(40):
        with pytest.raises(NameUnknown):
            addresses(f"silent-{number}", time.monotonic())
    began = time.monotonic()
    assert addresses("database", soon())
    assert time.monotonic() - began < 1


def test_those_who_need_a_name_at_the_same_moment_ask_once(server: NameServer) -> None:
    waiting = [threading.Thread(target=addresses, args=("silent", soon())) for _ in range(5)]
    for thread in waiting:
        thread.start()
    while not server.asked:
        time.sleep(0.001)
    server.released.set()
    for thread in waiting:
        thread.join(10)
    assert server.asked == ["silent"]


def test_a_look_up_that_hangs_is_not_waited_for_once_the_name_server_is_back(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "SHARED_FOR", 0.05)
    with pytest.raises(NameUnknown):
        addresses("silent", time.monotonic() + 0.1)
    monkeypatch.setattr("shared.platform.dns.socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.9", 0))])
    assert addresses("silent", soon()) == ["10.0.0.9"]


def test_a_process_that_may_start_no_thread_looks_up_all_the_same(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python starts none while a process ends, and the publisher may have events to deliver then."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr("shared.platform.dns.threading.Thread.start", refuse)
    assert addresses("database", soon()) == ["10.0.0.1", "10.0.0.2"]
