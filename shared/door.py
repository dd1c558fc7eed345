"""What every function has in common on its HTTP side: correlation, limits, problems, one log line, /healthz."""

import codecs
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar

import flask
from werkzeug.exceptions import ClientDisconnected, HTTPException

from shared import json_text, log
from shared.answer import Answer
from shared.database import DatabaseUnavailable
from shared.idempotency import FIELD, HEADER, KeyRejected, read_key
from shared.problems import CONTENT_TYPE, Problem, invalid, of_status
from shared.rate import Limiter
from shared.routes import Route, allowed_methods, bare, find_route
from shared.settings import RETRY_AFTER, SETTINGS
from shared.tracing import Trace, read_trace

Request = TypeVar("Request")

LARGEST_BODY = 64 * 1024
DRAINED = 1 << 20


class Call:
    """One request, as an operation sees it."""

    def __init__(self, request: flask.Request, trace: Trace) -> None:
        self._request = request
        self.trace = trace
        # As it came: the framework's own `path` takes leading slashes away.
        raw = request.environ.get("PATH_INFO", "/").encode("latin-1").decode("utf-8", "replace")
        self.path = bare(raw)
        self.body_was_read = False
        self.route: Route | None = None
        self.parameters: dict[str, str] = {}

    @property
    def headers(self) -> Any:
        return self._request.headers

    @property
    def query(self) -> list[tuple[str, str]]:
        """Every query parameter, in order, repeated ones included."""
        return list(self._request.args.items(multi=True))

    def prefers(self, *content_types: str) -> str:
        """Which of the content types the Accept header asks for; the first where it has no wish. Parameters of a type, such
        as a version, do not count."""
        return max(content_types, key=self._quality)

    def _quality(self, content_type: str) -> float:
        accepted = {name.partition(";")[0].strip().lower(): q for name, q in reversed(self._request.accept_mimetypes)}
        family = content_type.partition("/")[0] + "/*"
        return next((accepted[name] for name in (content_type, family, "*/*") if name in accepted), 0.0)

    def body(self) -> bytes:
        """The whole body. Raises Problem payload_too_large above 64 KiB, and unsupported_media_type where it is compressed."""
        try:
            body: bytes = self._request.stream.read(LARGEST_BODY + 1)
        except ClientDisconnected:
            raise invalid(("body", "was cut off")) from None
        except Exception as unreadable:  # gunicorn's own errors, for chunks that are none
            log.log.info("body not read", extra={"why": type(unreadable).__name__})
            raise invalid(("body", "could not be read")) from None
        if len(body) > LARGEST_BODY:
            raise Problem("payload_too_large", "The body must be at most 64 KiB.")
        self.body_was_read = True
        if body and self._is_encoded():
            raise Problem(
                "unsupported_media_type",
                "Send the body as it is, without Content-Encoding: it is not decompressed here.",
                headers={"Accept-Encoding": "identity"},  # RFC 9110, 15.5.16
            )
        return body

    def _is_encoded(self) -> bool:
        codings = self.headers.get("Content-Encoding", "").split(",")
        return any(coding.strip().lower() not in ("", "identity") for coding in codings)

    def json_object(self, *, may_be_empty: bool = False) -> dict[str, Any]:
        """The body as a JSON object. Raises Problem unsupported_media_type, payload_too_large or invalid_request."""
        body = self.body()
        if may_be_empty and body in (b"", codecs.BOM_UTF8):
            return {}
        content_type = self._request.mimetype
        if content_type and content_type != "application/json" and not content_type.endswith("+json"):
            raise Problem("unsupported_media_type", "Send the request as Content-Type: application/json.")
        try:
            value = json_text.read(body)
        except json_text.JsonError as wrong:
            raise invalid((wrong.field or "body", str(wrong))) from None
        if not isinstance(value, dict):
            raise invalid(("body", "must be a JSON object"))
        return value

    def keyed(self, body: dict[str, Any], read: Callable[[dict[str, Any]], Request]) -> tuple[str, Request]:
        """The idempotency key and the request in a body. Raises Problem invalid_request naming what is wrong with either."""
        key, faults = "", []
        try:
            key = read_key(self.headers.get(HEADER), body.get(FIELD))
        except KeyRejected as wrong:
            faults.append((wrong.field, str(wrong)))
        try:
            request = read({name: value for name, value in body.items() if name != FIELD})
        except Problem as problem:
            raise invalid(*faults, *problem.errors) from None
        if faults:
            raise invalid(*faults)
        return key, request


Operation = Callable[[Call], Answer]


def door(function: str, *, limited: bool = True) -> Callable[[Operation], Callable[[flask.Request], flask.Response]]:
    """Makes an operation a function of the framework, under this name.

    It answers /healthz itself, gives the operation only requests on its own routes, and turns what is raised into problem
    documents; nothing else that is raised reaches a client. `limited`: RATE_LIMIT applies.
    """
    limiter = Limiter(SETTINGS.rate_limit if limited else "")
    if flask.has_app_context():
        _answer_framework_errors(function)

    def decorate(operation: Operation) -> Callable[[flask.Request], flask.Response]:
        @wraps(operation)
        def entrance(request: flask.Request) -> flask.Response:
            return _respond(function, request, lambda call: _enter(function, limiter, request, call, operation))

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
    limiter.admit(request)
    call.route, call.parameters = found
    return operation(call)


def _respond(function: str, request: flask.Request, work: Callable[[Call], Answer]) -> flask.Response:
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
    # A probe comes every few seconds for ever.
    level = logging.DEBUG if call.path == "/healthz" and answer.status == 200 else logging.INFO
    log.log.log(
        level,
        "request",
        extra={
            "method": request.method,
            "path": request.path,
            "status": answer.status,
            "duration_ms": round((time.perf_counter() - began) * 1000, 1),
        }
        | answer.about,
    )
    return _response(answer, call)


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
    response = flask.Response(body, answer.status, content_type=answer.content_type)
    response.headers.update(answer.headers)
    response.headers["X-Correlation-ID"] = call.trace.correlation_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
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


def _answer_framework_errors(function: str) -> None:
    """What the framework would answer by itself (/favicon.ico, a path it cannot route) gets a problem document too."""

    def answer(failure: HTTPException) -> flask.Response:
        status = failure.code or 500

        def refuse(_: Call) -> Answer:
            raise of_status(status)

        return _respond(function, flask.request, refuse)

    flask.current_app.register_error_handler(HTTPException, answer)
