"""What stands behind and before the front door in its tests: functions that say who they are, and a client."""

import http.client
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from local import front_door
from local.front_door import SHARED
from local.front_door_access import Access
from local.ports import free, pick
from local.system import BEHIND_THE_DOOR
from shared.platform.settings import Settings

HOST = "127.0.0.1"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        assert self.headers["server"] == "payment-service"
        assert (self.headers["x-content-type-options"], self.headers["cache-control"]) == ("nosniff", "no-store")
        assert "envoy" not in (str(self.headers) + self.body.decode()).lower()
        document: dict[str, Any] = json.loads(self.body)
        assert set(document) == {"type", "title", "status", "detail", "instance", "code", "correlation_id"}
        assert document["type"] == f"urn:payment-service:problem:{document['code']}"
        assert document["status"] == self.status
        assert document["correlation_id"] == self.headers["x-correlation-id"]
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", document["correlation_id"])
        return document


class Stub(BaseHTTPRequestHandler):
    """Says which function it is, and what reached it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: "Function"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests += 1
        if self.path.endswith("/charge"):
            time.sleep(self.server.takes)
        if self.path.endswith("/slow"):
            self.server.released.wait(10)
        if self.path.endswith("/lost") and self.server.requests < 3:
            self.close_connection = True
            return
        if self.path.endswith("/nonsense"):
            self.wfile.write(b"nonsense\r\n\r\n")
            self.close_connection = True
            return
        seen = {name.lower(): value for name, value in self.headers.items()}
        told = {"function": self.server.name, "path": self.path, "size": len(body), "headers": seen}
        text = json.dumps(told).encode()
        self.send_response(503 if self.path.endswith("/failing") else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Correlation-ID", seen["x-correlation-id"])
        self.send_header("X-Function", self.server.name)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, *_: object) -> None:
        pass


class Function(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, name: str, port: int = 0) -> None:
        super().__init__((HOST, port), Stub)
        self.name = name
        self.requests = 0
        self.takes = 0.0  # seconds for a charge
        self.released = threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


@dataclass
class Door:
    port: int
    functions: dict[str, Function]
    log: Path

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            seen = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, seen, answer.read())
        finally:
            connection.close()

    @property
    def passed(self) -> int:
        """How many requests reached a function."""
        return sum(function.requests for function in self.functions.values())

    def connect(self) -> socket.socket:
        return socket.create_connection((HOST, self.port), timeout=10)

    def raw(self, request: bytes) -> Answer:
        with self.connect() as sent:
            sent.sendall(request)
            answer = http.client.HTTPResponse(sent, method=request.partition(b" ")[0].decode("latin-1"))
            answer.begin()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())


@contextmanager
def running(
    folder: Path,
    functions: Mapping[str, Function],
    changes: Mapping[str, str] | None = None,
    settings: Settings | None = None,
) -> Iterator[Door]:
    """The real front door of one machine, before these functions. `changes` are of words of its files."""
    (port,) = pick(1)
    ports = {name: function.server_port for name, function in functions.items()}
    bootstrap = front_door.write(folder, port, ports, changes, settings)
    text = bootstrap.read_text(encoding="utf-8")
    for word, other in (changes or {}).items():
        text = text.replace(word, other)
    bootstrap.write_text(text, encoding="utf-8")
    with started(folder, bootstrap, Door(port, dict(functions), folder / "logs" / "log")) as door:
        yield door


@contextmanager
def started(folder: Path, bootstrap: Path, door: Door) -> Iterator[Door]:
    """The real Envoy with this bootstrap, from when it listens."""
    # Not in the folder itself, which Envoy watches: each line would wake it.
    (folder / "logs").mkdir()
    with door.log.open("wb") as output:
        envoy = subprocess.Popen(front_door.command(bootstrap), stdout=output, stderr=output)
    try:
        while free(door.port):
            with suppress(subprocess.TimeoutExpired):
                raise AssertionError(f"it ended with {envoy.wait(0.02)}: {door.log.read_text()}")
        yield door
    finally:
        envoy.terminate()
        envoy.wait(20)


@contextmanager
def functions() -> Iterator[dict[str, Function]]:
    """A stub for each function that the front door knows."""
    made = {name: Function(name) for name in BEHIND_THE_DOOR}
    try:
        yield made
    finally:
        for function in made.values():
            function.released.set()
            function.shutdown()
            function.server_close()


def write_container_form(
    folder: Path, bootstrap: Path, changes: dict[str, str], settings: Settings | None = None
) -> Path:
    """The very files that a container gets, but for addresses, ports and their folder. Gives the path of the bootstrap."""
    Access(folder / front_door.ACCESS, settings or Settings.read({})).write()
    for path in (bootstrap, SHARED / "listener.yaml", SHARED / "routes.yaml"):
        text = path.read_text(encoding="utf-8").replace("/etc/envoy", str(folder)).replace("0.0.0.0", HOST)  # noqa: S104 - is taken away here
        text = text.replace("/etc/access", str(folder / front_door.ACCESS))
        for word, other in changes.items():
            text = text.replace(word, other)
        (folder / path.name).write_text(text, encoding="utf-8")
    return folder / "envoy.yaml"


def ports(others: dict[int, int]) -> dict[str, str]:
    """The change of each port to another."""
    return {f"port_value: {port}": f"port_value: {other}" for port, other in others.items()}


def gateway(port: int) -> dict[str, str]:
    """The change of Kourier's address to a stand-in's port."""
    theirs = "address: kourier-internal.kourier-system.svc.cluster.local, port_value: 80}"
    return {theirs: f"address: {HOST}, port_value: {port}}}"}
