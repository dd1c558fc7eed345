"""The whole service on this machine for a benchmark: as the image serves it, with what stands around it on one machine."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil

from local import front_door
from local.place import CHECKOUT
from local.ports import HOST, pick
from local.postgres import Postgres
from local.system import BEHIND_THE_DOOR, FUNCTIONS
from tests.support.cluster import Place, migrate
from tests.support.functions import AsInTheImage

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
STARTS_WITHIN = 30.0


class Stand:
    """Database, functions, front door, clock and neighbours, until `ending` closes. `url` is that of the front door."""

    def __init__(self, ending: ExitStack) -> None:
        self._ending = ending
        self._server = ending.enter_context(Postgres.temporary(fsync=True))
        self._server.create_database("payments")
        migrate(self._server, "payments")
        self.place = Place(self._server, "payments")
        ending.callback(self.place.sql.close)
        self._watching = self.place.connection()
        ending.callback(self._watching.close)
        trips, notifications, door = pick(3)
        self._programs: dict[str, psutil.Process] = {}
        self._start("trips", [sys.executable, "-m", "local.trip_service"], {"PORT": str(trips)})
        self._start("notifications", [sys.executable, "-m", "local.notification_service"], {"PORT": str(notifications)})
        self._functions = ending.enter_context(self._serve(trips, notifications))
        self._start(
            "timer", [sys.executable, "-m", "local.timer"], {"FUNCTION_URL": f"{self._functions.url('sweep')}/"}
        )
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="door-")))
        ports = {name: self._functions.ports[name] for name in BEHIND_THE_DOOR}
        self._start("front door", front_door.command(front_door.write(folder, door, ports)), {})
        self.url = f"http://{HOST}:{door}"
        self._await_health(door)

    def groups(self) -> Mapping[str, list[psutil.Process]]:
        """The processes that are to hold no more after an hour than after a minute, by what they are."""
        found = {name: self._family(self._functions.process(name).pid) for name in FUNCTIONS}
        return found | {"front door": [self._programs["front door"]], "postgres": self._server.processes()}

    def connections(self) -> dict[str, float]:
        """How many connections the functions hold to PostgreSQL."""
        return {"postgres": self._watching.value(CONNECTIONS, (self.place.environment["DB_USER"],))}

    def settle(self, unsettled: str, seconds: float) -> float:
        """Waits, for so many seconds at most, until that query counts nothing; what it counts then."""
        deadline = time.monotonic() + seconds
        while (left := self.place.sql.value(unsettled)) and time.monotonic() < deadline:
            time.sleep(0.2)
        return float(left)

    def totals(self) -> dict[str, Any]:
        """What `GET /metrics` says."""
        with urlopen(f"{self.url}/metrics", timeout=10) as answer:
            said: dict[str, Any] = json.loads(answer.read())
            return said

    def _serve(self, trips: int, notifications: int) -> AsInTheImage:
        # The address of the sink is known when the functions' ports are.
        functions = AsInTheImage(FUNCTIONS, self.place.environment)
        functions.environment |= {
            "TRIP_SERVICE_URL": f"http://{HOST}:{trips}",
            "NOTIFICATION_SERVICE_URL": f"http://{HOST}:{notifications}",
            "K_SINK": functions.url("notify"),
        }
        return functions

    def _start(self, name: str, command: list[str], environment: Mapping[str, str]) -> None:
        kept = {word: os.environ[word] for word in ("PATH", "HOME", "LANG", "TMPDIR") if word in os.environ}
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env=kept | dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._ending.callback(process.wait)
        self._ending.callback(process.kill)
        self._programs[name] = psutil.Process(process.pid)

    def _family(self, pid: int) -> list[psutil.Process]:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]

    def _await_health(self, door: int) -> None:
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            connection = HTTPConnection(HOST, door, timeout=5)
            try:
                connection.request("GET", "/health")
                if connection.getresponse().status == 200:
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise
            finally:
                connection.close()
            assert time.monotonic() < deadline, "the service does not become healthy"
            time.sleep(0.1)
