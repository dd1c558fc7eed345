"""The whole service, started once for all these tests and ended with nothing left."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.client import Client, Schemas
from tests.e2e.service import Service


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    running = Service()
    yield running
    code, left = running.end()
    assert code == 0
    assert left == []


@pytest.fixture(scope="session")
def schemas(service: Service) -> Schemas:
    """The service's own description of its answers."""
    return Schemas(Client(service.port).get("/openapi.json").json)


@pytest.fixture
def client(service: Service, schemas: Schemas) -> Iterator[Client]:
    """A client at the front door."""
    client = Client(service.port, schemas)
    yield client
    client.close()


@pytest.fixture
def rows(service: Service) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Runs SQL in the service's database."""
    with service.database() as run:
        yield run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What was logged is looked at when everything else here has been sent."""
    items.sort(key=lambda item: "tests/e2e/test_logs.py" in item.nodeid)
