"""What stands beside the functions and is not measured: a Trip Service and a sink that cost next to nothing, from one nginx."""

import os
import subprocess
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Self

from benchmarks.programs import library_path, nginx_module, program
from local.ports import HOST, pick

TRIP = '{"trip_id": 7, "status": "COMPLETED", "distance_km": 10.5, "surge_multiplier": 1.2}'
CONFIGURATION = """
load_module "@MODULE@";
daemon off;
master_process off;
pid "@FOLDER@/nginx.pid";
error_log "@FOLDER@/error.log" crit;
events { worker_connections 2048; }
http {
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 95;
    @TEMPORARY@
    log_format event '$http_ce_id';
    server {
        listen @HOST@:@PORT@ backlog=1024;
        location /trips/ { default_type application/json; return 200 '@TRIP@'; }
        location /slow { access_log "@FOLDER@/events" event; echo_sleep @TAKES@; echo -n; }
        location / { return 204; }
    }
}
"""
PLACES = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Neighbours:
    """`trips` and `sink` are their addresses; `slow_sink` takes `takes` seconds for each event, and remembers their ids."""

    def __init__(self, folder: Path, takes: float = 0.05) -> None:
        [port] = pick(1)
        self.folder = folder
        self.trips = f"http://{HOST}:{port}"
        self.sink = f"http://{HOST}:{port}/"
        self.slow_sink = f"http://{HOST}:{port}/slow"
        temporary = "\n    ".join(f'{name}_temp_path "{folder}/{name}";' for name in PLACES)
        values = {"MODULE": nginx_module("ngx_http_echo_module.so"), "FOLDER": folder, "TEMPORARY": temporary}
        values |= {"HOST": HOST, "PORT": port, "TRIP": TRIP, "TAKES": takes}
        text = CONFIGURATION
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        (folder / "nginx.conf").write_text(text, encoding="utf-8")
        (folder / "events").touch()
        command = [
            program("nginx"),
            "-p",
            str(folder),
            "-c",
            str(folder / "nginx.conf"),
            "-e",
            str(folder / "error.log"),
        ]
        self._process = subprocess.Popen(command, env=os.environ | library_path())
        self._wait(port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def events(self) -> list[str]:
        """The ids of the events that the slow sink took, as often as it did."""
        return (self.folder / "events").read_text(encoding="ascii").split()

    def _wait(self, port: int) -> None:
        while self._process.poll() is None:
            with suppress(OSError):
                connection = HTTPConnection(HOST, port, timeout=1)
                connection.request("GET", "/trips/7")
                connection.getresponse().read()
                return
        raise RuntimeError((self.folder / "error.log").read_text(encoding="utf-8"))
