"""A storm of instances: 200 instances' pools, all opened within a second, on 20 server connections behind PgBouncer.

    .venv/bin/python -m benchmarks.storm [--instances 200] [--processes 50]
        [--server-connections 20] [--each 8] [--hashed]

Real throughout: PostgreSQL with fsync, Debian's PgBouncer as `knative/components/pgbouncer` configures it, create_payment as
the image serves it, its events delivered. What is not: four instances share a process (benchmarks/instances.py), since 200 want
more memory than this machine has; and they are started beforehand, since their imports alone would take it a minute. Within the
second each instance gets as many requests at once as Knative lets in, and none has a connection yet. A client repeats its
request, with its key, where an answer says when to (`Retry-After`), and where none came. Nothing may be charged twice or never.

PgBouncer is given the password, and so derives its SCRAM secret at each login: the dearest it can be. `--hashed` gives it the
secret, as an operator's pooler has it; PgBouncer 1.25 and later, which knative/ runs, derive it once. For root PgBouncer and
PostgreSQL are preferred to the pods, with which they would not share their cores.
Results: benchmarks/results/storm.json and storm.md; the exit status tells whether all held.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

import aiohttp
import psutil

from benchmarks.figures import Figure, write
from benchmarks.pooler import Pooler
from local.place import CHECKOUT
from local.ports import HOST, pick
from local.postgres import Postgres
from shared.platform.database.connection import open_connection
from tests.support.cluster import Place, migrate
from tests.support.functions import AsInTheImage

# Seconds. After so long a payment that is not through has failed.
BOUND = 60.0
LOGINS = 50
POOL = 8  # connections of an instance at most, as in knative/base/functions/create-payment.yaml
DOUBLE = "SELECT count(*) FROM (SELECT 1 FROM payments GROUP BY metadata ->> 'key' HAVING count(*) > 1) AS twice"
CHARGED = "SELECT count(*) FROM payments WHERE status = 'SUCCESS'"
OTHERS = "SELECT count(*) FROM payments WHERE status <> 'SUCCESS'"
SERVER_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s"
PREFERRED = -15  # niceness
CONCURRENCY = 8  # of a pod: containerConcurrency


class Instances(AsInTheImage):
    """Processes that hold so many instances each, as in the image but for their threads: ten for each instance."""

    def __init__(self, processes: int, instances: int, environment: dict[str, str]) -> None:
        self._each = -(-instances // processes)
        super().__init__([f"process-{number}" for number in range(processes)], environment)

    def address(self, instance: int) -> tuple[str, str]:
        """The URL of an instance, and the header that leads to it there."""
        process, number = divmod(instance, self._each)
        return self.url(f"process-{process}"), str(number)

    def _environment(self, name: str) -> dict[str, str]:
        return self.environment | {
            "FUNCTION_SOURCE": str(CHECKOUT / "benchmarks" / "instances.py"),
            "FUNCTION_TARGET": "instance",
            "PORT": str(self.ports[name]),
            "INSTANCES": str(self._each),
            "GUNICORN_THREADS": str(10 * self._each),
        }


@dataclass
class Told:
    """What the clients were told, and how long each payment took from its first asking to its 201, in seconds."""

    answers: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description="Starts the pools of many instances at once.")
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--processes", type=int, default=50)
    parser.add_argument("--server-connections", type=int, default=20)
    parser.add_argument("--each", type=int, default=CONCURRENCY, help="requests to each instance")
    parser.add_argument("--hashed", action="store_true", help="PgBouncer has the SCRAM secret in place of the password")
    options = parser.parse_args()
    with ExitStack() as ending:
        server = ending.enter_context(Postgres.temporary(fsync=True))
        server.create_database("payments")
        migrate(server, "payments")
        place = Place(server, "payments")
        ending.callback(place.sql.close)
        clients = 2 * options.instances * POOL  # as the README says
        pooler = ending.enter_context(Pooler(place, options.server_connections, hashed=options.hashed, clients=clients))
        _prefer(server, pooler)
        login = _login_costs(place, pooler)
        instances = ending.enter_context(
            Instances(options.processes, options.instances, _environment(ending, place, pooler))
        )
        before, logins, began = pooler.processor(), pooler.logins(), time.monotonic()
        told = asyncio.run(_storm(instances, options.instances, options.each))
        elapsed = time.monotonic() - began
        figures = _figures(options, told, place, elapsed)
        figures += [
            Figure("processor of PgBouncer for a login", 1000 * login, "ms"),
            Figure("logins", pooler.logins() - logins, ""),
            Figure("processor of PgBouncer in the storm", pooler.processor() - before, "s"),
            Figure("server connections", place.sql.value(SERVER_CONNECTIONS, (place.environment["DB_USER"],)), ""),
        ]
        reasons = Counter(_reasons(instances))
    write("storm", "A storm of instances", vars(options), figures)
    print(f"answers: {dict(told.answers)}\nreasons in the log: {dict(reasons)}")
    sys.exit(0 if all(figure.held for figure in figures) else 1)


def _environment(ending: ExitStack, place: Place, pooler: Pooler) -> dict[str, str]:
    [port] = pick(1)
    command = [sys.executable, "-m", "benchmarks.neighbours", str(port), "0"]
    neighbours = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE)
    ending.callback(neighbours.kill)
    assert neighbours.stdout is not None
    neighbours.stdout.readline()
    address = f"http://{HOST}:{port}"
    settings = {"TRIP_SERVICE_URL": address, "K_SINK": f"{address}/", "LOG_LEVEL": "ERROR", "RATE_LIMIT": ""}
    return place.environment | settings | {"DB_PORT": str(pooler.port), "DB_POOL_SIZE": str(POOL)}


def _prefer(server: Postgres, pooler: Pooler) -> None:
    """Gives PgBouncer and PostgreSQL the processor before whoever else is at work on this machine, as the pooler's own core
    does: what is looked at is the queue for that core. Only root may."""
    with suppress(psutil.AccessDenied):
        for process in [*server.processes(), psutil.Process(pooler._process.pid)]:
            process.nice(PREFERRED)


def _login_costs(place: Place, pooler: Pooler) -> float:
    """Seconds of PgBouncer's processor for one login, and a statement's way through it."""
    settings = place.settings(db_port=pooler.port)
    open_connection(settings, time.monotonic() + 5).close()
    before = pooler.processor()
    for _ in range(LOGINS):
        open_connection(settings, time.monotonic() + 5).close()
    return (pooler.processor() - before) / LOGINS


async def _storm(instances: Instances, number: int, each: int) -> Told:
    told = Told()
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    patience = aiohttp.ClientTimeout(total=35)  # the front door's
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:
        payments = [
            _pay(session, told, *instances.address(instance), f"storm-{instance}-{request}", instance / number)
            for instance in range(number)
            for request in range(each)
        ]
        await asyncio.gather(*payments)
    return told


async def _pay(session: aiohttp.ClientSession, told: Told, url: str, instance: str, key: str, after: float) -> None:
    """One payment, repeated with its key until it is told 201."""
    await asyncio.sleep(after)
    body = {"trip_id": 7, "method": "CARD", "amount": 150.00, "metadata": {"key": key}}
    headers = {"Idempotency-Key": key, "Instance": instance}
    began = time.monotonic()
    said = ""
    while time.monotonic() - began < BOUND:
        said, wait = await _ask(session, f"{url}/payments", body, headers)
        told.answers[said] += 1
        if said == "201":
            told.took.append(time.monotonic() - began)
            return
        if wait is None:
            break
        await asyncio.sleep(wait * random.uniform(0.75, 1.25))
    told.failed.append(f"{key}: {said}")


async def _ask(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any], headers: dict[str, str]
) -> tuple[str, float | None]:
    """What was answered, and after how many seconds to ask again; None where that is final."""
    try:
        async with session.post(url, json=body, headers=headers) as answer:
            said = await answer.json(content_type=None)
            code = f" {said['code']}" if "code" in said else ""
            again = answer.headers.get("Retry-After")
            return f"{answer.status}{code}", None if again is None else float(again)
    except (aiohttp.ClientError, TimeoutError) as failure:
        return f"no answer ({type(failure).__name__})", 1.0


def _figures(options: argparse.Namespace, told: Told, place: Place, elapsed: float) -> list[Figure]:
    wanted = options.instances * options.each
    cuts = quantiles(told.took, n=100)
    asked = sum(told.answers.values())
    return [
        Figure("payments asked for", wanted, ""),
        Figure("failed payments", len(told.failed), "", goal=0),
        Figure("payments charged twice", place.sql.value(DOUBLE), "", goal=0),
        Figure("charged payments missing in the books", wanted - place.sql.value(CHARGED), "", goal=0),
        Figure("payments left unfinished", place.sql.value(OTHERS), "", goal=0),
        Figure("answers that asked for patience", asked - told.answers["201"], ""),
        Figure("the last payment was through after", elapsed, "s", goal=BOUND),
        Figure("a payment took, median", median(told.took), "s"),
        Figure("a payment took, p99", cuts[98], "s"),
    ]


def _reasons(instances: Instances) -> Iterable[str]:
    """Why the instances had no database, by their logs."""
    for name in instances.names:
        for line in instances.log(name).splitlines():
            if '"why"' in line:
                yield line.split('"why": "', 1)[-1].split('"', 1)[0][:80]


if __name__ == "__main__":
    main()
