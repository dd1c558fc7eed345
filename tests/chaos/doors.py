"""The front doors of a storm over several cells, each a process that is killed and comes again on its port."""

import json
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from local import front_door, front_door_cells
from local.ports import HOST, pick
from shared.rules.cells import Cell

OPEN_WITHIN = 20.0


class Door:
    """One Envoy, on a free port. `write` writes its configuration into a folder, for a port, and gives its bootstrap."""

    def __init__(self, write: Callable[[Path, int], Path]) -> None:
        self.port = pick(1)[0]
        self.falls = 0
        self._lock = threading.Lock()
        self._folder = tempfile.TemporaryDirectory(prefix="front-door-")
        folder = Path(self._folder.name)
        self._log = (folder / "envoy.log").open("ab")
        self._command = front_door.command(write(folder, self.port))
        self._process = self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._folder.cleanup()

    def fall(self, seconds: float) -> None:
        """Killed, and back after that long."""
        with self._lock:
            self.falls += 1
            self._process.kill()
            self._process.wait()
            time.sleep(seconds)
            self._process = self._start()
            self.wait_until_open()

    def wait_until_open(self) -> None:
        """Until connections are taken; raises AssertionError where it ends or takes too long."""
        deadline = time.monotonic() + OPEN_WITHIN
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection((HOST, self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"the front door at port {self.port} does not open")

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log)


def of_one_cell(functions: Mapping[str, Sequence[int]]) -> Door:
    """A cell's own front door, with every instance of each function behind it."""

    def write(folder: Path, port: int) -> Path:
        bootstrap = front_door.write(folder, port, {name: ports[0] for name, ports in functions.items()})
        written = json.loads(bootstrap.read_text(encoding="utf-8"))
        for cluster in written["static_resources"]["clusters"]:
            endpoints = [_endpoint(each) for each in functions[cluster["name"]]]
            cluster["load_assignment"]["endpoints"] = [{"lb_endpoints": endpoints}]
        bootstrap.write_text(json.dumps(written), encoding="utf-8")
        return bootstrap

    return Door(write)


def of_cells(cells: Sequence[Cell]) -> Door:
    """The front door of all these cells, by their addresses."""
    return Door(lambda folder, port: front_door_cells.write(folder, port, cells))


def _endpoint(port: int) -> dict[str, object]:
    return {"endpoint": {"address": {"socket_address": {"address": HOST, "port_value": port}}}}
