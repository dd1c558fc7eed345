"""Who may enter by the real Envoy: without a good token nothing reaches a function, and the answer is a function's own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

from shared.platform.settings import Settings
from shared.web.answers import Answer as FunctionsAnswer
from shared.web.call import Call
from shared.web.door import door as entrance_of
from shared.web.routes import bare, is_open
from tests.fakes.issuer import ALGORITHMS, AUDIENCE, WRONG, Issuer, bad_token, bad_tokens
from tests.local.doors import Answer, Door, functions, running

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
CLOSED = [
    ("POST", "/payments"), ("GET", "/v1/payments"), ("GET", "/payments/7"), ("HEAD", "/payments/7/receipt"),
    ("POST", "/payments/7/refunds/"), ("GET", "/metrics"), ("GET", "/metrics/prometheus"), ("GET", "/nothing"),
    ("POST", "/sweep"), ("DELETE", "/payments/7"), ("OPTIONS", "/payments"),
]  # fmt: skip
# What somebody might try in order to pass for an open path, and what is one.
PATHS = [
    *("/", "/v1", "/v1/", "//", "/v1//", "///", "/health", "/health/", "/health//", "/v1/health", "/v1/health/"),
    *("/v1/v1/health", "/v2/health", "/Health", "/HEALTH", "/health;x", "/health;/payments", "/health.json", "/healthz/x"),
    *("/healthz", "/healthz/", "/v1/healthz", "/health%20", "/%68ealth", "/health%00", "/health%3F", "/health%23/x"),
    *("/openapi.json", "/openapi.json/", "/openapixjson", "/v1/openapi.json", "/openapi.json/x", "/openapi%2Ejson"),
    *("//payments", "//health", "/health/../payments", "/health/%2e%2e/payments", "/payments/../health", "/./health"),
    *("/health/..", "/health/payments", "/payments/health", "/payments?x=/health", "/health?x=/payments", "/docs"),
    *("/docs/", "/docs/x", "/docs/../payments", "/docs/%2e%2e/metrics", "/docsx", "/metrics/health", "/%2e", "/%2e%2e"),
    *("/payments/7;/health", "/health;/../payments"),
    *("/webhooks/stripe", "/v1/webhooks/x/", "/webhooks", "/webhooks/", "/webhooks/a/b", "/webhooksx", "/webhooks/%2e%2e"),
    *("/webhooks/stripe/../../payments", "/payments/../webhooks/stripe", "/payments?x=/webhooks/stripe", "//webhooks/stripe"),
    *("/console", "/v1/console/", "/console/payments/7", "/console/nothing", "/console2", "/Console", "/console;x"),
    *("/console/../payments", "/console/%2e%2e/payments", "/payments/../console", "/payments/console", "/v1/v1/console"),
    *("/console%2fx", "//console", "/console//x", "/payments?x=/console", "/%63onsole", "/consol%65/x"),
    *("/h%C3%A9alth", "/health\u00e9", "/health%ff", "/v1/../payments", "/v1%2Fhealth", "/health%2Fx", "/health%5c"),
]  # fmt: skip


def of(*issuers: Issuer, **settings: str) -> Settings:
    """Settings for issuers whose keys are at their URL."""
    named = [{"issuer": issuer.url, "keys": f"{issuer.url}/openid/v1/jwks"} for issuer in issuers]
    return Settings.read({"AUTH_ISSUERS": json.dumps(named), **settings})


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def door(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with functions() as behind, running(tmp_path_factory.mktemp("door"), behind, settings=of(issuer)) as door:
        yield door


def with_a_token(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def what_a_function_says(settings: Settings, method: str, path: str, headers: dict[str, str]) -> flask.Response:
    """The answer of health itself, whatever would be at the path: what is unknown asks for a token too."""
    app = flask.Flask("health")
    entrance = entrance_of("health", settings, limited=False)(_never)
    with app.test_request_context(path, method=method, headers=headers):
        return entrance(flask.request)


def _never(_: Call) -> FunctionsAnswer:
    return FunctionsAnswer(200, "{}")


def _same(answer: Answer, said: flask.Response, method: str) -> None:
    assert answer.status == said.status_code
    theirs = {name.lower(): value for name, value in said.headers.items()}
    own = {name: value for name, value in answer.headers.items() if name not in ("server", "date", "connection")}
    if method == "HEAD":
        theirs.pop("content-length", None)
        own.pop("content-length", None)
    assert own == theirs
    assert answer.body == (b"" if method == "HEAD" else said.get_data())


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_without_a_token_nothing_goes_on_and_the_answer_is_the_functions(
    door: Door, issuer: Issuer, method: str, path: str
) -> None:
    before = door.passed
    headers = {"X-Correlation-ID": "mine"}
    answer = door.ask(method, path, **headers)
    assert (answer.status, door.passed) == (401, before)
    _same(answer, what_a_function_says(of(issuer), method, path, headers), method)


@pytest.mark.parametrize(("method", "path"), CLOSED[:4])
@pytest.mark.parametrize("fault", WRONG)
def test_with_a_bad_token_nothing_goes_on_and_the_answer_is_the_functions(
    door: Door, issuer: Issuer, fault: str, method: str, path: str
) -> None:
    before = door.passed
    headers = {"X-Correlation-ID": "mine", **with_a_token(bad_token(issuer, fault))}
    answer = door.ask(method, path, **headers)
    assert (answer.status, door.passed) == (401, before)
    _same(answer, what_a_function_says(of(issuer), method, path, headers), method)


@pytest.mark.parametrize(
    "header", ["Basic dXNlcjpwYXNz", "Bearer", "bearer", "Bearer  ", "Token x", "", "Bearerx", "x Bearer y"]
)
def test_what_is_no_token_is_told_apart_as_a_function_does(door: Door, issuer: Issuer, header: str) -> None:
    before = door.passed
    headers = {"X-Correlation-ID": "mine", "Authorization": header}
    answer = door.ask("GET", "/payments", **headers)
    assert door.passed == before
    _same(answer, what_a_function_says(of(issuer), "GET", "/payments", headers), "GET")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_good_token_goes_on_as_it_is_and_nothing_is_made_of_it(door: Door, issuer: Issuer, scheme: str) -> None:
    sent = f"{scheme} {issuer.token()}"
    answer = door.ask("POST", "/payments", b"{}", Authorization=sent)
    told = json.loads(answer.body)
    assert (answer.status, told["function"], told["headers"]["authorization"]) == (200, "create_payment", sent)
    known = {"host", "accept-encoding", "content-length", "authorization", "x-forwarded-proto", "x-request-id"}
    assert set(told["headers"]) <= known | {
        "x-correlation-id",
        "x-caller-address",
        "x-forwarded-for",
        "x-envoy-external-address",
    }


def test_what_a_token_permits_is_for_the_function_to_say(door: Door, issuer: Issuer) -> None:
    for scope in (None, "payments:read", ""):
        token = issuer.token(scope=scope, sub="somebody")
        assert door.ask("POST", "/payments/7/refunds", b"{}", **with_a_token(token)).status == 200


def test_the_clocks_may_differ_by_half_a_minute(door: Door, issuer: Issuer) -> None:
    now = issuer.claims()["iat"]
    for claims in ({"exp": now - 20}, {"nbf": now + 20}):
        assert door.ask("GET", "/payments", **with_a_token(issuer.token(**claims))).status == 200
    for claims in ({"exp": now - 40}, {"nbf": now + 40}, {"exp": None}, {"aud": None}, {"iss": None}):
        assert door.ask("GET", "/payments", **with_a_token(issuer.token(**claims))).status == 401


@pytest.mark.parametrize("token", ["first", "second"])
def test_two_tokens_are_not_one(door: Door, issuer: Issuer, token: str) -> None:
    """Whichever the function would read."""
    tokens = ["garbage", "garbage"]
    tokens[token == "second"] = issuer.token()
    lines = "".join(f"Authorization: Bearer {each}\r\n" for each in tokens)
    answer = door.raw(f"GET /payments HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    assert (answer.status, answer.problem()["code"]) == (401, "invalid_token")


def test_a_token_in_the_address_is_none(door: Door, issuer: Issuer) -> None:
    answer = door.ask("GET", f"/payments?access_token={issuer.token()}")
    assert (answer.status, answer.problem()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
def test_what_is_open_here_is_what_is_open_to_a_function(door: Door, path: str, method: str) -> None:
    """A function sees the path that Envoy passes on, decoded. What Envoy cannot take it refuses itself."""
    before = door.passed
    answer = door.raw(f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
    if answer.status == 400:
        assert door.passed == before
        return
    assert answer.status in (200, 401)
    assert (door.passed > before) == (answer.status == 200)
    if answer.status == 401:
        # A client that means an open path in a way that a URL library would not write it needs a token: see the next test.
        return
    if method == "HEAD":
        assert answer.headers["x-function"] in ("health", "console")
        return
    told: dict[str, Any] = json.loads(answer.body)
    with flask.Flask("health").test_request_context(told["path"]):
        seen = bare(flask.request.path)
    if told["function"] == "console":  # which decides itself
        assert seen == "/console" or seen.startswith("/console/")
        return
    assert told["function"] in ("health", "gateway_webhook")
    assert is_open("health", seen) or is_open("gateway_webhook", seen)
    assert (told["function"] == "gateway_webhook") == (method == "POST" and seen.startswith("/webhooks/"))


@pytest.mark.parametrize("prefix", ["", "/v1"])
@pytest.mark.parametrize(
    "path", ["", "/", "/health", "/health/", "/openapi.json", "/%68ealth", "/x/../health", "/health?x=1"]
)
def test_an_open_path_needs_no_token(door: Door, prefix: str, path: str) -> None:
    for headers in ({}, with_a_token("garbage"), {"Authorization": "Basic x"}):
        for method in METHODS:
            assert door.ask(method, prefix + path or "/", **headers).status == 200


def test_the_health_of_the_front_doors_own_needs_no_token(door: Door) -> None:
    assert [door.ask(method, "/healthz").status for method in ("GET", "HEAD", "POST")] == [200] * 3


def test_a_preflight_request_is_no_way_in(door: Door) -> None:
    told = {"Origin": "https://somebody.example", "Access-Control-Request-Method": "POST"}
    assert door.ask("OPTIONS", "/payments", **told).status == 401


def test_without_issuers_everybody_enters(tmp_path: Path) -> None:
    with functions() as behind, running(tmp_path, behind) as door:
        for headers in ({}, with_a_token("garbage")):
            assert door.ask("POST", "/payments", b"{}", **headers).status == 200


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_the_functions_is_one_here(tmp_path: Path, algorithm: str) -> None:
    with (
        Issuer(algorithm=algorithm) as issuer,
        functions() as behind,
        running(tmp_path, behind, settings=of(issuer)) as door,
    ):
        assert door.ask("GET", "/payments", **with_a_token(issuer.token())).status == 200
        assert door.ask("GET", "/payments", **with_a_token(issuer.token(aud="x"))).status == 401


def test_each_of_several_issuers_speaks_for_itself_alone(tmp_path: Path) -> None:
    with Issuer("a") as one, Issuer("b") as other, functions() as behind:
        named = [
            {"issuer": one.url, "keys": str(one.write(tmp_path / "jwks.json"))},
            {"issuer": other.url, "audience": "another-service"},
        ]
        settings = Settings.read({"AUTH_ISSUERS": json.dumps(named)})
        with running(tmp_path, behind, settings=settings) as door:
            good = [one.token(), other.token(aud="another-service")]
            bad = [
                one.token(iss=other.url, aud="another-service"),
                other.token(iss=one.url),
                one.token(aud="another-service"),
            ]
            assert [door.ask("GET", "/payments", **with_a_token(each)).status for each in good] == [200, 200]
            before = door.passed
            for each in (*bad, other.token(aud=AUDIENCE), *bad_tokens(one).values()):
                answer = door.ask("GET", "/payments", **with_a_token(each))
                assert (answer.status, answer.problem()["code"]) == (401, "invalid_token")
            assert door.passed == before
