"""What every function has in common on its HTTP side: correlation, limits, problems, one log line, /healthz."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial, wraps
from typing import Any

import flask
from werkzeug.exceptions import ClientDisconnected, HTTPException

from shared.platform import log
from shared.platform.settings import RETRY_AFTER, Settings
from shared.platform.unavailable import DatabaseUnavailable
from shared.web.access.caller import Caller
from shared.web.access.guard import Guard, guard_of, permit
from shared.web.answers import Answer
from shared.web.call import LARGEST_BODY, Call
from shared.web.cold_start import ColdStart, Counts
from shared.web.problems import CONTENT_TYPE, Problem, of_status
from shared.web.rates.limiter import Limiter, address_of
from shared.web.routes import EVENTS, LIVENESS, allowed_methods, find_route, is_open, permissions_of
from shared.web.tracing import read_trace

# Bytes that are read of a body nobody wants, so that its client, still sending, gets to read why: more than that is no mistake.
DRAINED = 1 << 20

Operation = Callable[[Call], Answer]
Shown = Callable[[Problem, Call], Answer]
# Who calls, where nobody may enter unknown. Raises Problem.
Known = Callable[[Guard, Call], Caller]


def by_token(guard: Guard, call: Call) -> Caller:
    """Whoever has the token that a request bears. Raises Problem."""
    return guard.caller(call.headers.get("Authorization"))


def door(
    function: str,
    settings: Settings,
    counts: Counts | None = None,
    *,
    limited: bool = True,
    shown: Shown | None = None,
    known: Known = by_token,
) -> Callable[[Operation], Callable[[flask.Request], flask.Response]]:
    """Makes an operation a function of the framework, under this name.

    It answers /healthz itself, gives the operation only requests on its own routes, and turns what is raised into problem
    documents; nothing else that is raised reaches a client. `counts`: where its starts are counted. `limited`: RATE_LIMIT
    applies. `shown`: how a problem is shown where it is not as a document. `known`: by what a caller is known.
    """
    log.set_level(settings.log_level)
    limiter = Limiter(settings.rate_limit if limited else "", settings.rate_limit_storage)
    start = ColdStart(function, counts, limiter.connect)
    guard = guard_of(function, settings)
    if guard is None and permissions_of(function) - {EVENTS}:
        log.log.warning("open to everybody: AUTH_ISSUERS is not set", extra={"function": function})
    if flask.has_app_context():
        _answer_framework_errors(function, start, shown)

    def decorate(operation: Operation) -> Callable[[flask.Request], flask.Response]:
        @wraps(operation)
        def entrance(request: flask.Request) -> flask.Response:
            def work(call: Call) -> Answer:
                if call.path == LIVENESS and request.method in ("GET", "HEAD"):
                    return Answer(200, '{"status":"UP"}')
                _let_in(function, guard, known, limiter, request, call)
                return operation(call)

            return _respond(function, start, request, work, shown)

        return entrance

    return decorate


def _let_in(
    function: str, guard: Guard | None, known: Known, limiter: Limiter, request: flask.Request, call: Call
) -> None:
    """Notes in the call whose it is and which route it is on. Raises Problem where it goes no further."""
    call.open = guard is None
    if guard and not is_open(function, call.path):
        try:
            call.caller = known(guard, call)
        except Problem:
            call.rate = limiter.admit(address_of(request))
            raise
    found = find_route(function, request.method, call.path)
    if found is None:
        raise _no_route(function, call.path)
    call.rate = limiter.admit(call.caller.name if call.caller else address_of(request))
    call.route, call.parameters = found
    if call.caller and call.route.permission:
        permit(call.caller, call.route.permission)


def _no_route(function: str, path: str) -> Problem:
    allowed = allowed_methods(function, path)
    if not allowed:
        return Problem("not_found", "No endpoint has this path; GET / lists them.")
    return Problem("method_not_allowed", f"Use {' or '.join(allowed)} here.", headers={"Allow": ", ".join(allowed)})


def _respond(
    function: str, start: ColdStart, request: flask.Request, work: Callable[[Call], Answer], shown: Shown | None
) -> flask.Response:
    began = time.perf_counter()
    trace = read_trace(request.headers.get("X-Correlation-ID"), request.headers.get("traceparent"))
    log.correlation_id.set(trace.correlation_id)
    log.function_name.set(function)
    call = Call(request, trace)
    try:
        answer = work(call)
    except Problem as problem:
        answer = _problem_answer(problem, call, shown)
    except DatabaseUnavailable as failure:
        log.log.error("database unavailable", extra={"why": str(failure)})
        answer = _problem_answer(
            Problem(
                "database_unavailable",
                "Repeat the request later, with the same key.",
                retry_after=RETRY_AFTER,
            ),
            call,
            shown,
        )
    except Exception:
        log.log.exception("unexpected failure")
        answer = _problem_answer(
            Problem("internal_error", "The failure is logged under the correlation id."), call, shown
        )
    seconds = time.perf_counter() - began
    started = start.ended_by(seconds) if call.route and answer.status < 300 else None
    # A probe comes every few seconds for ever.
    level = logging.DEBUG if call.path == LIVENESS and answer.status == 200 else logging.INFO
    log.log.log(
        level,
        "request",
        extra={
            "method": request.method,
            "path": request.path,
            "status": answer.status,
            "duration_ms": round(seconds * 1000, 1),
            **({} if started is None else {"cold_start_ms": round(started * 1000)}),
            **({} if call.caller is None else {"caller": call.caller.name}),
            **answer.about,
        },
    )
    response = _response(answer, call)
    if started is not None:
        response.call_on_close(partial(start.over, started))
    return response


def _problem_answer(problem: Problem, call: Call, shown: Shown | None) -> Answer:
    headers = dict(problem.headers)
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if shown:
        answer = shown(problem, call)
        return answer._replace(headers={**headers, **answer.headers})
    return Answer(problem.status, problem.document(call.path, call.trace.correlation_id), CONTENT_TYPE, headers)


def _response(answer: Answer, call: Call) -> flask.Response:
    body: Any = answer.body if isinstance(answer.body, str) else _or_cut_off(answer.body)
    has_body = flask.request.content_length or flask.request.headers.get("Transfer-Encoding")
    if has_body and not call.body_was_read:
        body = _after_draining(body)
    headers = {"Cache-Control": "no-store", **call.rate, **answer.headers} | {
        "X-Correlation-ID": call.trace.correlation_id,
        "X-Content-Type-Options": "nosniff",
    }
    all_headers = [*headers.items(), *(("Set-Cookie", cookie) for cookie in answer.cookies)]
    response = flask.Response(body, answer.status, all_headers, content_type=answer.content_type)
    if answer.status == 204:
        del response.headers["Content-Type"]
    return response


def _or_cut_off(parts: Iterable[bytes]) -> Iterable[bytes]:
    """The parts of an answer as they come. What fails after the first was sent can be told in one way alone: the server closes
    the connection before the answer's end (RFC 9112, 8), so that nobody takes half of it for the whole."""
    try:
        yield from parts
    except Exception:
        log.log.exception("answer cut off")
        raise


def _after_draining(body: str | Iterable[bytes]) -> Any:
    """Reads on for a while so that the client, still sending, gets to read its answer, but keeps nothing. A streamed answer
    keeps the framework from reading the rest of the body into memory."""
    stream = flask.request.stream
    with suppress(ClientDisconnected):
        for _ in range(DRAINED // LARGEST_BODY):
            if not stream.read(LARGEST_BODY):
                break
    return iter([body.encode()] if isinstance(body, str) else body)


def _answer_framework_errors(function: str, start: ColdStart, shown: Shown | None) -> None:
    """What the framework would answer by itself (/favicon.ico, a path it cannot route) gets a problem document too."""

    def answer(failure: HTTPException) -> flask.Response:
        status = failure.code or 500

        def refuse(_: Call) -> Answer:
            raise of_status(status)

        return _respond(function, start, flask.request, refuse, shown)

    flask.current_app.register_error_handler(HTTPException, answer)
