"""The database moves to another server, or its name leads elsewhere for a while: nobody has to restart a function."""

from collections.abc import Callable, Iterator

import pytest
import urllib3

from shared.platform.database.connection import TRUSTED_FOR
from tests.fakes.gateway import StripeLike
from tests.faults.service import Answer, Service, eventually, load, more_are_paid, new_key
from tests.faults.test_database import TERMINATE
from tests.support.cluster import TEMPLATE, Place, migrate
from tests.support.name_server import NameServer
from tests.support.network import Network
from tests.support.sql import Sql
from tests.support.standby import Pair, pair

NAME = "payments-database.test"
PRIMARY, STANDBY = "127.0.0.2", "127.0.0.3"
READERS = ("get_payment", "health", "metrics")


@pytest.fixture(scope="module")
def both() -> Iterator[Pair]:
    """A primary and its synchronous standby, which each test leaves running, in whichever order."""
    with pair() as servers:
        servers.primary.create_database(TEMPLATE)
        migrate(servers.primary, TEMPLATE)
        yield servers


@pytest.fixture
def servers(both: Pair) -> Iterator[Pair]:
    """The two, with a migrated database of this test alone."""
    with Sql(both.primary.environment()) as sql:
        sql.run(f"CREATE DATABASE payments TEMPLATE {TEMPLATE}")
    both.catch_up()
    yield both
    with Sql(both.primary.environment()) as sql:
        sql.run("DROP DATABASE payments WITH (FORCE)")


@pytest.fixture
def names() -> Iterator[NameServer]:
    with NameServer() as names:
        names.lead(NAME, PRIMARY)
        yield names


@pytest.fixture
def network(servers: Pair) -> Iterator[Network]:
    with Network({PRIMARY: servers.primary.port, STANDBY: servers.standby.port}) as network:
        yield network


@pytest.fixture
def reached_by_name(network: Network, names: NameServer) -> dict[str, str]:
    """The settings of functions that reach the database by its name, over the network."""
    return {"DB_HOST": NAME, "DB_PORT": str(network.port)} | names.environment


def read(service: Service, function: str, path: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", f"{service.functions.url(function)}{path}", retries=False, timeout=10)


def paid(service: Service) -> Answer:
    answer = service.pay(new_key())
    assert answer.status == 201, answer.body
    return answer


def test_a_name_that_leads_to_a_standby_for_a_while_is_503_and_never_old_books(
    serve: Callable[..., Service],
    servers: Pair,
    names: NameServer,
    reached_by_name: dict[str, str],
) -> None:
    place = Place(servers.primary, "payments")
    service = serve(place, "create_payment", *READERS, **reached_by_name)
    first = paid(service).json()
    address = f"/payments/{first['payment_id']}"
    assert {read(service, *asked).status for asked in paths(address)} == {200}
    names.lead(NAME, STANDBY)
    place.sql.run(TERMINATE)
    for _ in range(2):
        assert service.pay().status == 503
        assert {read(service, *asked).status for asked in paths(address)} == {503}
    names.lead(NAME, PRIMARY)
    assert {read(service, *asked).status for asked in paths(address)} == {200}  # the next request works
    paid(service)
    place.sql.close()


def paths(address: str) -> list[tuple[str, str]]:
    return [("get_payment", address), ("health", "/health"), ("metrics", "/metrics")]


def test_a_fail_over_under_load_loses_and_doubles_nothing(
    serve: Callable[..., Service], servers: Pair, bank: StripeLike, names: NameServer, reached_by_name: dict[str, str]
) -> None:
    before = Place(servers.primary, "payments")
    service = serve(before, "create_payment", **reached_by_name)
    worker = service.functions.process("create_payment").pid
    with load(service) as under_way:
        more_are_paid(under_way)
        before.sql.close()
        servers.primary.kill()
        names.lead(NAME, STANDBY)  # not promoted yet
        assert service.pay().status == 503
        servers.fail_over()
        more_are_paid(under_way)
        servers.rejoin()
        more_are_paid(under_way)
    service.place = Place(servers.primary, "payments")
    assert service.functions.process("create_payment").pid == worker, "the function was started again"
    charged = {
        row["reference"] for row in service.place.sql.run("SELECT reference FROM payments WHERE status = 'SUCCESS'")
    }
    assert charged >= {answer.json()["reference"] for answer in under_way.answers.values()}
    assert all((charge["count"], charge["succeeded"]) == (1, 1) for charge in bank.ledger()["charges"].values())
    service.place.sql.close()


def test_a_silent_name_server_stands_nothing_still(
    serve: Callable[..., Service], servers: Pair, names: NameServer, reached_by_name: dict[str, str]
) -> None:
    place = Place(servers.primary, "payments")
    service = serve(place, "create_payment", "health", **reached_by_name)
    paid(service)
    with names.silent():
        place.sql.run(TERMINATE)
        waiting = [service.later(service.pay) for _ in range(4)]
        for _ in range(20):
            for function in ("create_payment", "health"):
                answer = read(service, function, "/healthz")
                assert answer.status == 200
        assert {answer.result(20).status for answer in waiting} == {503}
        assert all(answer.result().took < 5 for answer in waiting)
        assert read(service, "health", "/health").status == 503
    paid(service)
    assert read(service, "health", "/health").status == 200
    place.sql.close()


def test_connections_that_a_firewall_forgot_cost_no_request_its_answer(
    serve: Callable[..., Service], servers: Pair, network: Network, reached_by_name: dict[str, str]
) -> None:
    place = Place(servers.primary, "payments")
    service = serve(place, "create_payment", **reached_by_name)
    assert {answer.result(20).status for answer in [service.later(service.pay) for _ in range(5)]} == {201}
    # Later than a connection is trusted unasked: one that is forgotten sooner may take a claim with it, if only the machine
    # is slow enough between the look and the claim.
    with network.forgetting(TRUSTED_FOR + 0.2):
        eventually(lambda: network.forgotten() > 0)
        answers = [paid(service) for _ in range(8)]
    slow = [answer for answer in answers if answer.took > 0.9]
    assert len(slow) <= 1, [answer.took for answer in answers]
    place.sql.close()
