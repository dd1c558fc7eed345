"""How every function answers: correlation, problems in place of what is raised, one log line, counts, a span."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import flask
from werkzeug.exceptions import ClientDisconnected

from shared.platform import counting, log, spans
from shared.platform.exposition import Exposition
from shared.platform.settings import RETRY_AFTER
from shared.platform.unavailable import DatabaseUnavailable
from shared.web.answers import Answer
from shared.web.call import LARGEST_BODY, Call
from shared.web.cold_start import ColdStart
from shared.web.problems import CONTENT_TYPE, Problem
from shared.web.request_span import ended, request_span
from shared.web.routes import LIVENESS, METHODS
from shared.web.tracing import read_trace

# Bytes that are read of a body nobody wants, so that its client, still sending, gets to read why: more than that is no mistake.
DRAINED = 1 << 20

REQUESTS = counting.Counts("payment_function_requests_total", "Requests answered.", "method", "route", "status")
REQUEST = counting.Durations(
    "payment_function_request_seconds",
    "From when a request was handed to the function to its answer; not what it waited for before, nor the way back.",
    "method",
    "route",
)

# How a problem is shown, where it is not as a document.
Shown = Callable[[Problem, Call], Answer]


class Responding(NamedTuple):
    """What one function's answers have in common."""

    function: str
    start: ColdStart
    exposition: Exposition
    shown: Shown | None

    def respond(self, request: flask.Request, work: Callable[[Call], Answer]) -> flask.Response:
        """The response to a request from what `work` answers, or raises: no exception leaves."""
        began = time.perf_counter()
        trace = read_trace(*(request.headers.get(name) for name in ("X-Correlation-ID", "traceparent", "tracestate")))
        log.correlation_id.set(trace.correlation_id)
        log.function_name.set(self.function)
        call = Call(request, trace)
        with request_span(call, request.method) as span:
            call.trace = call.trace.within(spans.carried())
            log.trace_id.set(call.trace.trace_id)
            answer = self._answer(call, work)
            ended(span, call, request.method, answer)
            return self._told(call, request, answer, time.perf_counter() - began)

    def _answer(self, call: Call, work: Callable[[Call], Answer]) -> Answer:
        try:
            return work(call)
        except Problem as problem:
            return self._problem(problem, call)
        except DatabaseUnavailable as failure:
            log.log.error("database unavailable", extra={"why": str(failure)})
            detail = "Repeat the request later, with the same key."
            return self._problem(Problem("database_unavailable", detail, retry_after=RETRY_AFTER), call)
        except Exception:
            log.log.exception("unexpected failure")
            detail = "The failure is logged under the correlation id."
            return self._problem(Problem("internal_error", detail), call)

    def _told(self, call: Call, request: flask.Request, answer: Answer, seconds: float) -> flask.Response:
        """The response, once the log and the figures have it."""
        _count(call, request.method, answer.status, seconds)
        started = self.start.ended_by(seconds) if call.route and answer.status < 300 else None
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
            response.call_on_close(partial(self.start.over, started))
        if self.exposition.due():
            response.call_on_close(self.exposition.begin)
        return response

    def _problem(self, problem: Problem, call: Call) -> Answer:
        headers = dict(problem.headers)
        if problem.retry_after is not None:
            headers["Retry-After"] = str(problem.retry_after)
        if self.shown:
            answer = self.shown(problem, call)
            return answer._replace(headers={**headers, **answer.headers})
        return Answer(problem.status, problem.document(call.path, call.trace.correlation_id), CONTENT_TYPE, headers)


def _count(call: Call, method: str, status: int, seconds: float) -> None:
    """By the route and not by the path, of which there is no end; what came on no route is one."""
    route = LIVENESS if call.path == LIVENESS else call.route.template if call.route else "none"
    method = method if method in METHODS else "other"
    REQUESTS.count(method, route, str(status))
    REQUEST.note(seconds, method, route)


def _response(answer: Answer, call: Call) -> flask.Response:
    body: Any = answer.body if isinstance(answer.body, str | bytes) else _or_cut_off(answer.body)
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


def _after_draining(body: str | bytes | Iterable[bytes]) -> Any:
    """Reads on for a while so that the client, still sending, gets to read its answer, but keeps nothing. A streamed answer
    keeps the framework from reading the rest of the body into memory."""
    stream = flask.request.stream
    with suppress(ClientDisconnected):
        for _ in range(DRAINED // LARGEST_BODY):
            if not stream.read(LARGEST_BODY):
                break
    whole = body.encode() if isinstance(body, str) else body
    return iter([whole] if isinstance(whole, bytes) else whole)
