"""What every function does alike on its HTTP side."""

import gzip
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flask
import pytest

from shared.events.event import TRIP_COMPLETED
from shared.platform import log
from shared.platform.exposition import Exposition
from shared.web.answers import Answer
from shared.web.door import door
from shared.web.problems import Problem
from shared.web.rates.limiter import Limiter
from shared.web.routes import CLIENT_FUNCTIONS
from tests.support.settings import SETTINGS

OWN = {
    "charge_trip": ("POST", "/"),
    "create_payment": ("POST", "/payments"),
    "create_refund": ("POST", "/payments/351/refunds"),
    "dead_letters": ("POST", "/"),
    "gateway_webhook": ("POST", "/webhooks/stripe"),
    "get_payment": ("GET", "/payments/351"),
    "health": ("GET", "/health"),
    "metrics": ("GET", "/metrics"),
    "notify": ("POST", "/"),
    "reconcile": ("POST", "/"),
    "sweep": ("POST", "/"),
}
READS_THE_DATABASE = [
    "charge_trip",
    "create_payment",
    "create_refund",
    "dead_letters",
    "get_payment",
    "metrics",
    "sweep",
]
DEAD_LETTER = {
    "ce-specversion": "1.0",
    "ce-id": "e",
    "ce-type": "t",
    "ce-source": "/payment-service",
    "ce-knativeerrorcode": "422",
}
COMPLETED_TRIP = DEAD_LETTER | {"ce-type": TRIP_COMPLETED}
PAYMENT = {"trip_id": 101, "method": "CARD", "amount": 150.00}
every_function = pytest.mark.parametrize("function", OWN)


def good(function: str) -> dict[str, Any]:
    """What makes a request of this function a good one."""
    keyed = {"Idempotency-Key": "k"}
    return {
        "charge_trip": {"json": {"trip_id": 101, "method": "CARD"}, "headers": COMPLETED_TRIP},
        "create_payment": {"json": PAYMENT, "headers": keyed},
        "create_refund": {"json": {}, "headers": keyed},
        "dead_letters": {"json": {}, "headers": DEAD_LETTER},
    }.get(function, {})


@every_function
@pytest.mark.parametrize("path", ["/healthz", "/v1/healthz"])
def test_healthz_answers_without_touching_anything(serve: Any, function: str, path: str) -> None:
    answer = serve(function).ask("GET", path)
    assert (answer.status_code, answer.json) == (200, {"status": "UP"})
    assert serve(function).ask("HEAD", path).status_code == 200


@every_function
@pytest.mark.parametrize("path", ["/nowhere", "/v1/nowhere", "/favicon.ico", "/robots.txt", "/v2/payments", "/a/b/c/d"])
def test_a_path_of_nobodys_is_a_problem(serve: Any, problem: Any, function: str, path: str) -> None:
    document = problem(serve(function).ask("GET", path), 404, "not_found")
    assert document["instance"] == path.removeprefix("/v1")


@every_function
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_a_slash_at_the_end_of_a_path_changes_nothing(serve: Any, function: str, prefix: str) -> None:
    method, path = OWN[function]
    slashed = prefix + path.rstrip("/") + "/"
    plain, same = (serve(function).ask(method, each, **good(function)) for each in (prefix + path, slashed))
    assert (same.status_code, same.content_type) == (plain.status_code, plain.content_type)
    assert "No endpoint has this path" not in plain.text
    assert serve(function).ask("GET", prefix + "/healthz/").status_code == 200
    refused = serve(function).ask("PUT", slashed)
    assert (refused.status_code, refused.get_json(force=True)["instance"]) == (405, path)


@every_function
@pytest.mark.parametrize(
    "path", ["/payments//1", "/payments//", "/%2e%2e/payments", "/payments/%00/x", "/%ff", "/a%0ab"]
)
def test_a_strange_path_is_a_problem_and_no_redirect(serve: Any, problem: Any, function: str, path: str) -> None:
    problem(serve(function).ask("GET", path), 404, "not_found")


@every_function
def test_another_method_is_405_with_the_methods_that_are_allowed(serve: Any, problem: Any, function: str) -> None:
    method, path = OWN[function]
    for other in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"):
        answer = serve(function).ask(other, path)
        problem(answer, 405, "method_not_allowed")
        assert method in answer.headers["Allow"].split(", ")


@every_function
@pytest.mark.parametrize("given", ["a", "abc-DEF_1.2", "x" * 128])
def test_a_good_correlation_id_is_kept(serve: Any, function: str, given: str) -> None:
    assert (
        serve(function).ask("GET", "/healthz", headers={"X-Correlation-ID": given}).headers["X-Correlation-ID"] == given
    )


@every_function
@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a,b", "<script>", "é", "a;b"])
def test_any_other_correlation_id_is_replaced_by_a_new_one(serve: Any, function: str, given: str) -> None:
    answers = [serve(function).ask("GET", "/healthz", headers={"X-Correlation-ID": given}) for _ in range(2)]
    made = {str(uuid.UUID(answer.headers["X-Correlation-ID"])) for answer in answers}
    assert len(made) == 2


@pytest.mark.parametrize("function", READS_THE_DATABASE)
@pytest.mark.parametrize("prefix", ["", "/v1"])
def test_a_database_that_does_not_answer_is_a_problem_that_asks_for_patience(
    serve: Any, problem: Any, function: str, prefix: str
) -> None:
    method, path = OWN[function]
    request = good(function)
    # An id of the function's own making may hold any digits, the port's too.
    request["headers"] = request.get("headers", {}) | {"X-Correlation-ID": "c"}
    answer = serve(function).ask(method, (prefix + path).rstrip("/") or "/", **request)
    problem(answer, 503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert b"5432" not in answer.get_data()
    assert b"127.0.0.1" not in answer.get_data()


@every_function
def test_no_answer_is_stored_by_a_cache_or_taken_for_another_type(serve: Any, function: str) -> None:
    answer = serve(function).ask("GET", "/nowhere")
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == ("nosniff", "no-store")


def test_one_line_is_logged_for_a_request_with_what_matters_of_it(serve: Any, log_lines: Callable[..., Any]) -> None:
    serve("create_payment").ask("POST", "/v1/payments?secret=1", headers={"X-Correlation-ID": "line-1"}, data=b"{")
    (line,) = log_lines()
    assert line.pop("duration_ms") >= 0
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "message": "request",
        "correlation_id": "line-1",
        "function": "create_payment",
        "method": "POST",
        "path": "/v1/payments",
        "status": 400,
    }


@pytest.mark.parametrize("function", ["create_payment", "create_refund", "notify"])
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "deflate", "br", "identity, gzip", "aws-chunked"])
def test_a_body_in_another_coding_is_415_and_told_what_is_taken(
    serve: Any, problem: Any, function: str, coding: str
) -> None:
    method, path = OWN[function]
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json", "Content-Encoding": coding}
    answer = serve(function).ask(method, path, data=gzip.compress(b"{}"), headers=headers)
    assert "Content-Encoding" in problem(answer, 415, "unsupported_media_type")["detail"]
    assert answer.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(("coding", "body"), [("identity", b"{}"), ("", b"{}"), ("gzip", b"")])
def test_a_body_that_is_not_encoded_is_taken_whatever_its_header_claims(
    serve: Any, problem: Any, coding: str, body: bytes
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Encoding": coding}
    answer = serve("create_refund").ask("POST", "/payments/1/refunds", data=body, headers=headers)
    problem(answer, 503, "database_unavailable")


def test_an_unforeseen_failure_is_logged_and_tells_the_client_nothing(
    problem: Any, log_lines: Callable[..., Any]
) -> None:
    app = flask.Flask("broken")

    @door("health", SETTINGS)
    def broken(call: object) -> Answer:
        raise RuntimeError("SELECT secret FROM db-host")

    app.add_url_rule("/health", view_func=lambda: broken(flask.request))
    answer = app.test_client().get("/health", headers={"X-Correlation-ID": "broken-1"})
    document = problem(answer, 500, "internal_error")
    assert "secret" not in str(document)
    failure, request = log_lines()
    assert (failure["level"], failure["correlation_id"]) == ("ERROR", "broken-1")
    assert "RuntimeError" in failure["exc_info"]
    assert (request["message"], request["status"]) == ("request", 500)


@pytest.mark.parametrize("limits", [{"rate": None}, {"rate": "3/hour"}, {"rate": "3/hour", "limited": False}])
def test_a_caller_who_asks_too_often_is_asked_to_wait(problem: Any, limits: dict[str, Any]) -> None:
    app = flask.Flask("rated")

    @door("health", replace(SETTINGS, rate_limit="9/hour" if limits["rate"] else "3/hour"), **limits)
    def rated(call: object) -> Answer:
        raise Problem("not_found", "here")

    app.add_url_rule("/<path>", view_func=lambda path: rated(flask.request))

    def ask(caller: str, path: str = "/health") -> Any:
        return app.test_client().get(path, headers={"X-Caller-Address": caller})

    statuses = [ask("192.0.2.1").status_code for _ in range(6)]
    assert statuses[:3] == [404, 404, 404]
    assert statuses[-2:] == [429, 429]
    refused = ask("192.0.2.1")
    problem(refused, 429, "rate_limited")
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["RateLimit"] == f'"caller";r=0;t={refused.headers["Retry-After"]}'
    assert refused.headers["RateLimit-Policy"] == '"caller";q=3;w=3600'
    assert ask("192.0.2.3").headers["RateLimit"].startswith('"caller";r=2;t='), "whatever the answer"
    assert "RateLimit" not in ask("192.0.2.1", "/healthz").headers
    assert ask("192.0.2.2").status_code == 404
    assert ask("192.0.2.1", "/healthz").status_code == 200


def test_a_function_with_a_rate_of_its_own_counts_its_callers_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, ...]] = []
    monkeypatch.setattr("shared.web.door.Limiter", lambda *said: made.append(said) or Limiter(*said))
    door("gateway_webhook", SETTINGS, rate="5/hour")
    door("get_payment", SETTINGS)
    assert made == [("5/hour", "", "gateway_webhook"), (SETTINGS.rate_limit, "", "")]


@pytest.mark.parametrize("function", [*sorted(CLIENT_FUNCTIONS), "console"])
def test_what_names_another_cell_is_refused_before_anything_is_asked_or_done(
    serve: Any, problem: Any, function: str
) -> None:
    method, path = OWN.get(function, ("GET", "/console"))
    for named in ("1", "mumbai", "", "00", "0,0"):
        answer = serve(function).ask(method, path, **(good(function) | {"headers": {"Payment-Cell": named}}))
        if function == "console":
            assert (answer.status_code, answer.mimetype) == (421, "text/html")
            assert "wrong_cell" in answer.text
        else:
            problem(answer, 421, "wrong_cell")
    assert serve(function).ask(method, path, headers={"Payment-Cell": "0"}).status_code != 421
    assert serve(function).ask("GET", "/healthz", headers={"Payment-Cell": "1"}).status_code == 200


@pytest.mark.parametrize("function", sorted(OWN.keys() - CLIENT_FUNCTIONS))
def test_who_sends_events_knows_of_no_cell(serve: Any, function: str) -> None:
    request = good(function)
    request["headers"] = request.get("headers", {}) | {"Payment-Cell": "1"}
    assert serve(function).ask("POST", "/", **request).status_code != 421


def test_a_cell_goes_by_its_name_or_number_and_says_so_in_the_log_and_in_its_figures(
    log_lines: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[str] = []
    monkeypatch.setattr(log, "_cell", {})
    monkeypatch.setattr("shared.web.door.Exposition", lambda *said: labels.append(said[-1]) or Exposition(*said))
    app = flask.Flask("delhi")

    @door("health", replace(SETTINGS, cell=2, cell_name="delhi"))
    def delhi(call: object) -> Answer:
        return Answer(200)

    app.add_url_rule("/health", view_func=lambda: delhi(flask.request))
    asked = {
        cell: app.test_client().get("/health", headers={"Payment-Cell": cell}).status_code
        for cell in ("2", "delhi", "Delhi", "0", "mumbai")
    }
    assert asked == {"2": 200, "delhi": 200, "Delhi": 200, "0": 421, "mumbai": 421}
    assert {line["cell"] for line in log_lines()} == {"delhi"}
    assert labels == ["delhi"]
