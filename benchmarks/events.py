"""Whether events keep pace with charges: so many clients charge as fast as they are answered, and the sink takes its time.

    .venv/bin/python -m benchmarks.events [--seconds 20] [--clients 8] [--takes 0.05] [--no-sink]

Real throughout: PostgreSQL with fsync, create_payment and sweep as the image serves them (gunicorn.conf.py), a sweep every
second. The sink, a process of its own, tells how long after its commit each event came, and how often.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
import uuid
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException
from statistics import quantiles

import psutil

from local.ports import HOST, pick
from local.postgres import Postgres
from tests.support.cluster import Place, migrate
from tests.support.functions import AsInTheImage, Functions

UNDELIVERED = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures whether events keep pace with charges.")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--takes", type=float, default=0.05)
    parser.add_argument("--no-sink", action="store_true")
    options = parser.parse_args()
    with ExitStack() as ending:
        server = ending.enter_context(Postgres.temporary(fsync=True))
        server.create_database("payments")
        migrate(server, "payments")
        place = Place(server, "payments")
        ending.callback(place.sql.close)
        [port] = pick(1)
        neighbours = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.neighbours", str(port), str(options.takes)], stdout=subprocess.PIPE
        )
        ending.callback(neighbours.kill)
        assert neighbours.stdout is not None
        neighbours.stdout.readline()
        settings = place.environment | {"RATE_LIMIT": "", "GATEWAY": "simulated", "LOG_LEVEL": "WARNING"}
        settings |= {"TRIP_SERVICE_URL": f"http://{HOST}:{port}"}
        settings |= {"K_SINK": "" if options.no_sink else f"http://{HOST}:{port}/"}
        functions = ending.enter_context(AsInTheImage(["create_payment", "sweep"], settings))
        threading.Thread(target=_sweep_every_second, args=(functions.ports["sweep"],), daemon=True).start()
        took, elapsed = _charge(functions, options.clients, options.seconds)
        cuts = quantiles(took, n=100)
        print(
            f"{len(took) / elapsed:.0f} charges/s; answers: median {1000 * cuts[49]:.1f} ms, p99 {1000 * cuts[98]:.1f} ms"
        )
        _processor(functions, server, len(took))
        if not options.no_sink:
            began = time.monotonic()
            left = place.sql.value(UNDELIVERED)
            while place.sql.value(UNDELIVERED):
                time.sleep(0.02)
            print(
                f"{left} events were undelivered when the last was answered, none {time.monotonic() - began:.2f} s later"
            )
            _tell(port, len(took))


def _charge(functions: Functions, clients: int, seconds: float) -> tuple[list[float], float]:
    """How long each answer took, and all of them together."""
    took: list[float] = []
    over = threading.Event()

    def work() -> None:
        connection = HTTPConnection(HOST, functions.ports["create_payment"])
        body = json.dumps({"trip_id": 7, "method": "CARD", "amount": 150.00})
        while not over.is_set():
            began = time.monotonic()
            headers = {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())}
            connection.request("POST", "/payments", body, headers)
            response = connection.getresponse()
            response.read()
            assert response.status == 201, response.status
            took.append(time.monotonic() - began)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    over.set()
    for thread in threads:
        thread.join()
    return took, time.monotonic() - began


def _sweep_every_second(port: int) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/clock", "ce-type": "sweep"}
    while True:
        time.sleep(1)
        connection = HTTPConnection(HOST, port, timeout=60)
        try:
            connection.request("POST", "/", b"{}", headers | {"Content-Type": "application/json"})
            connection.getresponse().read()
        except (OSError, HTTPException) as failure:
            print(f"a sweep was not answered: {failure!r}")


def _processor(functions: Functions, server: Postgres, charges: int) -> None:
    root = psutil.Process(functions.process("create_payment").pid)
    ours = sum(sum(each.cpu_times()[:2]) for each in [root, *root.children()])
    database = sum(sum(process.cpu_times()[:2]) for process in server.processes())
    print(
        f"processor per charge: {1000 * ours / charges:.2f} ms create_payment, {1000 * database / charges:.2f} ms PostgreSQL"
    )


def _tell(port: int, charges: int) -> None:
    connection = HTTPConnection(HOST, port)
    connection.request("GET", "/")
    heard = json.loads(connection.getresponse().read())
    late = quantiles(heard["late"], n=100)
    print(
        f"{heard['events']} of {charges} events came, {heard['again']} of them again; after their commit: median"
        f" {1000 * late[49]:.0f} ms, p99 {1000 * late[98]:.0f} ms, the last {1000 * max(heard['late']):.0f} ms"
    )


if __name__ == "__main__":
    main()
