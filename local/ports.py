"""Free ports, where the kernel will not give them to an outgoing connection while a process is being started again."""

import random
import socket
from collections.abc import Collection
from pathlib import Path

HOST, HOST_6 = "127.0.0.1", "::1"
LOWEST, HIGHEST = 10_000, 65_535


def _outside_ephemeral() -> range:
    """The larger of the two ranges around the one that outgoing connections get their ports from."""
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
        low, high = (int(word) for word in text.split())
    except OSError:
        low, high = 32_768, HIGHEST
    below, above = range(LOWEST, low), range(high + 1, HIGHEST + 1)
    larger = below if len(below) >= len(above) else above
    return larger if len(larger) >= 1000 else range(LOWEST, HIGHEST + 1)


def addresses() -> list[str]:
    """The loopback addresses of this machine: `localhost` is both where it speaks IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((HOST_6, 0))
    except OSError:
        return [HOST]
    return [HOST, HOST_6]


def free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1, and we may."""
    return refusal(port) is None


def refusal(port: int, address: str = HOST) -> OSError | None:
    """Why nobody can listen on this port of the address, if so: another program does, or this account may not."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as refused:
            return refused
        return None


def pick(count: int, but: Collection[int] = (), turn: tuple[int, int] = (0, 1)) -> list[int]:
    """That many different free ports, at random so that two starts at once hardly meet. Never one of `but`: somebody will
    listen there. Starts that are known to come at once never meet where each has a `turn` of its own, (0, 2) and (1, 2)."""
    first, step = turn
    candidates = [port for port in _outside_ephemeral()[first::step] if port not in but]
    random.SystemRandom().shuffle(candidates)
    picked: list[int] = []
    for port in candidates:
        if len(picked) == count:
            break
        if free(port):
            picked.append(port)
    return picked
