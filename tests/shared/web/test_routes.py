"""Which function answers which path: the contract's first table."""

import pytest

from shared.web.routes import ROUTES, allowed_methods, bare, find_route

TABLE = [
    ("POST", "/payments", "create_payment"),
    ("POST", "/payments/1/refunds", "create_refund"),
    ("POST", "/webhooks/stripe", "gateway_webhook"),
    ("GET", "/payments/1", "get_payment"),
    ("GET", "/payments", "get_payment"),
    ("GET", "/payments/1/refunds", "get_payment"),
    ("GET", "/payments/1/receipt", "get_payment"),
    ("GET", "/payments/1/events", "get_payment"),
    ("GET", "/ledger/balances", "get_payment"),
    ("GET", "/ledger/drivers", "get_payment"),
    ("GET", "/ledger/drivers/drv-17", "get_payment"),
    ("GET", "/health", "health"),
    ("GET", "/metrics", "metrics"),
    ("GET", "/metrics/prometheus", "metrics"),
    ("GET", "/", "health"),
    ("GET", "/openapi.json", "health"),
    ("GET", "/docs", "health"),
    ("GET", "/docs/page.js", "health"),
    ("POST", "/", "sweep"),
    ("POST", "/", "notify"),
    ("POST", "/", "dead_letters"),
    ("POST", "/", "charge_trip"),
    ("POST", "/", "reconcile"),
]


@pytest.mark.parametrize(("method", "path", "function"), TABLE)
def test_a_function_answers_its_own_paths_and_no_other_does(method: str, path: str, function: str) -> None:
    for name in {route.function for route in ROUTES}:
        answers = (method, path, name) in TABLE
        assert (find_route(name, method, path) is not None) == answers


@pytest.mark.parametrize("path", ["/payments", "/payments/1", "/metrics", "/health", "/openapi.json", "/docs", "/"])
def test_head_is_answered_where_get_is(path: str) -> None:
    function = next(name for method, known, name in TABLE if (method, known) == ("GET", path))
    assert find_route(function, "HEAD", path) == find_route(function, "GET", path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/openapixjson",
        "/docs/",
        "/docs/a/b",
        "/documents",
        "/openapi_json",
        "/payments/",
        "//payments",
        "/payments//refunds",
        "/payments/1/",
        "/payments/1/refunds/",
        "/payments/1/2/refunds",
        "/payments/1/refund",
        "/PAYMENTS",
        "/metrics/",
        "/webhooks",
        "/webhooks/",
        "/webhooks/a/b",
        "/payments/1/refunds\n",
        "/healthz",
    ],
)
def test_a_path_that_is_not_quite_one_of_them_is_none(path: str) -> None:
    for function in ("create_payment", "create_refund", "gateway_webhook", "get_payment", "health", "metrics"):
        for method in ("GET", "POST", "HEAD"):
            assert find_route(function, method, path) is None


def test_the_payment_id_comes_as_it_was_written() -> None:
    found = find_route("get_payment", "GET", "/payments/not-a-number/receipt")
    assert found is not None
    assert found[1] == {"payment_id": "not-a-number"}


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/v1/payments", "/payments"),
        ("/v1", "/"),
        ("/v1/", "/"),
        ("/", "/"),
        ("/payments/", "/payments"),
        ("/v1/payments/1/refunds/", "/payments/1/refunds"),
        ("/metrics/prometheus/", "/metrics/prometheus"),
        ("/payments//", "/payments/"),
        ("/payments/1/refunds//", "/payments/1/refunds/"),
        ("//payments", "//payments"),
        ("/payments", "/payments"),
        ("/v1/v1/payments", "/v1/payments"),
        ("/v10/payments", "/v10/payments"),
        ("/V1/payments", "/V1/payments"),
        ("/v1payments", "/v1payments"),
        ("/payments/v1", "/payments/v1"),
    ],
)
def test_the_version_prefix_and_a_slash_at_the_end_are_taken_off_once(path: str, meant: str) -> None:
    assert bare(path) == meant


@pytest.mark.parametrize(
    ("function", "path", "methods"),
    [
        ("health", "/payments", ["GET", "HEAD", "POST"]),
        ("health", "/payments/1", ["GET", "HEAD"]),
        ("health", "/payments/1/refunds", ["GET", "HEAD", "POST"]),
        ("health", "/metrics", ["GET", "HEAD"]),
        ("health", "/", ["GET", "HEAD"]),
        ("health", "/nowhere", []),
        ("create_payment", "/payments", ["POST"]),
        ("create_payment", "/health", []),
        ("health", "/webhooks/stripe", ["POST"]),
        ("sweep", "/", ["POST"]),
    ],
)
def test_health_knows_the_methods_of_the_whole_service_and_the_others_their_own(
    function: str, path: str, methods: list[str]
) -> None:
    assert allowed_methods(function, path) == methods
