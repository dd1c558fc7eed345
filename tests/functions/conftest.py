"""Functions as the framework serves them, in this process, with a database that does not answer."""

import io
import json
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import flask.testing
import functions_framework
import pytest
from werkzeug.test import TestResponse

from shared.platform import log
from shared.platform.database import Database
from tests.support.settings import ENVIRONMENT, SETTINGS

FUNCTIONS = Path(__file__).parent.parent.parent / "functions"


@dataclass(frozen=True)
class Served:
    """A function behind the framework: `ask` sends it a request, `module` is its main.py as the framework loaded it."""

    client: flask.testing.FlaskClient
    module: ModuleType

    def ask(self, method: str, path: str, **options: Any) -> TestResponse:
        return self.client.open(path, method=method, **options)


@pytest.fixture(scope="session")
def silent_database() -> Iterator[Database]:
    """A database whose port nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, never listening: every connection is refused, and nobody else gets it
        yield Database(replace(SETTINGS, db_host="127.0.0.1", db_port=held.getsockname()[1]))


@pytest.fixture(scope="session")
def serve(silent_database: Database) -> Callable[[str], Served]:
    """Loads a function once and serves it."""
    served: dict[str, Served] = {}

    def load(name: str) -> Served:
        if name not in served:
            with pytest.MonkeyPatch.context() as patch:
                for setting, value in ENVIRONMENT.items():
                    patch.setenv(setting, value)
                app = functions_framework.create_app(name, str(FUNCTIONS / name / "main.py"))
            module = sys.modules["main"]
            if hasattr(module, "database"):
                module.database = silent_database
            if hasattr(module, "deps"):
                module.deps = module.deps._replace(database=silent_database)
            served[name] = Served(app.test_client(), module)
        return served[name]

    return load


@pytest.fixture
def log_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What was logged since the test began, a dict a line; a line that is not JSON fails."""
    handler = log.log.handlers[0]
    assert hasattr(handler, "setStream")
    text = io.StringIO()
    before = handler.setStream(text)
    yield lambda: [json.loads(line) for line in text.getvalue().splitlines()]
    handler.setStream(before)


@pytest.fixture
def problem() -> Callable[[TestResponse, int, str], dict[str, Any]]:
    """Asserts that an answer is the problem document of this status and code, and gives the document."""

    def check(answer: TestResponse, status: int, code: str) -> dict[str, Any]:
        assert answer.headers["Content-Type"] == "application/problem+json"
        document: dict[str, Any] = json.loads(answer.get_data())
        assert (answer.status_code, document["status"], document["code"]) == (status, status, code)
        assert document["type"] == f"urn:payment-service:problem:{code}"
        assert document["correlation_id"] == answer.headers["X-Correlation-ID"]
        assert document["title"]
        assert document["detail"]
        assert document["instance"].startswith("/")
        return document

    return check
