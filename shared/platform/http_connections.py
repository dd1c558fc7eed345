"""HTTP connections that are kept, and used again while they are good."""

import select
import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from typing import Any, NamedTuple

from shared.platform import tcp
from shared.platform.deadlines import deadlines
from shared.platform.http_messages import Incoming

# Seconds. What lies between may forget an idle connection and tell nobody; a new one costs a round trip, a forgotten one
# the whole time-out. Firewalls and load balancers remember for a minute or more.
LONGEST_IDLE = 30.0
# Idle connections that are kept to one place: as many as a function has threads and senders of events.
MOST_IDLE = 32


DEFAULT_PORTS = {"http": 80, "https": 443}


class Place(NamedTuple):
    """Where a connection leads: scheme, host and port of a URL."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As a request's header Host has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


class Broken(Exception):
    """The connection broke, or what came over it is not HTTP: it may have been closed before the request came."""


class Connection:
    """One connection. While it is in use it is watched: what is waited for beyond its call's deadline is cut."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.is_open = False
        self._socket: Any = None  # until it is open
        self._used_at = 0.0
        self._deadline = 0.0
        self._readable = select.poll()

    def begin(self, deadline: float) -> None:
        """A call begins, which must be over at `deadline` (monotonic clock)."""
        self._deadline = deadline
        deadlines.begin(self, deadline)

    def end(self) -> bool:
        """The call is over; whether it was in time."""
        self._used_at = time.monotonic()
        return deadlines.end(self)

    def open(self) -> None:
        """Opens it within the call's time. Raises OSError."""
        place = self.place
        plain = tcp.connected(place.host, place.port, self._deadline, socket.socket)
        plain.settimeout(None)
        self._may_be_cut(plain)
        if place.scheme == "https":
            # The handshake comes after: while a socket is wrapped there is nothing to cut.
            context = ssl.create_default_context()
            tls = context.wrap_socket(plain, server_hostname=place.host, do_handshake_on_connect=False)
            self._may_be_cut(tls)
            tls.do_handshake()
        self._readable.register(self._socket, select.POLLIN)
        self.is_open = True

    def _may_be_cut(self, opened: socket.socket) -> None:
        """From here on `cut` reaches this socket. Raises TimeoutError where it may have come before, and in vain."""
        self._socket = opened
        if time.monotonic() >= self._deadline:
            raise TimeoutError

    def ask(self, request: bytes) -> Incoming:
        """Sends a request, and gives the answer as soon as its head is there. Raises OSError, Broken or ValueError."""
        answer = Incoming()
        self._socket.sendall(request)
        while not answer.has_head:
            self._receive(answer)
        return answer

    def read(self, answer: Incoming, most: int) -> bytes:
        """At most so many bytes of an answer's body, from its beginning. Raises as `ask`."""
        while not answer.complete and len(answer.body) < most:
            self._receive(answer)
        return bytes(answer.body[:most])

    def _receive(self, answer: Incoming) -> None:
        received = self._socket.recv(65536)
        if received:
            answer.feed(received)
        elif answer.ends_with_connection:
            answer.complete = True
        else:
            raise Broken("the answer is cut off" if answer.has_head else "no answer came before the end")

    def cut(self) -> None:
        """Has whoever waits for the other side fail at once. Whoever still connects has a time-out for that."""
        if self._socket is not None:
            with suppress(OSError):  # the other side was faster
                # Of the plain socket: that of TLS would take apart what the waiting thread works with.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        self.is_open = False
        if self._socket is not None:
            self._socket.close()

    def may_be_used(self) -> bool:
        """Whether it was used a short while ago, and the other side has neither closed it nor says what nobody asked for."""
        return time.monotonic() - self._used_at < LONGEST_IDLE and not self._readable.poll(0)


class Connections:
    """The idle connections of this process, by where they lead."""

    def __init__(self) -> None:
        self._idle: dict[Place, deque[Connection]] = {}

    def take(self, place: Place) -> Connection:
        """The connection that was used last, if it may be used again, or a new one that is not open yet."""
        idle = self._idle.get(place)
        while idle:
            with suppress(IndexError):  # another thread was faster
                connection = idle.pop()
                if connection.may_be_used():
                    return connection
                connection.close()
        return Connection(place)

    def give_back(self, connection: Connection) -> None:
        """Keeps a connection whose last answer was read to its end."""
        idle = self._idle.setdefault(connection.place, deque())
        if len(idle) < MOST_IDLE:
            idle.append(connection)
        else:
            connection.close()
