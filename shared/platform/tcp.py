"""TCP connections, opened in time."""

import socket
import time
from collections.abc import Iterable
from typing import TypeVar

from shared.platform import dns

S = TypeVar("S", bound=socket.socket)

# A request is one small message, whose answer nobody should wait for longer than it takes.
NO_DELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


def connected(
    host: str,
    port: int,
    deadline: float,
    kind: type[S],
    options: Iterable[tuple[int, int, int | bytes]] = NO_DELAY,
) -> S:
    """A socket of this kind, connected to the first address of the host that takes the connection.

    Each address has its share of the time until `deadline` (monotonic clock), so that one that answers is reached behind any
    number that are silent. Raises dns.NameUnknown, TimeoutError, or the OSError of the last that refused.
    """
    addresses = dns.addresses(host, deadline)
    refusal: OSError | None = None
    for untried in range(len(addresses), 0, -1):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            return _connected(addresses[-untried], port, left / untried, kind, options)
        except OSError as failure:
            refusal = failure
    if refusal is None or deadline <= time.monotonic():
        raise TimeoutError("no address took the connection in time") from refusal
    raise refusal


def _connected(
    address: str, port: int, seconds: float, kind: type[S], options: Iterable[tuple[int, int, int | bytes]]
) -> S:
    sock = kind(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        for option in options:
            sock.setsockopt(*option)
        sock.settimeout(seconds)
        sock.connect((address, port))
    except BaseException:
        sock.close()
        raise
    return sock
