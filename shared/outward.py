"""HTTP calls to other services, each bounded as a whole."""

import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

LARGEST_REPLY = 1 << 20
TICK = 0.05


class NoReply(Exception):
    """No whole answer came in time. Whether the request was carried out is unknown."""


@dataclass(frozen=True)
class Reply:
    """A whole answer. `repeated`: the request was sent before, and may have been carried out then."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    repeated: bool = False


def send(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: float
) -> urllib3.BaseHTTPResponse:
    """Sends one request over urllib3, and returns the answer still to be read. The time-out, seconds, is for each step."""
    return _pools.urlopen(
        method,
        url,
        headers=headers,
        body=body,
        timeout=urllib3.Timeout(connect=timeout, read=timeout),
        retries=False,
        redirect=False,
        preload_content=False,
    )


Send = Callable[[str, str, Mapping[str, str], bytes | None, float], urllib3.BaseHTTPResponse]


def call(
    method: str,
    url: str,
    *,
    timeout: float,
    headers: Mapping[str, str],
    body: bytes | None = None,
    through: Send = send,
) -> Reply:
    """Makes one HTTP call and returns the whole answer within `timeout` seconds, or raises NoReply.

    Redirects are not followed. A connection that turns out to be closed is tried once more, so only requests that may be
    repeated belong here: reads, and writes with an idempotency key. No proxy or password is read from the environment.
    """
    deadline = time.monotonic() + timeout
    with _watch.until(deadline):
        try:
            return _call_once(through, method, url, deadline, headers, body)
        except urllib3.exceptions.ProtocolError as failure:
            if time.monotonic() >= deadline:
                raise NoReply(_kind(failure)) from failure
        except _FAILURES as failure:
            raise NoReply(_kind(failure)) from failure
        try:
            return replace(_call_once(through, method, url, deadline, headers, body), repeated=True)
        except _FAILURES as failure:
            raise NoReply(_kind(failure)) from failure


_FAILURES = (urllib3.exceptions.HTTPError, OSError, ValueError)


def _call_once(
    through: Send, method: str, url: str, deadline: float, headers: Mapping[str, str], body: bytes | None
) -> Reply:
    left = deadline - time.monotonic()
    if left <= 0:
        raise NoReply("no answer in time")
    response = through(method, url, headers, body, left)
    try:
        whole = response.read(LARGEST_REPLY + 1)
        if len(whole) > LARGEST_REPLY or time.monotonic() > deadline:
            raise NoReply("the answer is too long, or came too slowly")
        response.drain_conn()
        return Reply(response.status, whole, response.headers)
    except BaseException:
        response.close()
        raise
    finally:
        response.release_conn()


def _kind(failure: Exception) -> str:
    """What went wrong, without the address and whatever it holds."""
    return type(failure).__name__


class _Watch:
    """Cuts connections whose call is overdue: a time-out of the HTTP library begins anew with every byte, so a peer that
    drips would hold a request for ever. The thread starts with the first call, never at import."""

    def __init__(self) -> None:
        self._calls: dict[int, _Call] = {}
        self._begun = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._resolvers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolver")

    def until(self, deadline: float) -> "_Call":
        return _Call(self, deadline)

    def begin(self, call: "_Call") -> None:
        self._calls[threading.get_ident()] = call
        self._begun.set()
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="outward-watch", daemon=True)
                    with suppress(RuntimeError):  # Python 3.12 starts no thread while a process ends
                        self._thread.start()

    def end(self) -> None:
        self._calls.pop(threading.get_ident(), None)

    def uses(self, connection: socket.socket | None) -> None:
        """The call of this thread goes through this connection. Nothing is sent any more when it is overdue."""
        call = self._calls.get(threading.get_ident())
        if call is not None:
            call.connection = connection
            if time.monotonic() > call.deadline:
                raise TimeoutError("the call is overdue")

    def resolve(self, host: str, port: int) -> None:
        """Looks a name up, on another thread, since the system's resolver cannot be told to hurry. Raises TimeoutError."""
        call = self._calls.get(threading.get_ident())
        if call is None:
            return
        try:
            looking = self._resolvers.submit(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM)
        except RuntimeError:  # the process ends; nobody waits any more but the publisher, within its grace
            return
        looking.result(max(0.0, call.deadline - time.monotonic()))

    def _work(self) -> None:
        while True:
            if not self._calls:
                self._begun.clear()
                if not self._calls:
                    self._begun.wait()
            now = time.monotonic()
            for call in list(self._calls.values()):
                if now > call.deadline:
                    call.cut()
            time.sleep(TICK)


class _Call:
    """One call under watch."""

    def __init__(self, watch: _Watch, deadline: float) -> None:
        self._watch = watch
        self.deadline = deadline
        self.connection: socket.socket | None = None

    def __enter__(self) -> None:
        self._watch.begin(self)

    def __exit__(self, *_: object) -> None:
        self._watch.end()

    def cut(self) -> None:
        connection = self.connection
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


_watch = _Watch()


class _Watched:
    """A connection that is opened and used only as long as the call may last."""

    def request(self: Any, *arguments: Any, **options: Any) -> None:
        if self.sock is None:
            _watch.resolve(self.host, self.port)
            self.connect()
        _watch.uses(self.sock)
        super().request(*arguments, **options)  # type: ignore[misc]


class _WatchedHTTP(_Watched, HTTPConnection):
    pass


class _WatchedHTTPS(_Watched, HTTPSConnection):
    pass


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _WatchedHTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedHTTPS


WATCHED_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}

_pools = urllib3.PoolManager(num_pools=8, maxsize=32)
_pools.pool_classes_by_scheme = WATCHED_POOLS
