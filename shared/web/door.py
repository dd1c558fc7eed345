"""What every function has in common on its HTTP side: correlation, limits, problems, one log line, /healthz."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial, wraps
from typing import Any

import flask
from werkzeug.exceptions import ClientDisconnected, HTTPException

from shared.platform import log
from shared.platform.settings import RETRY_AFTER, Settings
from shared.platform.unavailable import DatabaseUnavailable
from shared.web.answers import Answer
from shared.web.call import LARGEST_BODY, Call
from shared.web.cold_start import ColdStart, Counts
from shared.web.problems import CONTENT_TYPE, Problem, of_status
from shared.web.rates.limiter import Limiter, address
from shared.web.routes import allowed_methods, find_route
from shared.web.tracing import read_trace

# Bytes that are read of a body nobody wants, so that its client, still sending, gets to read why: more than that is no mistake.
DRAINED = 1 << 20

Operation = Callable[[Call], Answer]


def door(
    function: str, settings: Settings, counts: Counts | None = None, *, limited: bool = True
) -> Callable[[Operation], Callable[[flask.Request], flask.Response]]:
    """Makes an operation a function of the framework, under this name.

    It answers /healthz itself, gives the operation only requests on its own routes, and turns what is raised into problem
    documents; nothing else that is raised reaches a client. `counts`: where its starts are counted. `limited`: RATE_LIMIT
    applies.
    """
    log.set_level(settings.log_level)
    limiter = Limiter(settings.rate_limit if limited else "", settings.rate_limit_storage)
    start = ColdStart(function, counts, limiter.connect)
    if flask.has_app_context():
        _answer_framework_errors(function, start)

    def decorate(operation: Operation) -> Callable[[flask.Request], flask.Response]:
        @wraps(operation)
        def entrance(request: flask.Request) -> flask.Response:
            return _respond(function, start, request, lambda call: _enter(function, limiter, request, call, operation))

        return entrance

    return decorate


def _enter(function: str, limiter: Limiter, request: flask.Request, call: Call, operation: Operation) -> Answer:
    if call.path == "/healthz" and request.method in ("GET", "HEAD"):
        return Answer(200, '{"status":"UP"}')
    found = find_route(function, request.method, call.path)
    if found is None:
        allowed = allowed_methods(function, call.path)
        if allowed:
            raise Problem(
                "method_not_allowed",
                f"Use {' or '.join(allowed)} here.",
                headers={"Allow": ", ".join(allowed)},
            )
        raise Problem("not_found", "No endpoint has this path; GET / lists them.")
    call.rate = limiter.admit(address(request))
    call.route, call.parameters = found
    return operation(call)


def _respond(function: str, start: ColdStart, request: flask.Request, work: Callable[[Call], Answer]) -> flask.Response:
    began = time.perf_counter()
    trace = read_trace(request.headers.get("X-Correlation-ID"), request.headers.get("traceparent"))
    log.correlation_id.set(trace.correlation_id)
    log.function_name.set(function)
    call = Call(request, trace)
    try:
        answer = work(call)
    except Problem as problem:
        answer = _problem_answer(problem, call)
    except DatabaseUnavailable as failure:
        log.log.error("database unavailable", extra={"why": str(failure)})
        answer = _problem_answer(
            Problem(
                "database_unavailable",
                "Repeat the request later, with the same key.",
                retry_after=RETRY_AFTER,
            ),
            call,
        )
    except Exception:
        log.log.exception("unexpected failure")
        answer = _problem_answer(Problem("internal_error", "The failure is logged under the correlation id."), call)
    seconds = time.perf_counter() - began
    started = start.ended_by(seconds) if call.route and answer.status < 300 else None
    # A probe comes every few seconds for ever.
    level = logging.DEBUG if call.path == "/healthz" and answer.status == 200 else logging.INFO
    log.log.log(
        level,
        "request",
        extra={
            "method": request.method,
            "path": request.path,
            "status": answer.status,
            "duration_ms": round(seconds * 1000, 1),
            **({} if started is None else {"cold_start_ms": round(started * 1000)}),
            **answer.about,
        },
    )
    response = _response(answer, call)
    if started is not None:
        response.call_on_close(partial(start.over, started))
    return response


def _problem_answer(problem: Problem, call: Call) -> Answer:
    headers = dict(problem.headers)
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    return Answer(problem.status, problem.document(call.path, call.trace.correlation_id), CONTENT_TYPE, headers)


def _response(answer: Answer, call: Call) -> flask.Response:
    body: Any = answer.body
    has_body = flask.request.content_length or flask.request.headers.get("Transfer-Encoding")
    if has_body and not call.body_was_read:
        body = _after_draining(answer.body)
    headers = {"Cache-Control": "no-store", **call.rate, **answer.headers} | {
        "X-Correlation-ID": call.trace.correlation_id,
        "X-Content-Type-Options": "nosniff",
    }
    response = flask.Response(body, answer.status, list(headers.items()), content_type=answer.content_type)
    if answer.status == 204:
        del response.headers["Content-Type"]
    return response


def _after_draining(body: str) -> Any:
    """Reads on for a while so that the client, still sending, gets to read its answer, but keeps nothing. A streamed answer
    keeps the framework from reading the rest of the body into memory."""
    stream = flask.request.stream
    with suppress(ClientDisconnected):
        for _ in range(DRAINED // LARGEST_BODY):
            if not stream.read(LARGEST_BODY):
                break
    return iter([body.encode()])


def _answer_framework_errors(function: str, start: ColdStart) -> None:
    """What the framework would answer by itself (/favicon.ico, a path it cannot route) gets a problem document too."""

    def answer(failure: HTTPException) -> flask.Response:
        status = failure.code or 500

        def refuse(_: Call) -> Answer:
            raise of_status(status)

        return _respond(function, start, flask.request, refuse)

    flask.current_app.register_error_handler(HTTPException, answer)
