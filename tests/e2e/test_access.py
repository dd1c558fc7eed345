"""Who may do what: every endpoint with every kind of token, at the front door and straight at each function."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from shared.rules.permissions import PERMISSIONS
from shared.web.routes import CLIENT_FUNCTIONS, ROUTES
from tests.e2e.client import Answer, Client, new_key, new_trip
from tests.e2e.service import Service, await_that
from tests.fakes.issuer import SUBJECT, WRONG, Issuer, bad_token

ALL = " ".join(sorted(PERMISSIONS))


class Endpoint(NamedTuple):
    """A request that succeeds, and the permission that it takes. Its path names the payment that it is on as 1."""

    method: str
    path: str
    function: str
    permission: str
    body: dict[str, Any] | None = None


PROTECTED = [
    Endpoint("POST", "/payments", "create_payment", "payments:write", {"method": "CASH", "amount": 1.00}),
    Endpoint("POST", "/v1/payments/", "create_payment", "payments:write", {"method": "CASH", "amount": 1.00}),
    Endpoint("POST", "/payments/{paid}/refunds", "create_refund", "refunds:write", {"amount": 0.01}),
    Endpoint("GET", "/payments", "get_payment", "payments:read"),
    Endpoint("HEAD", "/payments", "get_payment", "payments:read"),
    Endpoint("GET", "/payments/1", "get_payment", "payments:read"),
    Endpoint("GET", "/v1/payments/1", "get_payment", "payments:read"),
    Endpoint("GET", "/payments/1/refunds", "get_payment", "payments:read"),
    Endpoint("GET", "/payments/1/events", "get_payment", "payments:read"),
    Endpoint("GET", "/payments/{paid}/receipt", "get_payment", "payments:read"),
    Endpoint("GET", "/ledger/balances", "get_payment", "payments:read"),
    Endpoint("GET", "/ledger/drivers", "get_payment", "payments:read"),
    Endpoint("GET", "/ledger/drivers/driver-1", "get_payment", "payments:read"),
    Endpoint("GET", "/metrics", "metrics", "metrics:read"),
    Endpoint("GET", "/metrics/prometheus", "metrics", "metrics:read"),
]
OPEN = ["/health", "/v1/health", "/health/", "/", "/v1", "/openapi.json", "/docs", "/v1/docs/"]


@pytest.fixture(scope="module")
def paid(guarded: Service, issuer: Issuer) -> int:
    """A payment that much can be given back of."""
    client = Client(guarded.port)
    body = {"trip_id": new_trip(), "method": "CASH", "amount": 1000}
    headers = {"Idempotency-Key": new_key(), "Authorization": f"Bearer {issuer.token(scope=ALL)}"}
    answer = client.call("POST", "/payments", body, headers)
    client.close()
    return int(answer.json["payment_id"])


@pytest.fixture(params=["at the front door", "straight at the function"])
def ask(request: pytest.FixtureRequest, guarded: Service, paid: int) -> Any:
    """Sends the request of an endpoint, with this Authorization header."""

    def send(endpoint: Endpoint, authorization: str | None) -> Answer:
        at_the_door = request.param == "at the front door"
        client = Client(guarded.port if at_the_door else guarded.port_of(endpoint.function))
        headers = {} if authorization is None else {"Authorization": authorization}
        body = endpoint.body
        if body is not None:
            headers["Idempotency-Key"] = new_key()
            body = body if "refunds" in endpoint.path else {"trip_id": new_trip(), **body}
        answer = client.call(endpoint.method, endpoint.path.format(paid=paid), body, headers)
        client.close()
        return answer

    return send


def is_problem(endpoint: Endpoint, answer: Answer, status: int, code: str) -> bool:
    """Whether it is this refusal; a HEAD has no body to tell."""
    if endpoint.method == "HEAD":
        return answer.status == status
    return answer.problem(status, code)["code"] == code


each_endpoint = pytest.mark.parametrize("endpoint", PROTECTED, ids=lambda e: f"{e.method} {e.path}")


@each_endpoint
def test_without_a_token_nobody_is_let_in(ask: Any, endpoint: Endpoint) -> None:
    for authorization in (None, "Basic dXNlcjpwYXNzd29yZA=="):
        answer = ask(endpoint, authorization)
        assert is_problem(endpoint, answer, 401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="payment-service"'


@each_endpoint
@pytest.mark.parametrize("wrong", WRONG)
def test_with_a_bad_token_nobody_is_let_in(ask: Any, issuer: Issuer, endpoint: Endpoint, wrong: str) -> None:
    answer = ask(endpoint, f"Bearer {bad_token(issuer, wrong)}")
    assert is_problem(endpoint, answer, 401, "invalid_token")
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


@each_endpoint
def test_a_good_token_that_may_do_everything_else_may_not_do_this(ask: Any, issuer: Issuer, endpoint: Endpoint) -> None:
    others = " ".join(PERMISSIONS - {endpoint.permission})
    answer = ask(endpoint, f"Bearer {issuer.token(scope=others)}")
    assert is_problem(endpoint, answer, 403, "insufficient_scope")
    assert f'scope="{endpoint.permission}"' in answer.headers["WWW-Authenticate"]


@each_endpoint
def test_with_the_permission_it_is_done(ask: Any, issuer: Issuer, endpoint: Endpoint) -> None:
    answer = ask(endpoint, f"Bearer {issuer.token(scope=endpoint.permission)}")
    assert answer.status == (201 if endpoint.method == "POST" else 200), answer.text
    assert "WWW-Authenticate" not in answer.headers


def test_every_route_of_a_client_is_looked_at_here() -> None:
    def template(path: str) -> str:
        for value, name in (("{paid}", "{payment_id}"), ("/1", "/{payment_id}"), ("driver-1", "{driver_id}")):
            path = path.replace(value, name)
        return path.removeprefix("/v1").removesuffix("/")

    looked_at = {(endpoint.method, template(endpoint.path), endpoint.permission) for endpoint in PROTECTED}
    wanted = {
        (route.method, route.template, route.permission) for route in ROUTES if route.function in CLIENT_FUNCTIONS
    }
    assert {route for route in wanted if route[2]} <= looked_at
    assert {route[1] for route in wanted if not route[2]} - {"/docs/{file}", "/webhooks/{gateway}"} <= {
        path.removeprefix("/v1") or "/" for path in OPEN
    }


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_asks_nobody_who_he_is(guarded: Service, path: str) -> None:
    for port in (guarded.port, guarded.port_of("health")):
        client = Client(port)
        assert client.get(path).status == 200
        assert client.get(path, Authorization="Bearer garbage").status == 200
        client.call("DELETE", path).problem(405, "method_not_allowed")
        client.close()


def test_a_gateway_is_not_asked_for_a_token(guarded: Service) -> None:
    """What it signs is looked at where there is a secret; here is none."""
    for port in (guarded.port, guarded.port_of("gateway_webhook")):
        client = Client(port)
        for headers in ({}, {"Authorization": "Bearer garbage"}):
            client.call("POST", "/webhooks/stripe", {}, headers).problem(404, "not_found")
        client.close()


def test_what_the_page_of_the_api_loads_is_open_too(guarded: Service) -> None:
    for port in (guarded.port, guarded.port_of("health")):
        client = Client(port)
        loaded = re.findall(r'(?:src|href)="(docs/[^"]+)"', client.get("/docs").text)
        assert [client.get(f"/{path}").status for path in loaded] == [200] * 4
        client.close()


@pytest.mark.parametrize(
    "function", sorted(CLIENT_FUNCTIONS | {"console", "notify", "sweep", "charge_trip", "reconcile"})
)
def test_every_function_says_that_it_lives(guarded: Service, function: str) -> None:
    for port in (guarded.port, guarded.port_of(function)):
        client = Client(port)
        assert client.get("/healthz").json == {"status": "UP"}
        client.close()


@pytest.mark.parametrize(
    "path", ["/nothing", "/healthz/x", "/health/x", "/openapi.json/x", "/payments/1/2/3", "/docs2"]
)
def test_a_stranger_is_not_told_what_there_is(guarded: Service, issuer: Issuer, path: str) -> None:
    client = Client(guarded.port)
    client.get(path).problem(401, "unauthorized")
    client.get(path, Authorization=f"Bearer {issuer.token()}").problem(404, "not_found")
    client.close()


def test_the_cluster_s_own_tokens_work_as_they_are(guarded: Service, cluster: Issuer) -> None:
    """A projected service-account token has no scope: AUTH_SUBJECTS says what its subject may do."""
    client = Client(guarded.port)
    token = {"Authorization": f"Bearer {cluster.token()}"}
    body = {"trip_id": new_trip(), "method": "CARD", "amount": 150.00}
    answer = client.call("POST", "/payments", body, {"Idempotency-Key": new_key(), **token})
    assert answer.status == 201
    assert client.call("GET", answer.headers["Location"], headers=token).status == 200
    client.call("GET", "/metrics", headers=token).problem(403, "insufficient_scope")
    other = {"Authorization": f"Bearer {cluster.token(sub='system:serviceaccount:rides:somebody')}"}
    client.call("GET", "/payments", headers=other).problem(403, "insufficient_scope")
    client.close()


def test_the_log_says_who_called_and_never_the_token(guarded: Service, cluster: Issuer, issuer: Issuer) -> None:
    client = Client(guarded.port)
    good, bad = cluster.token(), bad_token(issuer, "expired")
    client.get("/payments/1", Authorization=f"Bearer {good}", X_Correlation_ID="who-called")
    Client(guarded.port_of("get_payment")).get("/payments/1", Authorization=f"Bearer {bad}", X_Correlation_ID="bad")
    client.close()
    await_that(lambda: '"bad"' in guarded.logs()["get_payment"], "the requests are logged")
    lines = {line["correlation_id"]: line for line in guarded.log_lines("get_payment") if line["message"] == "request"}
    assert lines["who-called"]["caller"] == f"{cluster.url} {SUBJECT}"
    reasons = [line["why"] for line in guarded.log_lines("get_payment") if line["message"] == "token not accepted"]
    assert "ExpiredSignatureError" in reasons
    for text in guarded.logs().values():
        assert good not in text
        assert bad not in text


def test_a_service_that_is_open_says_so_once(service: Service, guarded: Service) -> None:
    for function in ("create_payment", "create_refund", "get_payment", "metrics"):
        said = [line for line in service.log_lines(function) if line["message"].startswith("open to everybody")]
        assert [line["level"] for line in said] == ["WARNING"]
        assert "open to everybody" not in guarded.logs()[function]


def test_a_key_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    from tests.support.functions import Functions

    issuers = json.dumps([{"issuer": "https://id.example", "keys": str(tmp_path / "absent.json")}])
    functions = Functions(["get_payment"], {"AUTH_ISSUERS": issuers})
    functions.start("get_payment")
    functions.process("get_payment").wait(30)
    said = functions.log("get_payment")
    functions.stop()
    assert "payment-service cannot start: there are no keys of https://id.example: " in said
    assert "Traceback" not in said
