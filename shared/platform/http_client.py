"""HTTP calls to other services, each bounded as a whole."""

import ssl
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from shared.platform import spans
from shared.platform.http_connections import DEFAULT_PORTS, Broken, Connection, Connections, Place
from shared.platform.http_messages import Incoming, written

# Bytes. A page of a gateway's list, a hundred objects, has room in it many times; what is longer is no answer to what is
# asked here, and is given up before it takes up memory.
LARGEST_REPLY = 1 << 20


class NoResponse(Exception):
    """No whole answer came in time. Whether the request was carried out is unknown."""


class TooLong(NoResponse):
    """The answer is longer than LARGEST_REPLY."""


class Response(NamedTuple):
    """An answer as it was meant: the body is what a compressed one holds. `repeated`: the request was sent before, and may
    have been carried out then."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}
    repeated: bool = False


class Exchange(Protocol):
    """An answer whose body is still to be read, as it came: compressed, where it is. Each may raise NoResponse or Broken."""

    status: int

    @property
    def headers(self) -> Mapping[str, str]: ...

    def read(self, most: int) -> bytes:
        """At most so many bytes of the body, from its beginning: all of it, where there are fewer."""

    def end(self) -> None:
        """Keeps the connection where the body was read to its end, and closes it otherwise."""


# Method, URL, headers, body, and until when the answer must have been read (monotonic clock).
Send = Callable[[str, str, Mapping[str, str], bytes | None, float], Exchange]


class _Kept:
    """An exchange over a connection that is kept."""

    def __init__(self, connection: Connection, answer: Incoming) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers
        self._connection = connection
        self._answer = answer

    def read(self, most: int) -> bytes:
        try:
            return self._connection.read(self._answer, most)
        except (OSError, Broken, ValueError) as failure:
            raise _failure(self._connection, failure) from failure

    def end(self) -> None:
        connection, answer = self._connection, self._answer
        if connection.end() and answer.complete and answer.reusable:
            _connections.give_back(connection)
        else:
            connection.close()


def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: float) -> Exchange:
    """Sends one request over a connection that is kept."""
    place, target = _place(url)
    connection = _connections.take(place)
    connection.begin(deadline)
    try:
        message = written(method, place.authority, target, headers, body)
        if not connection.is_open:
            _open(connection)
        return _Kept(connection, connection.ask(message))
    except (OSError, Broken, ValueError) as failure:
        raise _failure(connection, failure) from failure
    except BaseException:
        connection.end()
        connection.close()
        raise


def _open(connection: Connection) -> None:
    try:
        connection.open()
    except ConnectionError as failure:  # nothing was closed, so there is nothing to try again
        raise NoResponse(type(failure).__name__) from failure


def request(
    method: str,
    url: str,
    *,
    timeout: float,
    headers: Mapping[str, str],
    body: bytes | None = None,
    through: Send = send,
    status_says_all: bool = False,
    template: str = "",
) -> Response:
    """Makes one HTTP call and returns the whole answer within `timeout` seconds, or raises NoResponse. Where the status
    says all, the answer has no body, and one that is cut off, or compressed in a way nobody knows, changes nothing.

    Redirects are not followed. A connection that turns out to be closed is tried once more, so only requests that may be
    repeated belong here: reads, and writes with an idempotency key. No proxy or password is read from the environment.
    `template` is the path with names in place of ids: what the call is called in a trace.
    """
    deadline = time.monotonic() + timeout
    with spans.span(f"{method} {template}" if template else method, "client") as span:
        if span is not spans.NOTHING:
            # What a trace may know of a call: not its path, which may hold ids and searches of others.
            span.note({"http.request.method": method, "server.address": urlsplit(url).hostname or ""})
            headers = {**headers, **spans.carried()}
        answer = _call(partial(through, method, url, headers, body, deadline), deadline, status_says_all)
        span.note({"http.response.status_code": answer.status})
        if answer.status >= 400:
            span.fail(str(answer.status))
        return answer


def _call(ask: Callable[[], Exchange], deadline: float, status_says_all: bool) -> Response:
    try:
        try:
            return _call_once(ask, deadline, status_says_all)
        except Broken:
            return _call_once(ask, deadline, status_says_all)._replace(repeated=True)
    except Broken as failure:
        # What went wrong, without the address and whatever it holds.
        raise NoResponse(str(failure)) from failure


def _call_once(ask: Callable[[], Exchange], deadline: float, status_says_all: bool) -> Response:
    if deadline <= time.monotonic():
        raise NoResponse("no answer in time")
    exchange = ask()
    try:
        if status_says_all:
            _pass_over(exchange)
            return Response(exchange.status, headers=exchange.headers)
        return Response(exchange.status, _read(exchange), exchange.headers)
    finally:
        exchange.end()


def _read(exchange: Exchange) -> bytes:
    whole = exchange.read(LARGEST_REPLY + 1)
    if 0 < len(whole) <= LARGEST_REPLY and exchange.headers.get("content-encoding", "identity") != "identity":
        whole = _decoded(whole, exchange.headers)
    if len(whole) > LARGEST_REPLY:
        raise TooLong("the answer is too long")
    return whole


def _decoded(body: bytes, headers: Mapping[str, str]) -> bytes:
    """What a compressed body holds. It was not asked for, so hardly anybody sends one, and what it takes is slow to import."""
    from shared.platform.decoding import NotUnderstood, decoded

    try:
        return decoded(body, headers, LARGEST_REPLY + 1)
    except NotUnderstood as failure:
        raise NoResponse(str(failure)) from failure


def _pass_over(exchange: Exchange) -> None:
    """Takes the body off the connection, so that it can be used again; where that fails, it is closed."""
    try:
        exchange.read(LARGEST_REPLY + 1)
    except (NoResponse, Broken):
        return


def _failure(connection: Connection, failure: Exception) -> NoResponse | Broken:
    """What a failure of a call over a connection means; it is closed."""
    in_time = connection.end()
    connection.close()
    if not in_time or isinstance(failure, TimeoutError):
        return NoResponse("no answer in time")
    if isinstance(failure, ConnectionError | ssl.SSLEOFError):
        return Broken(type(failure).__name__)
    if isinstance(failure, Broken):
        return failure
    return NoResponse(type(failure).__name__ if isinstance(failure, OSError) else str(failure))


def _place(url: str) -> tuple[Place, str]:
    """Where a URL leads, and what is asked for there, to the letter."""
    parts = urlsplit(url)
    target = url.partition("://")[2].removeprefix(parts.netloc)
    place = Place(parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
    return place, target if target.startswith("/") else f"/{target}"


_connections = Connections()
