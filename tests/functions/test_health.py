"""GET /health, / and /openapi.json, and what health answers for the addresses that no function has."""

import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from local.place import CHECKOUT
from shared import VERSION
from shared.platform.database import Database
from shared.web.routes import CLIENT_FUNCTIONS, ROUTES
from tests.support.settings import SETTINGS


def test_a_database_that_does_not_answer_is_down_by_a_report_and_no_problem(serve: Any) -> None:
    answer = serve("health").ask("GET", "/health")
    body = answer.get_json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/json")
    moment = datetime.fromisoformat(body.pop("timestamp"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 60
    assert body == {"service": "payment-service", "version": VERSION, "status": "DOWN", "database_status": "DOWN"}


def test_one_of_several_cells_says_which_it_is(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve("health").module, "settings", replace(SETTINGS, cell=2))
    assert serve("health").ask("GET", "/health").get_json()["cell"] == "2"


def test_a_database_that_takes_connections_and_says_nothing_is_down_after_two_seconds(
    serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = replace(SETTINGS, db_host="127.0.0.1", db_port=mute.getsockname()[1], db_connect_timeout=30)
        monkeypatch.setattr(serve("health").module, "database", Database(settings))
        began = time.monotonic()
        assert serve("health").ask("GET", "/health").status_code == 503
        assert 1.5 < time.monotonic() - began < 3


def test_every_connection_being_in_use_is_down_within_two_seconds(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = replace(SETTINGS, db_host="127.0.0.1", db_port=mute.getsockname()[1], db_pool_size=1)
        monkeypatch.setattr(serve("health").module, "database", Database(settings))
        answers: list[int] = []
        askers = [
            threading.Thread(target=lambda: answers.append(serve("health").ask("GET", "/health").status_code))
            for _ in range(3)
        ]
        began = time.monotonic()
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
        assert answers == [503, 503, 503]
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/"])
def test_the_index_names_every_endpoint_of_a_client(serve: Any, path: str) -> None:
    index = serve("health").ask("GET", path).get_json()
    assert index["service"] == "payment-service"
    of_clients = {f"{r.method} {r.template}" for r in ROUTES if r.function in CLIENT_FUNCTIONS}
    assert set(index["endpoints"]) == of_clients - {"GET /docs/{file}"}  # which a page loads, and nobody asks for


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/payments", "GET, HEAD, POST"),
        ("/payments/1", "GET, HEAD"),
        ("/v1/payments/1/refunds", "GET, HEAD, POST"),
        ("/payments/1/receipt", "GET, HEAD"),
        ("/payments/1/events", "GET, HEAD"),
        ("/health", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
        ("/", "GET, HEAD"),
    ],
)
def test_health_answers_another_method_for_the_whole_service(serve: Any, problem: Any, path: str, allowed: str) -> None:
    answer = serve("health").ask("DELETE", path)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize("function", ["health", "get_payment", "metrics", "notify"])
def test_a_function_that_takes_no_payment_imports_nothing_that_payments_need(function: str) -> None:
    listing = f"import functions.{function}.main, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", listing], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=30
    )
    modules = set(loaded.stdout.split())
    assert (
        not {"pydantic", "shared.web.models", "shared.charging.charge", "shared.gateways.registry", "limits"} & modules
    )
    if function in ("health", "get_payment", "metrics"):
        assert not {"requests", "urllib3", "shared.platform.http_client"} & modules


@pytest.mark.parametrize(
    "function",
    [
        "create_payment",
        "create_refund",
        "get_payment",
        "health",
        "metrics",
        "notify",
        "sweep",
        "charge_trip",
        "reconcile",
    ],
)
def test_importing_a_function_starts_no_thread_and_opens_no_socket(function: str) -> None:
    count = (
        f"import functions.{function}.main, threading, os\n"
        "sockets = [fd for fd in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{fd}')"
        " and os.readlink(f'/proc/self/fd/{fd}').startswith('socket')]\n"
        "print(threading.active_count(), len(sockets))"
    )
    counted = subprocess.run(
        [sys.executable, "-c", count], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=30
    )
    assert counted.stdout.splitlines()[-1].split() == ["1", "0"]
