"""A sink for events of the tests' own, over HTTP: keeps what it is given, and fails on demand."""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

from tests.fakes.server import CuttableServer


@dataclass(frozen=True)
class Received:
    """One delivery. Header names are in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float  # monotonic, seconds
    taken: bool  # whether the sender was told so

    @property
    def event_id(self) -> str:
        return self.headers["ce-id"]

    def json(self) -> Any:
        return json.loads(self.body)


class Sink:
    """The server, in threads, ready when the constructor returns; a context manager that ends it.

    `status` is what it answers, but for events that `statuses` names by their ids. `mute` makes it take the event and cut the
    connection without an answer. It takes `delay` seconds for each; `hold()` makes it wait before it answers, until
    `release()`; those in `hanging` are never answered.
    """

    def __init__(self, port: int = 0) -> None:
        self.status = 202
        self.statuses: dict[str, int] = {}
        self.hanging: set[str] = set()
        self.delay = 0.0
        self.mute = False
        self.received: list[Received] = []
        self.reached = threading.Semaphore(0)
        self._released = threading.Event()
        self._released.set()
        self._stopped = threading.Event()
        self._changed = threading.Condition()
        self._server: _Server | None = None
        self._listen(port)
        self.url = f"http://127.0.0.1:{self.port}/events"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _listen(self, port: int) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.sink = self
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Nobody listens any more, until `up`."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.cut_all()
            self._server = None

    def up(self) -> None:
        self._listen(self.port)

    def stop(self) -> None:
        self.release()
        self._stopped.set()
        self.down()

    def hold(self) -> None:
        self._released.clear()

    def release(self) -> None:
        self._released.set()

    def event_ids(self, taken: bool = True) -> list[str]:
        """The events in order of arrival, repeated ones too; only those it said it took, or all."""
        with self._changed:
            return [event.event_id for event in self.received if event.taken or not taken]

    def wait_for(self, number: int, seconds: float = 10.0) -> list[Received]:
        """Waits until so many deliveries arrived; AssertionError where they do not come in time."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while len(self.received) < number:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(self.received)} of {number} events came within {seconds} s"
                self._changed.wait(left)
            return list(self.received)

    def take(self, handler: "_Handler") -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body, at = handler.rfile.read(length), time.monotonic()
        self.reached.release()
        event_id = headers.get("ce-id", "")
        self._released.wait(30)
        time.sleep(self.delay)
        status = self.statuses.get(event_id, self.status)
        silent = self.mute or event_id in self.hanging
        taken = 200 <= status < 300 and not silent
        with self._changed:
            self.received.append(Received(handler.path, headers, body, at, taken))
            self._changed.notify_all()
        if event_id in self.hanging:
            self._stopped.wait(30)
        if silent:
            handler.close_connection = True
            return
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()


class _Server(CuttableServer):
    sink: Sink


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 60
    server: _Server

    def do_POST(self) -> None:
        self.server.sink.take(self)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
