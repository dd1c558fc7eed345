"""What stands at every function's HTTP side: who may enter, by which route, how often. What is answered: responding.py."""

from collections.abc import Callable, Sequence
from functools import wraps

import flask
from werkzeug.exceptions import HTTPException

from shared.platform import log, spans
from shared.platform.exposition import Exposition
from shared.platform.settings import Settings
from shared.web.access.caller import Caller
from shared.web.access.guard import Guard, guard_of, permit
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.cell_prefix import CELL_HEADER, base_of
from shared.web.cold_start import ColdStart, Counts
from shared.web.problems import Problem, of_status
from shared.web.rates.limiter import Limiter, address_of
from shared.web.responding import Responding, Shown
from shared.web.routes import EVENTS, LIVENESS, allowed_methods, find_route, is_open, permissions_of

_CELL_VARIABLE = "HTTP_PAYMENT_CELL"

Operation = Callable[[Call], Answer]
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
    rate: str | None = None,
    shown: Shown | None = None,
    known: Known = by_token,
) -> Callable[[Operation], Callable[[flask.Request], flask.Response]]:
    """Makes an operation a function of the framework, under this name.

    It answers /healthz itself, gives the operation only requests on its own routes, and turns what is raised into problem
    documents; nothing else that is raised reaches a client. `counts`: where its starts are counted. `limited`: RATE_LIMIT
    applies, or `rate` in place of it. `shown`: how a problem is shown where it is not as a document. `known`: by what a caller
    is known. A function of one of several cells whose database is another cell's does not start.
    """
    log.set_level(settings.log_level)
    log.set_cell(settings.cell_label)
    spans.begin(settings.otel_exporter_otlp_endpoint, function)
    usual = settings.rate_limit if limited else ""
    apart = "" if rate is None else function
    limiter = Limiter(usual if rate is None else rate, settings.rate_limit_storage, apart)
    start = ColdStart(function, counts, limiter.connect)
    pool = counts.pool_use if counts else None
    exposition = Exposition(function, settings.metrics_port, pool, settings.cell_label)
    responding = Responding(function, start, exposition, shown)
    guard = guard_of(function, settings)
    if counts and settings.cell_label:
        counts.refuse_another_cell()
    # Whoever sends events was configured to, and knows of no cell.
    cell_names = () if EVENTS in permissions_of(function) else settings.cell_names
    if guard is None and permissions_of(function) - {EVENTS}:
        log.log.warning("open to everybody: AUTH_ISSUERS is not set", extra={"function": function})
    if flask.has_app_context():
        _answer_framework_errors(responding)

    def decorate(operation: Operation) -> Callable[[flask.Request], flask.Response]:
        @wraps(operation)
        def entrance(request: flask.Request) -> flask.Response:
            def work(call: Call) -> Answer:
                if shown:  # pages alone have addresses in them
                    call.base = base_of(settings, call.headers)
                    call.cells = settings.cells if call.base else ()
                if call.path == LIVENESS and request.method in ("GET", "HEAD"):
                    return Answer(200, '{"status":"UP"}')
                _refuse_another_cells(request, cell_names)
                _let_in(function, guard, known, limiter, request, call)
                return operation(call)

            return responding.respond(request, work)

        return entrance

    return decorate


def _refuse_another_cells(request: flask.Request, cell_names: Sequence[str]) -> None:
    """Raises Problem wrong_cell for a request that names another cell, before anything is done or asked of it. A header that
    is repeated arrives as one with a comma, which is no cell's name."""
    asked = request.environ.get(_CELL_VARIABLE)  # of every request: headers are slow to say that one is absent
    if asked is not None and cell_names and asked.lower() not in cell_names:
        ours = " or ".join(cell_names)
        raise Problem("wrong_cell", f"This cell is called {ours}, and {CELL_HEADER} names another. Nothing was done.")


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


def _answer_framework_errors(responding: Responding) -> None:
    """What the framework would answer by itself (/favicon.ico, a path it cannot route) gets a problem document too."""

    def answer(failure: HTTPException) -> flask.Response:
        status = failure.code or 500

        def refuse(_: Call) -> Answer:
            raise of_status(status)

        return responding.respond(flask.request, refuse)

    flask.current_app.register_error_handler(HTTPException, answer)
