"""How long a backlog takes: abandoned charges, a gateway that comes back after an outage, and one sweep a minute.

    .venv/bin/python -m benchmarks.backlog [--claims 10000] [--returns-after 45.5] [--pool 8] [--answers-in 0.1]

Real throughout: PostgreSQL with fsync, the gateway of the tests as a process of its own, sweep as the image serves it
(gunicorn.conf.py), called as its clock on Kubernetes does. The gateway refuses connections until `--returns-after` seconds
after a sweep began; 45.5, when that sweep has just given up and the next is furthest away, is the worst moment of the minute.
"""

import argparse
import os
import subprocess
import sys
import threading
import time
import uuid
from http.client import HTTPConnection
from pathlib import Path

import psutil

from local.ports import HOST, pick
from local.postgres import Postgres
from tests.fakes.sink import Sink
from tests.sql.rows import abandoned_charges
from tests.support.cluster import Place, migrate

CHECKOUT = Path(__file__).parent.parent
OPEN = "SELECT count(*) FROM idempotency_keys WHERE answer_status IS NULL"
UNDELIVERED = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"
MINUTE = 60.0
PATIENCE = 55.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures how long a backlog of abandoned charges takes.")
    parser.add_argument("--claims", type=int, default=10_000)
    parser.add_argument("--returns-after", type=float, default=45.5)
    parser.add_argument("--pool", type=int, default=8)
    parser.add_argument("--answers-in", type=float, default=0.1)
    options = parser.parse_args()
    with Postgres.temporary(fsync=True) as server, Sink() as sink:
        server.create_database("payments")
        migrate(server, "payments")
        place = Place(server, "payments")
        abandoned_charges(place.sql, options.claims)
        place.sql.run("VACUUM ANALYZE")
        gateway_port, sweep_port = pick(2)
        sweep = _start_sweep(place, sink, gateway_port, sweep_port, options.pool)
        processes = [sweep]
        try:
            _wait_until_ready(sweep_port)
            over = threading.Event()
            threading.Thread(target=_clock, args=(sweep_port, over), daemon=True).start()
            time.sleep(options.returns_after)
            left = place.sql.value(OPEN)
            gateway = _start_gateway(gateway_port, options.answers_in)
            processes.append(gateway)
            print(
                f"the gateway is back; {left} charges are open, {sum(_cpu(sweep)):.1f} s of processor time for the outage"
            )
            _watch(place, sweep, gateway, server)
            over.set()
        finally:
            for process in processes:
                process.kill()
                process.wait()
            place.sql.close()


def _start_sweep(place: Place, sink: Sink, gateway_port: int, port: int, pool: int) -> subprocess.Popen[bytes]:
    environment = {
        **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        **place.environment,
        "PYTHONPATH": str(CHECKOUT),
        "PORT": str(port),
        "FUNCTION_SOURCE": str(CHECKOUT / "functions/sweep/main.py"),
        "FUNCTION_TARGET": "sweep",
        "DB_POOL_SIZE": str(pool),
        "GATEWAY": "stripe",
        "STRIPE_API_KEY": "sk_test_backlog",
        "STRIPE_API_BASE": f"http://{HOST}:{gateway_port}",
        "K_SINK": sink.url,
    }
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "functions_framework:create_app()"]
    with Path("/tmp/backlog-sweep.log").open("wb") as log:
        return subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=log, stderr=log)


def _start_gateway(port: int, answers_in: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.fakes.gateway", "--port", str(port)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    connection = HTTPConnection(HOST, port)
    connection.request("POST", "/_control", f'{{"slow": 1, "slow_seconds": {answers_in}}}')
    assert connection.getresponse().status == 200
    connection.close()
    return process


def _wait_until_ready(port: int) -> None:
    while True:
        try:
            connection = HTTPConnection(HOST, port, timeout=2)
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.05)


def _clock(port: int, over: threading.Event) -> None:
    """A sweep a minute; one that is still running when its minute comes is not joined by another (Forbid)."""
    began = time.monotonic()
    while not over.is_set():
        called = time.monotonic()
        try:
            status = str(_tick(port))
        except OSError as failure:
            status = repr(failure)
        print(f"  a sweep was answered {status} after {time.monotonic() - called:.1f} s", flush=True)
        over.wait(MINUTE - (time.monotonic() - began) % MINUTE)


def _tick(port: int) -> int:
    headers = {"Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": str(uuid.uuid4())}
    headers |= {"ce-source": "/payment-service/timer", "ce-type": "com.ridehailing.payment.sweep"}
    connection = HTTPConnection(HOST, port, timeout=PATIENCE)
    connection.request("POST", "/", b"{}", headers)
    return connection.getresponse().status


def _watch(place: Place, sweep: subprocess.Popen[bytes], gateway: subprocess.Popen[bytes], server: Postgres) -> None:
    began = time.monotonic()
    before = sum(_cpu(sweep))
    left = place.sql.value(OPEN)
    while left:
        time.sleep(0.5)
        now = place.sql.value(OPEN)
        took = time.monotonic() - began
        if int(took) % 10 == 0 and now != left:
            print(f"  {took:5.1f} s: {now} left", flush=True)
        left = now
    took = time.monotonic() - began
    machine = {
        "sweep": sum(_cpu(sweep)) - before,
        "gateway": sum(_cpu(gateway)),
        "PostgreSQL": sum(sum(process.cpu_times()[:2]) for process in server.processes()),
    }
    worker = psutil.Process(sweep.pid).children()[0]
    print(f"all are settled {took:.1f} s after the gateway's return; {place.sql.value(UNDELIVERED)} events undelivered")
    print("processor seconds: " + ", ".join(f"{name} {seconds:.1f}" for name, seconds in machine.items()))
    print(f"sweep holds {worker.memory_info().rss >> 20} MiB and {worker.num_threads()} threads")
    print("status of payments: " + str(place.sql.run("SELECT status, count(*) FROM payments GROUP BY 1")))


def _cpu(process: subprocess.Popen[bytes]) -> tuple[float, ...]:
    """User and system seconds of a process and those it started."""
    root = psutil.Process(process.pid)
    return tuple(seconds for each in [root, *root.children()] for seconds in each.cpu_times()[:2])


if __name__ == "__main__":
    main()
