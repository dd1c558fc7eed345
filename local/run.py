"""`make run`: the whole service on this machine, in the foreground, until Ctrl-C or SIGTERM."""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from local import place, service_port, shell, system
from local.foreground import REVIVAL, START_PATIENCE, CannotStartError, say, until_stopped
from local.ports import HOST, pick
from local.postgres import ClusterError, Postgres
from local.service_port import answers
from local.supervisor import Supervisor
from seed.load import load
from shared.platform.settings import Settings, read_settings
from shared.web.access.guard import guard_of
from sql.migrate import migrate

DATABASE_PATIENCE = 5.0  # seconds


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
    """All cells, where there is a list of them and CELL means none; else the one that this is."""
    shell.keep_what_is_ours()
    settings = read_settings()
    if settings.cells and not os.environ.get("CELL"):
        import local.cells as cells  # a start of one cell does without

        until_stopped(lambda ending: cells.run(settings.cells, ending))
    else:
        run_one(settings, summary)


def run_one(settings: Settings, told: Callable[[Start], str]) -> None:
    """Runs this cell until asked to stop. What is `told` of it is printed as soon as it is up."""
    until_stopped(lambda ending: _run(settings, ending, told))


def _run(settings: Settings, ending: ExitStack, told: Callable[[Start], str]) -> None:
    """Starts everything, says so, and looks after it until asked to stop."""
    # A file of keys that is not there is told here, once, and not by each function in its own log.
    guard_of("create_payment", settings)
    guard_of("notify", settings)
    ending.enter_context(place.alone())
    ended = place.end_left_over()
    if ended:
        say(f"Ended {ended} processes that an earlier start left over.")
    start = _prepare(dict(os.environ), settings)
    if start.postgres and start.postgres.create():
        elsewhere = start.postgres.data.parent != place.DATA
        where = (
            f", a link to {start.postgres.data}: PostgreSQL's account cannot reach the checkout" if elsewhere else ""
        )
        say(f"Made a database cluster in {place.shown(place.DATA)}/postgres{where}.")
    if start.postgres:
        start.postgres.clear()
    programs = system.programs(start.environment, start.postgres, start.door, start.ports, start.scraped)
    own = system.function_settings(start.owner, start.ports) | system.event_settings(start.environment)
    supervisor = Supervisor(programs, own)
    ending.callback(place.end_left_over)
    ending.callback(supervisor.stop)
    ending.callback(say, "Stopping.")
    _prepare_database(start, supervisor)
    say("Starting the functions and the front door.")
    neighbours = ["neighbours"] if system.stand_ins(start.environment) else []
    supervisor.start(*neighbours, "functions", "front")
    _wait_until_healthy(start, supervisor)
    say(told(start))
    while True:
        supervisor.wait(REVIVAL)
        supervisor.revive()


def _prepare(environment: dict[str, str], settings: Settings) -> Start:
    door = service_port.read(environment.get("SERVICE_PORT") or str(service_port.DEFAULT))
    wanted = [*system.FUNCTIONS, *system.NEIGHBOURS, "postgres"]
    picked = pick(len(wanted) + len(system.SCRAPED), {door, *_doors(settings)}, _turn(settings))
    ports = dict(zip(wanted, picked, strict=False))
    scraped = dict(zip(system.SCRAPED, picked[len(wanted) :], strict=True))
    postgres = None if environment.get("DB_HOST") else Postgres(place.DATA, ports["postgres"])
    return Start(environment, door, ports, scraped, postgres)


def _doors(settings: Settings) -> set[int]:
    """Where other cells listen, or are about to."""
    return {cell.place[1] for cell in settings.cells if cell.address}


def _turn(settings: Settings) -> tuple[int, int]:
    """This cell's among those of the list, which may all start at once."""
    numbers = [cell.number for cell in settings.cells]
    return (numbers.index(settings.cell), len(numbers)) if settings.cell in numbers else (0, 1)


def _prepare_database(start: Start, supervisor: Supervisor) -> None:
    """The database answers, has the current schema, and has the rows of history."""
    owner = start.owner
    if start.postgres:
        supervisor.start("database")
        _wait_for_database(start.postgres, supervisor)
        start.postgres.create_database(system.DATABASE)
    else:
        say(f"Using the database at {owner['DB_HOST']}.")
    say(migrate(owner, DATABASE_PATIENCE))
    say(load(owner, DATABASE_PATIENCE))


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
        if answers(port, path):
            waiting.pop(0)
            continue
        if supervisor.states()[name] == "FATAL" or time.monotonic() > deadline:
            raise CannotStartError(f"{name} does not start: see {place.LOG / name}.log.")
        supervisor.wait(0.05)


def summary(start: Start) -> str:
    """The address, what runs, and three lines to try."""
    address = f"http://localhost:{start.door}"
    database = (
        f"PostgreSQL (data in {place.shown(place.DATA)}/postgres)"
        if start.postgres
        else f"the database at {start.environment['DB_HOST']}"
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
  logs         {place.shown(place.LOG)}/<process>.log, JSON lines; Ctrl-C ends everything

Try:
  curl {address}/health
  curl {address}/payments{token} -H 'Content-Type: application/json' -H 'Idempotency-Key: test-payment-001' \\
    -d '{{"trip_id": 101, "method": "CARD", "amount": 150.00}}'
  curl{token} {address}/metrics
"""


if __name__ == "__main__":
    main()
