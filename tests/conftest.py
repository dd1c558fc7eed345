"""What every test may use: a fresh migrated database, a till over it, and neighbours that do what they are told."""

import gc
import logging
import threading
from collections.abc import Callable, Generator, Iterator
from types import SimpleNamespace

import pytest
from hypothesis import find
from hypothesis import strategies as st
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from local.ports import pick
from local.postgres import Postgres
from shared.events.publisher import Publisher
from shared.platform.log import log
from tests.fakes.sink import Sink
from tests.fakes.trips import TripServer
from tests.support.browser import Browser
from tests.support.cluster import Cluster, Place
from tests.support.functions import Functions
from tests.support.gateway import ScriptedGateway
from tests.support.settings import SETTINGS, TRIP_PORT
from tests.support.till import Till, WatchedDatabase
from tests.support.wire import Wire
from tests.tools.chromium import chromium
from tests.tools.curl import curl

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
def sink(request: pytest.FixtureRequest) -> Iterator[Sink]:
    """A sink that takes every event. A test's till sends its events there."""
    with Sink(pick(1)[0]) as sink:
        if "till" in request.fixturenames:
            request.getfixturevalue("till").change(k_sink=sink.url)
        yield sink


@pytest.fixture(params=["no thread", "no memory"])
def cannot_queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[Publisher], None]:
    """Makes a publisher unable to queue an event, in one way or another."""

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("can't start new thread") if request.param == "no thread" else MemoryError

    def break_it(publisher: Publisher) -> None:
        if request.param == "no thread":
            monkeypatch.setattr(
                "shared.events.senders.threading", SimpleNamespace(**vars(threading) | {"Thread": refuse})
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
    till = Till(SETTINGS, database, gateway)
    yield till
    till.publisher.drain()


@pytest.fixture
def wire(place: Place) -> Iterator[Wire]:
    """A wire to this test's server: `place.settings(db_port=wire.port)`."""
    with Wire(int(place.environment["DB_PORT"])) as wire:
        yield wire


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(chromium()) as browser:
        yield browser


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


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays to the end: to look through it for garbage, then and later, took each worker five seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# Folders that one worker has as a whole: the service's, which is started once for all of them; that of the manifests, which are
# built once; and one after the other those that start systems of their own. The other files are dealt to all workers, each as a
# whole: those first whose few tests take long, so that none of them is left for the end, when nobody else has more to do.
SYSTEMS = ("chaos", "compose", "faults", "fuzz")
WHOLE = {"e2e": "e2e", "knative": "knative", **dict.fromkeys(SYSTEMS, "systems")}
LONG = ("benchmarks", "model", "local", "functions", "sql")


class ByFile(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return WHOLE.get(file.split("/")[1], file)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folders = (*WHOLE, *LONG)
    place = {folder: number for number, folder in enumerate(folders)}
    items.sort(key=lambda item: place.get(item.nodeid.split("/")[1], len(folders)))


# Instead of xdist's groups, which pytest 9.2 has put out of effect without a word
# (https://github.com/pytest-dev/pytest-xdist/issues/1386).
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    config.option.loadscopereorder = False
    return ByFile(config, log)
