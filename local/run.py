"""`make run`: the whole service on this machine, in the foreground, until Ctrl-C or SIGTERM."""

import errno
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from types import FrameType

import psycopg2

from local import place, surroundings, system
from local.ports import HOST, addresses, pick, refusal
from local.postgres import ClusterError, Postgres
from local.supervisor import Supervisor, SupervisorDiedError
from seed.load import load
from shared.platform.settings import Settings, read_settings
from shared.web.access.guard import guard_of
from sql.migrate import migrate
from sql.owner import DatabaseUnavailableError

DEFAULT_PORT = 8082
DATABASE_PATIENCE = 5.0  # seconds
START_PATIENCE = 60.0  # seconds
REVIVAL = 2.0  # seconds between looks at what keeps dying at once


class StopAsked(BaseException):
    """Ctrl-C, SIGTERM, or the terminal was closed."""


class CannotStartError(Exception):
    """The message is one line for whoever typed the command."""


@dataclass(frozen=True)
class Start:
    """What this start was asked for, and the ports it found."""

    environment: Mapping[str, str]
    door: int
    ports: Mapping[str, int]
    scraped: Mapping[str, int]
    postgres: Postgres | None

    @property
    def owner(self) -> dict[str, str]:
        """The environment with the settings of the database's owner."""
        return {**self.environment, **(system.embedded_settings(self.postgres) if self.postgres else {})}


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ask_to_stop)
    surroundings.keep_what_is_ours()
    settings = read_settings()
    # A file of keys that is not there is told here, once, and not by each function in its own log.
    guard_of("create_payment", settings)
    guard_of("notify", settings)
    try:
        with ExitStack() as ending:
            _run(ending)
    except StopAsked:
        _say("Stopped.")
    except (
        CannotStartError, ClusterError, place.AlreadyRunningError, place.DataUnusableError, SupervisorDiedError,
        DatabaseUnavailableError, psycopg2.Error, OSError,
    ) as reason:  # fmt: skip
        sys.exit(" ".join(str(reason).split()))


def _run(ending: ExitStack) -> None:
    """Starts everything, says so, and looks after it until asked to stop."""
    ending.enter_context(place.alone())
    ended = place.end_left_over()
    if ended:
        _say(f"Ended {ended} processes that an earlier start left over.")
    start = _prepare(dict(os.environ))
    if start.postgres and start.postgres.create():
        elsewhere = start.postgres.data.parent != place.DATA
        where = (
            f", a link to {start.postgres.data}: PostgreSQL's account cannot reach the checkout" if elsewhere else ""
        )
        _say(f"Made a database cluster in .data/postgres{where}.")
    if start.postgres:
        start.postgres.clear()
    programs = system.programs(start.environment, start.postgres, start.door, start.ports, start.scraped)
    settings = system.function_settings(start.owner, start.ports) | system.event_settings(start.environment)
    supervisor = Supervisor(programs, settings)
    ending.callback(place.end_left_over)
    ending.callback(_stop, supervisor)
    _prepare_database(start, supervisor)
    _say("Starting the functions and the front door.")
    neighbours = ["neighbours"] if system.stand_ins(start.environment) else []
    supervisor.start(*neighbours, "functions", "front")
    _wait_until_healthy(start, supervisor)
    _say(summary(start))
    while True:
        supervisor.wait(REVIVAL)
        supervisor.revive()


def _prepare(environment: dict[str, str]) -> Start:
    door = _door(environment.get("SERVICE_PORT") or str(DEFAULT_PORT))
    wanted = [*system.FUNCTIONS, *system.NEIGHBOURS, "postgres"]
    picked = pick(len(wanted) + len(system.SCRAPED), but=door)
    ports = dict(zip(wanted, picked, strict=False))
    scraped = dict(zip(system.SCRAPED, picked[len(wanted) :], strict=True))
    postgres = None if environment.get("DB_HOST") else Postgres(place.DATA, ports["postgres"])
    return Start(environment, door, ports, scraped, postgres)


def _door(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotStartError(f"SERVICE_PORT must be a port number, 1 to 65535; it is {text!r}.")
    for refused in filter(None, (refusal(int(text), address) for address in addresses())):
        why = "needs rights that this account lacks" if refused.errno == errno.EACCES else "is taken by another program"
        raise CannotStartError(f"Port {text} {why}. Choose another one: SERVICE_PORT=8090 make run")
    return int(text)


def _prepare_database(start: Start, supervisor: Supervisor) -> None:
    """The database answers, has the current schema, and has the rows of history."""
    owner = start.owner
    if start.postgres:
        supervisor.start("database")
        _wait_for_database(start.postgres, supervisor)
        start.postgres.create_database(system.DATABASE)
    else:
        _say(f"Using the database at {owner['DB_HOST']}.")
    _say(migrate(owner, DATABASE_PATIENCE))
    _say(load(owner, DATABASE_PATIENCE))


def _wait_for_database(postgres: Postgres, supervisor: Supervisor) -> None:
    try:
        postgres.wait(START_PATIENCE, ended=lambda: supervisor.states()["postgres"] == "FATAL")
    except ClusterError as reason:
        raise CannotStartError(f"{reason}: see {place.LOG}/postgres.log.") from None


def _wait_until_healthy(start: Start, supervisor: Supervisor) -> None:
    """Every function lives, and the front door says that the service is able to take payments."""
    deadline = time.monotonic() + START_PATIENCE
    waiting = [(start.ports[name], "/healthz", name) for name in system.FUNCTIONS]
    waiting.append((start.door, "/health", "front_door"))
    while waiting:
        port, path, name = waiting[0]
        if _answers(port, path):
            waiting.pop(0)
            continue
        if supervisor.states()[name] == "FATAL" or time.monotonic() > deadline:
            raise CannotStartError(f"{name} does not start: see {place.LOG / name}.log.")
        supervisor.wait(0.05)


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def summary(start: Start) -> str:
    """The address, what runs, and three lines to try."""
    address = f"http://localhost:{start.door}"
    database = (
        "PostgreSQL (data in .data/postgres)" if start.postgres else f"the database at {start.environment['DB_HOST']}"
    )
    stand_ins = system.stand_ins(start.environment)
    neighbours = ", ".join(f"{name} at http://{HOST}:{start.ports[name]}" for name in stand_ins) or "none"
    issuers = ", ".join(issuer.name for issuer in Settings.read(start.environment).auth_issuers)
    token = ' -H "Authorization: Bearer $TOKEN"' if issuers else ""
    return f"""
The payment service answers at {address}
Look at it in a browser:       {address}/console

  functions    {", ".join(system.FUNCTIONS)}
  database     {database}
  stand-ins    {neighbours}
  access       {f"with a token of {issuers}" if issuers else "open to everybody: AUTH_ISSUERS is not set"}
  logs         .data/log/<process>.log, JSON lines; Ctrl-C ends everything

Try:
  curl {address}/health
  curl {address}/payments{token} -H 'Content-Type: application/json' -H 'Idempotency-Key: test-payment-001' \\
    -d '{{"trip_id": 101, "method": "CARD", "amount": 150.00}}'
  curl{token} {address}/metrics
"""


def _stop(supervisor: Supervisor) -> None:
    _say("Stopping.")
    supervisor.stop()


def _ask_to_stop(number: int, frame: FrameType | None) -> None:
    """Once: what is being ended must not be interrupted."""
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise StopAsked


def _say(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:
        return  # the terminal is gone; what was to be done goes on


if __name__ == "__main__":
    main()
