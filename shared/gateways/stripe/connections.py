"""urllib3's connections, which know when their call must be over.

urllib3's time-outs are for each step: they begin anew with every address of a name and every byte that a peer drips. Here
one deadline covers looking up, connecting, TLS, sending and reading. It is set whenever urllib3 tells a connection the time
that is left, which it does as each request begins. What uses these connections passes `urllib3.Timeout(total=seconds)`.
"""

import socket
import time
from ssl import SSLContext, SSLSocket
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssl_ import create_urllib3_context

from shared.platform import dns, tcp
from shared.platform.http_connections import LONGEST_IDLE


class _TCP(socket.socket):
    """A socket that knows its deadline (monotonic clock): no operation waits beyond it, however many went before."""

    deadline: float | None = None

    def hurry(self) -> None:
        """Gives the next operation what is left. Raises TimeoutError once nothing is."""
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the call is over")
            self.settimeout(left)

    def recv(self, *arguments: Any) -> bytes:
        self.hurry()
        return super().recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self.hurry()
        return super().recv_into(*arguments)

    def send(self, *arguments: Any) -> int:
        self.hurry()
        return super().send(*arguments)

    def sendall(self, *arguments: Any) -> None:
        self.hurry()
        super().sendall(*arguments)


class _TLS(_TCP, SSLSocket):
    pass


class _HTTP(HTTPConnection):
    """A connection that is opened and used only as long as its call may last."""

    sock: Any = None

    @property
    def timeout(self) -> float | None:
        """Seconds that are left."""
        return self._left()

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        """A connection that was given no time has none."""
        self._used = time.monotonic()
        self._deadline = self._used + (seconds or 0.0)
        if self.sock is not None:
            self.sock.deadline = self._deadline

    def _left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    @property
    def is_connected(self) -> bool:
        """Whether it may be used again."""
        return super().is_connected and time.monotonic() - self._used < LONGEST_IDLE

    def _new_conn(self) -> socket.socket:
        try:
            sock = tcp.connected(self._dns_host.strip("[]"), self.port, self._deadline, _TCP, self.socket_options or ())
        except dns.NameUnknown as failure:
            raise NameResolutionError(self.host, self, failure) from failure  # type: ignore[arg-type]
        except TimeoutError as failure:
            raise ConnectTimeoutError(self, str(failure)) from failure
        except OSError as failure:
            raise NewConnectionError(self, "every address refused") from failure
        sock.deadline = self._deadline
        sock.hurry()  # TLS takes over this time-out, for its handshake as a whole
        return sock


class _HTTPS(_HTTP, HTTPSConnection):
    def connect(self) -> None:
        if self.ssl_context is None:
            self.ssl_context = self._context()
        super().connect()
        self.sock.deadline = self._deadline

    def _context(self) -> SSLContext:
        """As urllib3 makes one: certificates are checked, against the host's name."""
        context = create_urllib3_context()
        context.sslsocket_class = _TLS
        if not (self.ca_certs or self.ca_cert_dir or self.ca_cert_data):
            context.load_default_certs()
        return context


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPS


# For `urllib3.PoolManager.pool_classes_by_scheme`.
POOLS = {"http": _HTTPPool, "https": _HTTPSPool}
