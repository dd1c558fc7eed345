"""What every test may use: a fresh migrated database, a processor over it, and neighbours that do what they are told.

The settings are read when their module is imported, so the short time-outs are in the environment for that moment only:
what a test starts as a process gets the environment of whoever runs the tests.
"""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import find
from hypothesis import strategies as st

from local.ports import pick

(TRIP_PORT,) = pick(1)
SHORT = {
    "TRIP_SERVICE_URL": f"http://127.0.0.1:{TRIP_PORT}/api/v1",
    "TRIP_SERVICE_TIMEOUT": "1",
    "GATEWAY_TIMEOUT": "1",
    "IDEMPOTENCY_LOCK_TIMEOUT": "3",
    "DB_CONNECT_TIMEOUT": "2",
    "DB_STATEMENT_TIMEOUT": "2",
    "EVENT_SWEEP_AGE": "0.1",
    "LOG_LEVEL": "INFO",
}


def _import_settings() -> None:
    before = dict(os.environ)
    for name in before:
        if name.startswith(("DB_", "K_", "GATEWAY", "STRIPE_", "EVENT_", "IDEMPOTENCY_")) or name in SHORT:
            del os.environ[name]
    os.environ.update(SHORT)
    try:
        import shared.platform.settings  # noqa: F401 - reads the environment, once
    finally:
        os.environ.clear()
        os.environ.update(before)


_import_settings()

from local.postgres import Postgres  # noqa: E402 - reads the settings
from shared.events.publisher import Publisher  # noqa: E402
from shared.platform.log import log  # noqa: E402
from shared.platform.settings import SETTINGS, Settings  # noqa: E402
from tests.fakes.sink import Sink  # noqa: E402
from tests.fakes.trips import TripServer  # noqa: E402
from tests.support.cluster import Cluster, Place  # noqa: E402
from tests.support.functions import Functions  # noqa: E402
from tests.support.gateway import ScriptedGateway  # noqa: E402
from tests.support.till import Till, WatchedDatabase  # noqa: E402
from tests.support.wire import Wire  # noqa: E402
from tests.tools.curl import curl  # noqa: E402

# The README's commands and the scripts find it there.
curl()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """One embedded PostgreSQL for all tests, without fsync, and the template of their databases."""
    with Postgres.temporary(max_locks_per_transaction="128") as server:
        cluster = Cluster(server)
        yield cluster
        cluster.close()


@pytest.fixture
def place(cluster: Cluster) -> Iterator[Place]:
    """A database of this test alone, migrated and empty: `.sql` runs statements as its owner, `.environment` has the DB_*
    settings of the functions' role."""
    with cluster.database() as place:
        yield place


@pytest.fixture
def database(place: Place) -> Iterator[WatchedDatabase]:
    """The pool under test, on this test's database."""
    database = WatchedDatabase(place.settings())
    yield database
    database.close()


@pytest.fixture(scope="session", autouse=True)
def one_trip_server() -> Iterator[TripServer]:
    """Listens from the first test on, so that nothing else takes the port that the settings name."""
    with TripServer(TRIP_PORT) as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def table_of_unicode() -> None:
    """Hypothesis makes one for each checkout, which takes seconds: before a test whose inputs would come too slowly for it."""
    find(st.text(), lambda _: True)


@pytest.fixture
def trips(one_trip_server: TripServer) -> Iterator[TripServer]:
    """The Trip Service that TRIP_SERVICE_URL names: every trip is completed, 10.5 km, surge 1.2."""
    one_trip_server.reset()
    yield one_trip_server
    one_trip_server.reset()


@pytest.fixture
def sink(change_settings: Callable[..., Settings]) -> Iterator[Sink]:
    """A sink that takes every event; K_SINK names it."""
    with Sink(pick(1)[0]) as sink:
        change_settings(k_sink=sink.url)
        yield sink


@pytest.fixture(params=["no thread", "no memory"])
def cannot_queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Publisher], None]:
    """Makes a publisher unable to queue an event, in one way or another."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread") if request.param == "no thread" else MemoryError

    def break_it(publisher: Publisher) -> None:
        if request.param == "no thread":
            monkeypatch.setattr(
                "shared.events.publisher.threading", SimpleNamespace(**vars(threading) | {"Thread": refuse})
            )
        else:
            monkeypatch.setattr(publisher, "_inbox", SimpleNamespace(put=refuse, get=threading.Event().wait))

    return break_it


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def till(database: WatchedDatabase, gateway: ScriptedGateway, trips: TripServer) -> Iterator[Till]:
    """Takes payments over this test's database and the scripted gateway."""
    till = Till(database, gateway, Publisher(database))
    yield till
    till.publisher.drain()


@pytest.fixture
def wire(place: Place) -> Iterator[Wire]:
    """A wire to this test's server: `place.settings(db_port=wire.port)`."""
    with Wire(int(place.environment["DB_PORT"])) as wire:
        yield wire


@pytest.fixture
def change_settings(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Changes settings for this test, in every module that read them: `change_settings(k_sink=...)`."""

    def change(**changes: object) -> Settings:
        changed = replace(sys.modules["shared.platform.settings"].SETTINGS, **changes)
        for name, module in list(sys.modules.items()):
            if name.startswith("shared.") and isinstance(getattr(module, "SETTINGS", None), Settings):
                monkeypatch.setattr(module, "SETTINGS", changed)
        return changed

    return change


@pytest.fixture
def functions() -> Iterator[Callable[..., Functions]]:
    """Starts real functions: `functions(["create_payment"], place.environment | {...})`, ready when it returns, and gone
    when the test ends. See tests.support.functions.Functions."""
    started: list[Functions] = []

    def start(names: list[str], environment: dict[str, str]) -> Functions:
        begun = Functions(names, environment)
        started.append(begun)
        return begun.__enter__()

    yield start
    for each in started:
        each.stop()


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    """Every line of the log, as it is written."""
    kept = _Kept()
    log.addHandler(kept)
    yield kept.records
    log.removeHandler(kept)


# Whole systems of processes: one after the other, on one of the two workers, so that they have the machine nearly to
# themselves. The other files share the other worker, each as a whole.
SYSTEMS = ("chaos", "compose", "e2e", "faults", "local", "model")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(CHECKOUT / "tests").parts[0]
        item.add_marker(pytest.mark.xdist_group("systems" if folder in SYSTEMS else str(item.path)))


assert SETTINGS.gateway_timeout == 1, "shared.platform.settings was imported before the tests could set the time-outs"
CHECKOUT = Path(__file__).parent.parent
