"""The whole service, started once for all these tests and ended with nothing left."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.ports import HOST, pick
from tests.e2e.cells import Cells
from tests.e2e.client import Client, Schemas
from tests.e2e.service import Service
from tests.fakes.issuer import SUBJECT, Issuer
from tests.support.provider import Provider

# So that webhooks of Stripe's are taken; nothing is charged there.
NOBODY_AT_STRIPE = {
    "STRIPE_API_KEY": "sk_test_of_nobody",
    "STRIPE_API_BASE": f"http://{HOST}:1",
    "STRIPE_WEBHOOK_SECRET": "whsec_of_these_tests",
}


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    running = Service(**NOBODY_AT_STRIPE)
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


@pytest.fixture(scope="package")
def issuer() -> Iterator[Issuer]:
    """An issuer whose tokens have a scope."""
    with Issuer() as running:
        yield running


@pytest.fixture(scope="package")
def cluster() -> Iterator[Issuer]:
    """An issuer in the shape of a Kubernetes cluster."""
    with Issuer("cluster") as running:
        yield running


@pytest.fixture(scope="package")
def company() -> Iterator[Provider]:
    """The provider at which people sign in."""
    with Provider(f"http://{HOST}:{pick(1)[0]}") as running:
        yield running


@pytest.fixture(scope="package")
def guarded(
    issuer: Issuer, cluster: Issuer, company: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The whole service, with three issuers: one whose keys are in a file, one that says itself where they are, and one at
    which people sign in."""
    folder = tmp_path_factory.mktemp("keys")
    folder.chmod(0o755)
    file = issuer.write(folder / "jwks.json")
    running = Service(
        urlsplit(company.console).port or 0,
        AUTH_ISSUERS=json.dumps(
            [{"issuer": issuer.url, "keys": str(file)}, {"issuer": cluster.url}, {"issuer": company.url}]
        ),
        AUTH_SUBJECTS=json.dumps({f"{cluster.url} {SUBJECT}": "payments:write payments:read"}),
        RATE_LIMIT="",
        CONSOLE_ISSUER=company.url,
        CONSOLE_CLIENT_ID="console",
        CONSOLE_CLIENT_SECRET=company.secret,
        CONSOLE_SESSION_KEY="s3cr3t-key-of-the-sessions-of-these-tests",
        CONSOLE_URL=company.console,
        CONSOLE_SCOPE="openid payments:read",
    )
    yield running
    assert running.end() == (0, [])


@pytest.fixture(scope="package")
def cells() -> Iterator[Cells]:
    """Two cells and their front door."""
    running = Cells()
    yield running
    assert running.end() == (0, [])


# What was logged is looked at when everything else has been sent to the one service; what takes its time beside the others is
# awaited before; and two cells run beside nothing else.
LAST = (
    "tests/e2e/test_direct.py::test_reconcile_takes_an_event_from_a_clock",
    "tests/e2e/test_logs.py",
    "tests/e2e/test_cells",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: next((place for place, file in enumerate(LAST, 1) if item.nodeid.startswith(file)), 0))
