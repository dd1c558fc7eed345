"""The network between the functions and a server: a forwarding process, so that it neither dies nor waits with the tests."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Self

from local.place import CHECKOUT
from local.ports import pick


class Network:
    """Leads `port` of each address (of the loopback network, 127.0.0.2 and up) to a port of this machine's."""

    def __init__(self, doors: Mapping[str, int]) -> None:
        self.port = pick(1)[0]
        words = [f"{address}={target}" for address, target in doors.items()]
        command = [sys.executable, "-m", "tests.support.forwarder", str(self.port), *words]
        self._process = subprocess.Popen(
            command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self._answer() == "listening", "the network did not start"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @contextmanager
    def forgetting(self, idle: float) -> Iterator[None]:
        """While this lasts, every connection on which nothing was said for so many seconds is forgotten, for good: its packets
        vanish both ways, and nothing is closed. New ones work."""
        self._tell(str(idle))
        try:
            yield
        finally:
            self._tell("inf")

    def forgotten(self) -> int:
        """How many connections were forgotten until now."""
        return self._tell("")

    def _tell(self, limit: str) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{limit}\n")
        return int(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
