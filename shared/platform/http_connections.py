"""HTTP connections that are kept, and used again while they are good."""

import http.client
import select
import socket
import ssl
import time
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from shared.platform import tcp
from shared.platform.deadlines import deadlines

# Seconds. What lies between may forget an idle connection and tell nobody; a new one costs a round trip, a forgotten one
# the whole time-out. Firewalls and load balancers remember for a minute or more.
LONGEST_IDLE = 30.0
# Idle connections that are kept to one place: as many as a function has threads and senders of events.
MOST_IDLE = 32


class Place(NamedTuple):
    """Where a connection leads: scheme, host and port of a URL."""

    scheme: str
    host: str
    port: int


class Connection(http.client.HTTPConnection):
    """One connection. While it is in use it is watched: what is waited for beyond its call's deadline is cut."""

    def __init__(self, place: Place) -> None:
        super().__init__(place.host, place.port)
        self.default_port = 443 if place.scheme == "https" else 80
        self.place = place
        self._used_at = 0.0
        self._deadline = 0.0
        self._readable = select.poll()
        # The library lets go of `sock` while the last answer is still being read.
        self._watched: socket.socket | None = None

    def begin(self, deadline: float) -> None:
        """A call begins, which must be over at `deadline` (monotonic clock)."""
        self._deadline = deadline
        deadlines.begin(self, deadline)

    def end(self) -> bool:
        """The call is over; whether it was in time."""
        self._used_at = time.monotonic()
        return deadlines.end(self)

    def connect(self) -> None:
        """Opens it within the call's time."""
        place = self.place
        self._watched = self.sock = tcp.connected(place.host, place.port, self._deadline, socket.socket)
        self.sock.settimeout(None)
        if place.scheme == "https":
            # The handshake comes after: while a socket is wrapped there is nothing to cut.
            tls = ssl.create_default_context().wrap_socket(
                self.sock, server_hostname=place.host, do_handshake_on_connect=False
            )
            self._watched = self.sock = tls
            tls.do_handshake()
        self._readable.register(self.sock, select.POLLIN)

    def cut(self) -> None:
        """Has whoever waits for the other side fail at once. Whoever still connects has a time-out for that."""
        if self._watched is not None:
            with suppress(OSError):  # the other side was faster
                # Of the plain socket: that of TLS would take apart what the waiting thread works with.
                socket.socket.shutdown(self._watched, socket.SHUT_RDWR)

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
