"""The wire between a function and PostgreSQL: counts round trips, freezes, and cuts at a chosen moment."""

import contextlib
import select
import socket
import threading
from typing import Self

HOST = "127.0.0.1"


class Wire:
    """Forwards connections to a server. `round_trips` counts how often this side spoke after the other had."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.round_trips = 0
        self.connections = 0
        self._cut: dict[bytes, bool] = {}
        self.cut_happened = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._forgotten = 0  # connections up to this number
        self._ended = threading.Event()
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Nothing goes through any more, and new connections are refused."""
        self._ended.set()
        self._flowing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut_before(self, words: str) -> None:
        """Cuts the next connection that sends these words, before the server sees them."""
        self._cut[words.encode()] = False

    def cut_after(self, words: str) -> None:
        """Lets the next statement with these words be carried out, and cuts the connection instead of the answer."""
        self._cut[words.encode()] = True

    def freeze(self) -> None:
        """Nothing goes through any more, and nothing is closed, until `thaw`."""
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def forget(self) -> None:
        """Nothing goes through the connections of now any more, and nothing is closed; new ones work, as when a firewall
        forgot the old."""
        self._forgotten = self.connections

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._forward, args=(client, self.connections), daemon=True).start()

    def _forward(self, client: socket.socket, number: int) -> None:
        with client, socket.create_connection((HOST, self._target)) as server, contextlib.suppress(OSError):
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asked = False
            while not self._ended.is_set():
                readable, _, _ = select.select([client, server], [], [], 1.0)
                self._flowing.wait()
                if self._ended.is_set():
                    return
                for side in readable:
                    sent = side.recv(1 << 16)
                    if number <= self._forgotten:
                        continue
                    if not sent:
                        return
                    if side is client and not asked and sent[:1] != b"X":
                        self.round_trips += 1
                    asked = side is client
                    if side is client and (words := self._words_in(sent)) and self._cut_at(words, server, sent):
                        return
                    (server if side is client else client).sendall(sent)

    def _words_in(self, sent: bytes) -> bytes | None:
        return next((words for words in self._cut if words in sent), None)

    def _cut_at(self, words: bytes, server: socket.socket, sent: bytes) -> bool:
        if self._cut.pop(words):
            server.sendall(sent)
            server.recv(1)  # it has answered: the statement is committed
        self.cut_happened.set()
        return True
