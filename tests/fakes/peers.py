"""Peers of the tests' own, below HTTP: addresses that say nothing, and servers that do what a function says."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextlib.contextmanager
def peer(behave: Callable[[socket.socket], None], host: str = HOST, port: int = 0) -> Iterator[int]:
    """Listens, does with each connection what `behave` says, on a thread of its own, and gives the port."""
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    opened: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):  # that the other side hangs up is what these tests are about
            behave(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                opened.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join(10)
        for each in (listening, *opened):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextlib.contextmanager
def silent(host: str, port: int) -> Iterator[None]:
    """An address that does not even take a connection: as many wait there as fit, and the system drops the rest."""
    with contextlib.ExitStack() as held:
        listening = held.enter_context(socket.create_server((host, port), backlog=0))
        for _ in range(3):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield


def answers(connection: socket.socket) -> None:
    """Answers each request of a connection with `{}`; its body is not looked at."""
    connection.settimeout(30)
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
        while b"\r\n\r\n" in received:
            received = received.partition(b"\r\n\r\n")[2]
            connection.sendall(OK)


def says_nothing(connection: socket.socket) -> None:
    """Takes the connection, and reads nothing of it."""


def reads_and_says_nothing(connection: socket.socket) -> None:
    connection.settimeout(30)
    while connection.recv(65536):
        pass


def drips(text: bytes, pause: float = 0.05) -> Callable[[socket.socket], None]:
    """Sends this a byte at a time, whatever it is asked."""

    def behave(connection: socket.socket) -> None:
        ended = threading.Event()
        for position in range(len(text)):
            connection.sendall(text[position : position + 1])
            ended.wait(pause)

    return behave
