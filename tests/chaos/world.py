"""Everything that runs in a chaos test: PostgreSQL, the gateway, the functions as processes, trips, a sink, and the clock."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from local.place import CHECKOUT
from local.ports import HOST
from tests.chaos.places import ALONE, UNKNOWN_TRIP, Place, Trips
from tests.chaos.plan import WEBHOOK_SECRETS, Plan
from tests.chaos.processes import Gateway, Instance, ask
from tests.chaos.ways import Doors, Way
from tests.fakes.sink import Sink
from tests.support.name_server import NameServer
from tests.support.network import Network
from tests.support.sql import Sql
from tests.support.standby import Pair, Server, pair

DATABASE = "payments"
DATABASE_HOST, TRIPS_HOST, SINK_HOST = "payments-database.test", "trip-service.test", "event-sink.test"
ROLE = {"DB_APP_USER": "payment_app", "DB_APP_PASS": "tests-only"}
ADDRESSES = ("127.0.0.2", "127.0.0.3")  # of the two database servers
FARES = 10**10  # trips from this number on are asked for without an amount
# How likely a client comes through the front doors, where there are several cells, and not by the address of a function.
THROUGH_THE_DOORS = 0.85
# More threads than there are ever requests at one instance, so that probes are answered while all of them wait: in production
# no more are let in than leave threads for probes.
THREADS = "32"


@dataclass
class World:
    """See `running`. `complaints` is where anybody writes down what must not have been."""

    plan: Plan
    pair: Pair
    network: Network
    names: NameServer
    gateway: Gateway
    trips: Trips
    sink: Sink
    addresses: dict[Server, str]
    instances: list[Instance] = field(default_factory=list)
    complaints: list[tuple[str, str]] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)  # of every function
    fares: int = 0  # how many trips' fares clients have asked for until now
    began: float = field(default_factory=time.monotonic)
    place: Place = ALONE
    doors: Doors | None = None  # where there are several cells
    elsewhere: Doors | None = None  # another cell's, to which clients stray
    untouched: bool = False  # nothing of this cell's nor in front of it has been struck, and something of another's is

    def complain(self, invariant: str, what: str) -> None:
        self.complaints.append((invariant, what))

    def say(self, text: str) -> None:
        print(f"{time.monotonic() - self.began:7.1f} s  {self.place.name:8}{text}", flush=True)

    @property
    def keys(self) -> str:
        """What all idempotency keys and events of this cell's clients begin with."""
        return f"chaos-{self.place.name}" if self.place.name else "chaos"

    @property
    def next_fare(self) -> int:
        """The trip whose fare clients ask for at the moment: four of them in a row want the same."""
        return self.place.first_trip + FARES + self.fares // 4

    def trip(self, choice: random.Random) -> int:
        """A trip that hardly anybody else pays for."""
        return self.place.first_trip + choice.randint(1, 10**9)

    def unknown_trip(self) -> int:
        return self.place.first_trip + UNKNOWN_TRIP

    def way_to(self, function: str, path: str, choice: random.Random) -> Way | None:
        """How a client comes to a function this time; None where it could only choose what is down."""
        if self.doors is not None and choice.random() < THROUGH_THE_DOORS:
            return self.doors.way(choice, path)
        port = self.port_of(function, choice)
        return None if port is None else Way(port)

    def port_of(self, function: str, choice: random.Random) -> int | None:
        """The port of an instance that a client may choose; None where all of them are down."""
        ports = [instance.port for instance in self.instances if instance.function == function and instance.up]
        return choice.choice(ports) if ports else None

    def named(self, name: str, url: str) -> str:
        """The same URL under a name, which leads there from now on."""
        self.names.lead(name, HOST)
        return url.replace(HOST, name)

    def lead_to(self, *servers: Server) -> None:
        """Where the database's name leads from now on, in this order."""
        self.names.lead(DATABASE_HOST, *(self.addresses[server] for server in servers))

    @contextmanager
    def sql(self) -> Iterator[Sql]:
        """The owner's connection to the payments, on whichever server is the primary."""
        with Sql(self.pair.primary.environment(DATABASE)) as sql:
            yield sql


@contextmanager
def running(plan: Plan, trips: Trips, place: Place = ALONE) -> Iterator[World]:
    """The whole world, ready; gone afterwards. PostgreSQL is as durable as in production, so that killing it is honest."""
    with ExitStack() as stack:
        servers = stack.enter_context(pair())
        servers.primary.create_database(DATABASE)
        settings = (
            plan.settings()
            | place.settings
            | {
                "RATE_LIMIT": "",
                "WEBHOOK_RATE_LIMIT": "",
                "LOG_LEVEL": "INFO",
                "THREADS": THREADS,
            }
        )
        migration = [sys.executable, "-m", "sql.migrate"]
        environment = servers.primary.environment(DATABASE) | ROLE | settings
        subprocess.run(migration, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.DEVNULL)
        addresses = dict(zip((servers.primary, servers.standby), ADDRESSES, strict=True))
        network = stack.enter_context(Network({address: server.port for server, address in addresses.items()}))
        names = stack.enter_context(NameServer())
        gateway = stack.enter_context(Gateway(plan.seed))
        sink = stack.enter_context(Sink())
        world = World(plan, servers, network, names, gateway, trips, sink, addresses, place=place)
        world.lead_to(servers.primary)
        settings |= {"DB_HOST": DATABASE_HOST, "DB_PORT": str(network.port), "DB_NAME": DATABASE}
        settings |= {"DB_USER": ROLE["DB_APP_USER"], "DB_PASS": ROLE["DB_APP_PASS"]}
        settings |= {"GATEWAY": "stripe", "STRIPE_API_KEY": "sk_test_chaos", "STRIPE_API_BASE": gateway.url}
        settings |= {"STRIPE_METHODS": "CARD,WALLET,UPI", "STRIPE_WEBHOOK_SECRET": ",".join(WEBHOOK_SECRETS)}
        settings |= {"TRIP_SERVICE_URL": world.named(TRIPS_HOST, trips.url), "K_SINK": world.named(SINK_HOST, sink.url)}
        world.settings = settings
        for function, count in place.instances.items():
            for number in range(1, count + 1):
                world.instances.append(stack.enter_context(Instance(function, number, settings | names.environment)))
        try:
            yield world
        finally:
            if plan.keep_logs:
                _keep_logs(world, Path(plan.keep_logs) / place.name)


def _keep_logs(world: World, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for instance in world.instances:
        (folder / f"{instance.name}.log").write_text(instance.log(), encoding="utf-8")


class Clock:
    """Calls `sweep` as a timer would, on and on; it waits for no answer longer than until the next."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._choice = random.Random(f"{world.plan.seed}/clock")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="clock", daemon=True)
        self.sweeps: dict[str, int] = {}

    def __enter__(self) -> "Clock":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _work(self) -> None:
        every = self._world.plan.times.sweep_every
        while not self._stopped.wait(every):
            answered = tick(self._world, self._choice, every * 2)
            self.sweeps[answered] = self.sweeps.get(answered, 0) + 1


def tick(world: World, choice: random.Random, patience: float) -> str:
    """One sweep; says how it was answered."""
    port = world.port_of("sweep", choice)
    if port is None:
        return "nobody there"
    headers = {"ce-specversion": "1.0", "ce-type": "dev.knative.sources.ping", "ce-source": "/chaos", "ce-id": "1"}
    try:
        return str(ask(port, "POST", "/", b"{}", headers | {"Content-Type": "application/json"}, patience)[0])
    except (OSError, HTTPException):
        return "no answer"
