"""Free ports, where the kernel will not give them to an outgoing connection while a process is being started again."""

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"
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


def free(port: int) -> bool:
    """Whether nobody listens on this port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def pick(count: int) -> list[int]:
    """That many different free ports, at random so that two starts at once hardly meet."""
    candidates = list(_outside_ephemeral())
    random.SystemRandom().shuffle(candidates)
    picked: list[int] = []
    for port in candidates:
        if len(picked) == count:
            break
        if free(port):
            picked.append(port)
    return picked
