"""Which function answers which path and method: the contract's first table."""

import re
from typing import Final, Literal, NamedTuple

from shared.rules.identifiers import GREATEST_ID
from shared.rules.permissions import Permission
from shared.web.problems import Problem

# Wanted of whoever sends events; no caller of the API has it.
EVENTS: Final = "events:send"

# RFC 9110, 9.3, and PATCH.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})

# Whether a function lives: each answers it itself.
LIVENESS = "/healthz"


class Route(NamedTuple):
    """`template` is the whole bare path; `permission` what its caller must have, None where nobody is asked who he is."""

    method: str
    template: str
    function: str
    permission: Permission | Literal["events:send"] | None

    def parameters(self, path: str) -> dict[str, str] | None:
        """What the path has in place of the template's parameter; None where it is another path."""
        before, has_one, rest = self.template.partition("{")
        if not has_one:
            return {} if path == self.template else None
        name, _, after = rest.partition("}")
        value = path[len(before) : len(path) - len(after)]
        fits = path.startswith(before) and path.endswith(after) and value and "/" not in value
        return {name: value} if fits else None


ROUTES = (
    Route("POST", "/payments", "create_payment", "payments:write"),
    Route("GET", "/payments", "get_payment", "payments:read"),
    Route("POST", "/payments/{payment_id}/refunds", "create_refund", "refunds:write"),
    Route("GET", "/payments/{payment_id}", "get_payment", "payments:read"),
    Route("GET", "/payments/{payment_id}/refunds", "get_payment", "payments:read"),
    Route("GET", "/payments/{payment_id}/receipt", "get_payment", "payments:read"),
    Route("GET", "/payments/{payment_id}/events", "get_payment", "payments:read"),
    Route("GET", "/ledger/balances", "get_payment", "payments:read"),
    Route("GET", "/ledger/drivers", "get_payment", "payments:read"),
    Route("GET", "/ledger/drivers/{driver_id}", "get_payment", "payments:read"),
    Route("POST", "/webhooks/{gateway}", "gateway_webhook", None),
    Route("GET", "/health", "health", None),
    Route("GET", "/", "health", None),
    Route("GET", "/openapi.json", "health", None),
    Route("GET", "/docs", "health", None),
    Route("GET", "/docs/{file}", "health", None),
    Route("GET", "/metrics", "metrics", "metrics:read"),
    Route("GET", "/metrics/prometheus", "metrics", "metrics:read"),
    Route("GET", "/console", "console", "payments:read"),
    Route("GET", "/console/cells", "console", None),
    Route("GET", "/console/standing", "console", "payments:read"),
    Route("GET", "/console/payments", "console", "payments:read"),
    Route("GET", "/console/payments.csv", "console", "payments:read"),
    Route("GET", "/console/payments/{payment_id}", "console", "payments:read"),
    Route("GET", "/console/payments/{payment_id}/json", "console", "payments:read"),
    Route("GET", "/console/payments/{payment_id}/receipt", "console", "payments:read"),
    Route("POST", "/console/payments/{payment_id}/ask", "console", "payments:read"),
    Route("GET", "/console/payments/{payment_id}/refund", "console", "refunds:write"),
    Route("GET", "/console/payments/{payment_id}/refund/confirm", "console", "refunds:write"),
    Route("POST", "/console/payments/{payment_id}/refund", "console", "refunds:write"),
    Route("GET", "/console/reconciliation", "console", "payments:read"),
    Route("GET", "/console/reconciliation/{reconciliation_id}", "console", "payments:read"),
    Route("GET", "/console/reconciliation/{reconciliation_id}/csv", "console", "payments:read"),
    Route("GET", "/console/attention", "console", "payments:read"),
    Route("GET", "/console/attention/count", "console", "payments:read"),
    Route("GET", "/console/settle/{reference}", "console", "payments:settle"),
    Route("POST", "/console/settle/{reference}", "console", "payments:settle"),
    Route("GET", "/console/sign-in", "console", None),
    Route("GET", "/console/signed-in", "console", None),
    Route("POST", "/console/sign-out", "console", None),
    Route("GET", "/console/files/{file}", "console", None),
    Route("POST", "/", "notify", EVENTS),
    Route("POST", "/", "sweep", EVENTS),
    Route("POST", "/", "dead_letters", EVENTS),
    Route("POST", "/", "charge_trip", EVENTS),
    Route("POST", "/", "reconcile", EVENTS),
)

CLIENT_FUNCTIONS = frozenset({"create_payment", "create_refund", "get_payment", "gateway_webhook", "health", "metrics"})

# What a page loads, and nobody asks for otherwise.
_OF_A_PAGE = frozenset({"/docs/{file}"})


def endpoints() -> list[str]:
    """What clients may ask for, as "GET /payments". The console is for people."""
    asked_for = (route for route in ROUTES if route.function in CLIENT_FUNCTIONS and route.template not in _OF_A_PAGE)
    return [f"{route.method} {route.template}" for route in asked_for]


def bare(path: str) -> str:
    """The path without the prefix /v1 and without a slash at its end: it has the same meaning with them."""
    if path == "/v1" or path.startswith("/v1/"):
        path = path.removeprefix("/v1")
    return path.removesuffix("/") or "/"


def find_route(function: str, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of one function for a method and path, with the path's parameters; HEAD is a GET."""
    wanted = "GET" if method == "HEAD" else method
    for route in ROUTES:
        if route.function == function and route.method == wanted:
            parameters = route.parameters(path)
            if parameters is not None:
                return route, parameters
    return None


def permissions_of(function: str) -> set[str]:
    """Whatever permissions the routes of a function want; empty where all are open."""
    return {route.permission for route in ROUTES if route.function == function and route.permission is not None}


def is_open(function: str, path: str) -> bool:
    """Whether a function answers this path, whatever the method, without asking who is there."""
    if path == LIVENESS:
        return True
    of_these = (route for route in ROUTES if route.function == function and route.permission is None)
    return any(route.parameters(path) is not None for route in of_these)


def allowed_methods(function: str, path: str) -> list[str]:
    """The methods that a path takes: as the function itself answers it or, for `health`, as the whole service does."""
    functions = CLIENT_FUNCTIONS if function == "health" else {function}
    of_these = (route for route in ROUTES if route.function in functions)
    methods = {route.method for route in of_these if route.parameters(path) is not None}
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)


def read_payment_id(text: str) -> int:
    """The payment id in a path. Raises Problem payment_not_found where it is none, or beyond what an id can be."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or not 0 < int(text) <= GREATEST_ID:
        raise Problem("payment_not_found", "There is no such payment: an id is a positive integer.")
    return int(text)
