"""The processes that a storm kills and revives: functions, and the gateway, which dies of nothing; and how either is asked."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

from local.place import CHECKOUT
from local.ports import HOST, pick
from tests.support.functions import Functions


class Instance:
    """One process of a function, on a port of its own. `up`: clients choose it; one that is frozen still counts as up."""

    def __init__(self, function: str, number: int, environment: dict[str, str]) -> None:
        self.function = function
        self.name = f"{function}-{number}"
        self.up = False
        self.busy = threading.Lock()  # held by whoever is killing, freezing or reviving it
        self.strikes = 0  # odd while it is being struck
        self._functions = Functions([function], environment)

    def __enter__(self) -> "Instance":
        self._functions.__enter__()
        self.up = True
        return self

    def __exit__(self, *_: object) -> None:
        self._functions.stop()

    @property
    def port(self) -> int:
        return self._functions.ports[self.function]

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        return self._functions.process(self.function)

    def signal(self, number: int) -> None:
        self._functions.kill(self.function, number)

    @contextmanager
    def being_struck(self) -> Iterator[None]:
        self.strikes += 1
        try:
            yield
        finally:
            self.strikes += 1

    def unharmed_since(self, strikes: int) -> bool:
        """Whether nobody has struck it since it had had so many, nor had at that moment."""
        return strikes % 2 == 0 and self.strikes == strikes

    def wait_until_ready(self) -> None:
        self._functions.wait_until_ready(self.function)

    def revive(self) -> None:
        self._functions.restart(self.function)
        self.up = True

    def log(self) -> str:
        return self._functions.log(self.function)


class Gateway:
    """The tests' gateway as a process of its own, so that nothing of it dies or waits with the harness."""

    def __init__(self, seed: int) -> None:
        self.port = pick(1)[0]
        command = [sys.executable, "-m", "tests.fakes.gateway", "--port", str(self.port), "--seed", str(seed)]
        self._process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("listening"), "the gateway did not start"

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def control(self, **wanted: Any) -> None:
        status, _, body = ask(self.port, "POST", "/_control", json.dumps(wanted).encode(), {}, 10)
        assert status == 200, body

    def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = json.loads(ask(self.port, "GET", "/_ledger", b"", {}, 60)[2])
        return ledger


def ask(
    port: int, method: str, path: str, body: bytes, headers: Mapping[str, str], patience: float
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own. Raises OSError or HTTPException where no whole answer comes in time."""
    connection = HTTPConnection(HOST, port, timeout=patience)
    try:
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()
