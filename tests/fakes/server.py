"""What the fakes that speak HTTP have in common: a server in threads whose connections can be cut from outside."""

import contextlib
import socket
from http.server import ThreadingHTTPServer
from typing import Any


class CuttableServer(ThreadingHTTPServer):
    """Knows its open connections, and does not mind a client that goes away."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut_all(self) -> None:
        """Ends every open connection, whatever is under way on it."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """Nothing: that the other side hangs up is what some tests are about."""
