"""Real functions, a gateway over HTTP, and a database server of their own that may be killed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from local.postgres import Postgres
from tests.fakes.gateway import StripeLike
from tests.fakes.sink import Sink
from tests.fakes.trips import TripServer
from tests.faults.service import Service
from tests.support.cluster import TEMPLATE, Place, migrate
from tests.support.functions import Functions
from tests.support.sql import Sql

numbers = count(1)


@pytest.fixture(scope="session")
def mortal_server() -> Iterator[Postgres]:
    """A server that these tests alone use. What it committed survives a SIGKILL: the machine stays up, so fsync may be off."""
    with Postgres.temporary(synchronous_commit="on") as server:
        server.create_database(TEMPLATE)
        migrate(server, TEMPLATE)
        yield server


@pytest.fixture
def mortal(mortal_server: Postgres) -> Iterator[Place]:
    """A fresh database on it. Its connections die with the server, so none is kept from test to test."""
    name = f"mortal_{next(numbers)}"
    with Sql(mortal_server.environment()) as sql:
        sql.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    place = Place(mortal_server, name)
    yield place
    place.sql.close()
    with Sql(mortal_server.environment()) as sql:
        sql.run(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def bank() -> Iterator[StripeLike]:
    with StripeLike() as gateway:
        yield gateway


@pytest.fixture
def events() -> Iterator[Sink]:
    """Where events go."""
    with Sink() as sink:
        yield sink


@pytest.fixture
def serve(bank: StripeLike, trips: TripServer, events: Sink) -> Iterator[Callable[..., Service]]:
    """Starts functions over a database: `serve(place, "create_payment", "sweep", GATEWAY_TIMEOUT="1")`. Called again, it
    starts others beside them. `by=AsInTheImage` has them served as in the image."""
    with ExitStack() as running:

        def start(place: Place, *names: str, by: type[Functions] = Functions, **settings: str) -> Service:
            neighbours = {"TRIP_SERVICE_URL": trips.url, "K_SINK": events.url}
            gateway = {"GATEWAY": "stripe", "STRIPE_API_KEY": "sk_test_faults", "STRIPE_API_BASE": bank.url}
            environment = place.environment | neighbours | gateway | Service.SHORT | settings
            return Service(running.enter_context(by(list(names), environment)), place)

        yield start
