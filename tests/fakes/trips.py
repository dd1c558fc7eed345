"""A Trip Service of the tests' own, over HTTP, that misbehaves on demand.

By default every trip is completed, 10.5 km with a surge of 1.2. `says` changes that for one trip: to a value (JSON, 200) or
to one of the ways below.
"""

import contextlib
import json
import re
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

PREFIX = "/api/v1"
COMPLETED = {"status": "COMPLETED", "distance_km": 10.5, "surge_multiplier": 1.2}


@dataclass(frozen=True)
class Says:
    """A whole answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    def raw(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {value}" for name, value in self.headers.items())]
        return "\r\n".join([*lines, f"Content-Length: {len(self.body)}", "", ""]).encode() + self.body


@dataclass(frozen=True)
class Drips:
    """Sends these bytes one at a time, `pause` seconds apart, whatever `at_once` there is first."""

    dripped: bytes
    pause: float = 0.1
    at_once: bytes = b""


@dataclass(frozen=True)
class Cut:
    """Sends these bytes and closes the connection."""

    sent: bytes = b""


class Held:
    """Answers only after `release`; `reached` is set when a request is here."""

    def __init__(self, then: object = None) -> None:
        self.then = then
        self.reached = threading.Event()
        self._released = threading.Event()

    def release(self) -> None:
        self._released.set()

    def wait(self) -> None:
        self.reached.set()
        self._released.wait(30)


@dataclass(frozen=True)
class Asked:
    path: str
    headers: dict[str, str]


class TripServer:
    """The server, in threads, ready when the constructor returns; a context manager that ends it."""

    def __init__(self, port: int = 0) -> None:
        self.asked: deque[Asked] = deque(maxlen=10_000)
        self._said: dict[str, object] = {}
        self._ended = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.trips = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}{PREFIX}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()

    def says(self, trip_id: int, answer: object) -> None:
        """What it answers for a trip from now on."""
        self.says_at(f"/trips/{trip_id}", answer)

    def says_at(self, path: str, answer: object) -> None:
        """What it answers at a path from now on: it also plays those who know riders and drivers."""
        self._said[PREFIX + path] = answer

    def completed(self, trip_id: int) -> object:
        """What it answers for a trip of which nothing was said."""
        return COMPLETED

    def forget(self, trip_id: int) -> None:
        """It answers for this trip as if nothing had been said of it."""
        self._said.pop(f"{PREFIX}/trips/{trip_id}", None)

    def reset(self) -> None:
        """Every trip is completed again, and nothing was asked."""
        for answer in self._said.values():
            if isinstance(answer, Held):
                answer.release()
        self._said.clear()
        self.asked.clear()

    def answer_to(self, path: str, connection: socket.socket) -> bool:
        """Answers, and says whether the connection may be used again."""
        trip = re.fullmatch(PREFIX + r"/trips/([0-9]{1,19})", path)
        answer = self._said.get(path, self.completed(int(trip[1])) if trip else Says(404))
        if isinstance(answer, Held):
            answer.wait()
            answer = COMPLETED if answer.then is None else answer.then
        if isinstance(answer, Drips):
            connection.sendall(answer.at_once)
            for position in range(len(answer.dripped)):
                if self._ended.wait(answer.pause):
                    return False
                connection.sendall(answer.dripped[position : position + 1])
            return False
        if isinstance(answer, Cut):
            connection.sendall(answer.sent)
            return False
        connection.sendall((answer if isinstance(answer, Says) else _json(answer)).raw())
        return True


def _json(value: Any) -> Says:
    return Says(body=json.dumps(value).encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256
    trips: TripServer

    def handle_error(self, *_: object) -> None:
        """Nothing: that the other side hangs up is what some tests are about."""


class _Handler(socketserver.StreamRequestHandler):
    timeout = 60
    server: _Server
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            path = line.decode("latin-1").split(" ")[1]
            headers = {}
            while (header := self.rfile.readline().decode("latin-1").strip()) != "":
                name, value = header.split(":", 1)
                headers[name.strip().lower()] = value.strip()
            self.server.trips.asked.append(Asked(path, headers))
            if not self.server.trips.answer_to(path, self.connection):
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return
