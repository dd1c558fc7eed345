"""Passwords and keys: in no log, no answer and no representation, whatever fails."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from typing import Any

import psycopg2
import pytest
import urllib3

from local.place import CHECKOUT
from local.ports import pick
from shared.platform.settings import SettingError, Settings
from tests.e2e.service import await_that
from tests.fakes.server import CuttableServer
from tests.fakes.trips import TripServer
from tests.support import hostile
from tests.support.cluster import Place
from tests.support.functions import AsInTheImage

SECRET = "s3cr3t"
PASSWORD = f"{SECRET}' host=elsewhere \x01é"
KEY = f"sk_test_{SECRET}"


class Echo(BaseHTTPRequestHandler):
    """A gateway that says back whatever it was told, as an error."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        message = f"Invalid API Key provided: {self.headers['Authorization']}{hostile.TEXT}{self.rfile.read(length)!r}"
        error = {"type": "invalid_request_error", "message": message, "code": message, "param": message}
        body = json.dumps({"error": error}).encode()
        self.send_response(int(self.path.partition("/status-")[2][:3] or 401), message.partition("{")[0][:40])
        self.send_header("Request-Id", str(self.headers["Authorization"]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST


@pytest.fixture
def echo() -> Iterator[str]:
    server = CuttableServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def said_and_logged(environment: dict[str, str], times: int = 1) -> str:
    """What create_payment answers to a charge, and all that it logs."""
    with AsInTheImage(
        ["create_payment"], {"PATH": os.environ["PATH"], "LOG_LEVEL": "DEBUG", **environment}
    ) as functions:
        for number in range(times):
            answer = urllib3.request(
                "POST",
                functions.url("create_payment") + "/payments",
                json={"trip_id": 101, "method": "CARD", "amount": 1 + number, "payment_token": "pm_card_visa"},
                headers={"Idempotency-Key": f"secrets-{number}"},
                retries=False,
                timeout=30,
            )
        lines = lambda: [line for line in functions.log("create_payment").splitlines() if '"status"' in line]  # noqa: E731
        await_that(lambda: len(lines()) >= times, "every request is logged")
        hostile.read_lines(functions.log("create_payment"))
        return functions.log("create_payment") + answer.data.decode()


def test_a_database_that_is_not_there_or_refuses_is_told_of_without_the_password(place: Place) -> None:
    (nobody,) = pick(1)
    told = said_and_logged({**place.environment, "DB_PASS": PASSWORD, "DB_PORT": str(nobody)})
    assert "database unavailable" in told
    assert SECRET not in told
    told = said_and_logged({**place.environment, "DB_PASS": PASSWORD, "DB_USER": "nobody_of_ours"})
    assert "database unavailable" in told
    assert SECRET not in told


@pytest.mark.parametrize("status", [401, 400, 402, 500])
def test_a_gateway_that_says_our_key_back_is_not_quoted(
    place: Place, trips: TripServer, echo: str, status: int
) -> None:
    stripe = {"GATEWAY": "stripe", "STRIPE_API_KEY": KEY, "STRIPE_API_BASE": f"{echo}/status-{status}"}
    stripe |= {"GATEWAY_TIMEOUT": "2"}
    told = said_and_logged({**place.environment, "TRIP_SERVICE_URL": trips.url, **stripe})
    assert SECRET not in told


def test_a_shared_store_that_is_down_is_told_of_without_its_password(place: Place, trips: TripServer) -> None:
    (nobody,) = pick(1)
    store = {"RATE_LIMIT_STORAGE": f"redis://user:{SECRET}@127.0.0.1:{nobody}/0"}
    told = said_and_logged({**place.environment, "TRIP_SERVICE_URL": trips.url, **store}, times=3)
    assert "rates not shared: each instance counts alone" in told
    assert '"status": 201' in told
    assert SECRET not in told


WRONG = {
    "STRIPE_API_KEY": f"pk_live_{SECRET}",
    "STRIPE_WEBHOOK_SECRET": f"secret_{SECRET}",
    "RATE_LIMIT_STORAGE": f"redis://:{SECRET}@ho st",
    "K_SINK": f"http://user:{SECRET}@broker/",
    "TRIP_SERVICE_URL": f"http://user:{SECRET}@trips/",
    "STRIPE_API_BASE": f"http://user:{SECRET}@stripe/",
}


@pytest.mark.parametrize("name", WRONG)
def test_a_setting_that_is_wrong_is_named_and_not_shown(name: str) -> None:
    with pytest.raises(SettingError) as refused:
        Settings.read({name: WRONG[name]})
    assert SECRET not in str(refused.value)
    command = [sys.executable, "-c", "from shared.platform.settings import read_settings; read_settings()"]
    environment = {"PATH": os.environ["PATH"], name: WRONG[name]}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=30)
    assert done.stderr.startswith(f"payment-service cannot start: {name} ")
    assert SECRET not in done.stdout + done.stderr


def test_settings_are_shown_with_their_secrets_masked() -> None:
    given = {"DB_PASS": PASSWORD, "STRIPE_API_KEY": KEY, "RATE_LIMIT_STORAGE": f"rediss://:{SECRET}@cache/0"}
    settings = Settings.read(given)
    shown: dict[str, Any] = {"repr": repr(settings), "str": str(settings), "format": f"{settings!r:.9999}"}
    for text in shown.values():
        assert SECRET not in text
        for name in given:
            assert f"{name.lower()}=***" in text
    assert "currency='INR'" in shown["repr"]
    assert "db_pass=''" in repr(Settings.read({})), "an empty one is told from one that is set"


def test_what_the_database_refuses_is_in_its_log_without_values(place: Place) -> None:
    secret = "pi_1_secret_of_a_customer"
    with closing(place.connection()) as owner:
        owner.run("CREATE TEMP TABLE refusing (next_action text CHECK (next_action = ''))")
        with pytest.raises(psycopg2.errors.CheckViolation, match=secret):
            owner.run(f"INSERT INTO refusing VALUES ('{secret}')")
        with pytest.raises(psycopg2.errors.QueryCanceled):
            owner.run(f"SET statement_timeout = 1; SELECT pg_sleep(5), '{secret}'")
    logged = (place.server.folder / "postgres.log").read_text(encoding="utf-8")
    assert "refusing_next_action_check" in logged, "what it was about is told"
    assert secret not in logged
