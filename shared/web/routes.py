"""Which function answers which path and method: the contract's first table."""

import re
from typing import NamedTuple

from shared.rules.identifiers import GREATEST_ID
from shared.web.problems import Problem

_ID = r"(?P<payment_id>[^/]+)"


class Route(NamedTuple):
    """`pattern` is the whole bare path."""

    method: str
    pattern: re.Pattern[str]
    function: str
    template: str


def _route(method: str, template: str, function: str) -> Route:
    return Route(method, re.compile(template.replace(".", r"\.").replace("{payment_id}", _ID)), function, template)


ROUTES = (
    _route("POST", "/payments", "create_payment"),
    _route("GET", "/payments", "get_payment"),
    _route("POST", "/payments/{payment_id}/refunds", "create_refund"),
    _route("GET", "/payments/{payment_id}", "get_payment"),
    _route("GET", "/payments/{payment_id}/refunds", "get_payment"),
    _route("GET", "/payments/{payment_id}/receipt", "get_payment"),
    _route("GET", "/health", "health"),
    _route("GET", "/", "health"),
    _route("GET", "/openapi.json", "health"),
    _route("GET", "/metrics", "metrics"),
    _route("GET", "/metrics/prometheus", "metrics"),
    _route("POST", "/", "notify"),
    _route("POST", "/", "sweep"),
    _route("POST", "/", "dead_letters"),
)

CLIENT_FUNCTIONS = frozenset({"create_payment", "create_refund", "get_payment", "health", "metrics"})


def bare(path: str) -> str:
    """The path without the prefix /v1 and without a slash at its end: it has the same meaning with them."""
    if path == "/v1" or path.startswith("/v1/"):
        path = path.removeprefix("/v1")
    return path.removesuffix("/") or "/"


def find_route(function: str, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of one function for a method and path, with the path's parameters; HEAD is a GET."""
    wanted = "GET" if method == "HEAD" else method
    for route in ROUTES:
        matched = route.pattern.fullmatch(path)
        if route.function == function and route.method == wanted and matched:
            return route, matched.groupdict()
    return None


def allowed_methods(function: str, path: str) -> list[str]:
    """The methods that a path takes: as the function itself answers it or, for `health`, as the whole service does."""
    functions = CLIENT_FUNCTIONS if function == "health" else {function}
    methods = {route.method for route in ROUTES if route.function in functions and route.pattern.fullmatch(path)}
    if "GET" in methods:
        methods.add("HEAD")
    return sorted(methods)


def read_payment_id(text: str) -> int:
    """The payment id in a path. Raises Problem payment_not_found where it is none, or beyond what an id can be."""
    if not re.fullmatch(r"[0-9]{1,19}", text) or not 0 < int(text) <= GREATEST_ID:
        raise Problem("payment_not_found", "There is no such payment: an id is a positive integer.")
    return int(text)
