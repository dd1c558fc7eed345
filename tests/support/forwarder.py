"""A network between two sides, as a process of its own: `python -m tests.support.forwarder PORT ADDRESS=TARGET ...`.

Listens on PORT of each ADDRESS and forwards what comes to the port TARGET of the loopback address. A line on its standard
input says how long a connection may be idle from now on before it is forgotten, in seconds (`inf`: for ever; an empty line
changes nothing), and is answered with how many were forgotten so far. It ends with its standard input.

What is forgotten is not closed: the kernel drops every packet that arrives on either side of it, as a firewall does with a
flow that it no longer knows. Nothing is acknowledged any more, keep-alives neither, and an end is not heard.
"""

import asyncio
import resource
import socket
import struct
import sys
import time
from functools import partial

from local.ports import HOST

LOOKS_EVERY = 0.02
IP_MINTTL = 21  # linux/in.h; Python has no name for it
# Packets with a shorter time to live are dropped where they arrive (ip(7), RFC 5082), and so are all: it begins at 64.
LONGEST_TIME_TO_LIVE = 255


class Flows:
    """All connections. `limit`: how long one may be idle, in seconds."""

    def __init__(self) -> None:
        self.limit = float("inf")
        self.open: set[Connection] = set()
        self.forgotten: list[Connection] = []  # kept, so that nothing closes them

    async def forget(self) -> None:
        while True:
            await asyncio.sleep(LOOKS_EVERY)
            before = time.monotonic() - self.limit
            for connection in [each for each in self.open if each.used < before]:
                connection.drop()
                self.open.discard(connection)
                self.forgotten.append(connection)


class Side(asyncio.Protocol):
    """One end of a connection; what it hears, the other end says."""

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self.transport: asyncio.Transport | None = None
        self.other: Side

    @property
    def lives(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._connection.begun(self)

    def data_received(self, data: bytes) -> None:
        self._connection.used = time.monotonic()
        if self.other.transport is not None:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, failure: Exception | None) -> None:
        self._connection.ended(self.other, broken=failure is not None)

    def set(self, level: int, option: int, value: int | bytes) -> None:
        if self.transport is not None:
            self.transport.get_extra_info("socket").setsockopt(level, option, value)


class Connection:
    """From the one who called (`near`) to the server behind (`far`)."""

    def __init__(self, flows: Flows, target: int) -> None:
        self._flows = flows
        self._target = target
        self.used = time.monotonic()
        self.near, self.far = Side(self), Side(self)
        self.near.other, self.far.other = self.far, self.near
        self._reaching: asyncio.Task[None] | None = None

    def begun(self, side: Side) -> None:
        if side is self.near:
            self._flows.open.add(self)
            self._reaching = asyncio.create_task(self._reach())
        elif not self.near.lives:
            self.ended(self.far, broken=False)
        elif self.near.transport is not None:
            self.near.transport.resume_reading()

    async def _reach(self) -> None:
        assert self.near.transport is not None
        self.near.transport.pause_reading()
        try:
            await asyncio.get_running_loop().create_connection(lambda: self.far, HOST, self._target)
        except OSError:
            self.ended(self.near, broken=True)

    def ended(self, side: Side, broken: bool) -> None:
        """This side has yet to hear of it: as an end, or as a reset, such as a port gives where nobody listens."""
        self._flows.open.discard(self)
        if side.transport is None or not side.lives:
            return
        if broken:
            side.set(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            side.transport.abort()
        else:
            side.transport.close()

    def drop(self) -> None:
        """From now on whatever comes from either side is as if it had never come."""
        for side in (self.near, self.far):
            if side.lives:
                side.set(socket.IPPROTO_IP, IP_MINTTL, LONGEST_TIME_TO_LIVE)


async def _serve(port: int, doors: dict[str, int]) -> None:
    loop, flows = asyncio.get_running_loop(), Flows()
    for address, target in doors.items():
        await loop.create_server(partial(_accepted, flows, target), address, port, backlog=512)
    forgetting = asyncio.create_task(flows.forget())
    words = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    print("listening", flush=True)
    while line := (await words.readline()).decode():
        if limit := line.strip():
            flows.limit = float(limit)
        print(len(flows.forgotten), flush=True)
    forgetting.cancel()


def _accepted(flows: Flows, target: int) -> Side:
    return Connection(flows, target).near


def main() -> None:
    port, *doors = sys.argv[1:]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    leads = (door.partition("=") for door in doors)
    asyncio.run(_serve(int(port), {address: int(target) for address, _, target in leads}))


if __name__ == "__main__":
    main()
