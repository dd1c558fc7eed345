"""What is read through the front door: payments, pages, receipts, totals, health, the document."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared import VERSION
from tests.e2e.client import Client, new_trip

both_prefixes = pytest.mark.parametrize("prefix", ["", "/v1"])
# As a Prometheus server asks.
PROMETHEUS = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"


@both_prefixes
@pytest.mark.parametrize("payment_id", [999_999_999, 0, -1, 2**63, "x", "1.0", "1%20", "%E2%91%A0"])
@pytest.mark.parametrize("below", ["", "/refunds", "/receipt", "/events"])
def test_a_payment_that_is_not_there_is_404(client: Client, prefix: str, payment_id: Any, below: str) -> None:
    client.get(f"{prefix}/payments/{payment_id}{below}").problem(404, "payment_not_found")


def test_the_seed_is_there(client: Client, rows: Any) -> None:
    first = client.get("/payments/1").json
    assert (first["trip_id"], first["fare"], first["reference"][:3]) == (1, None, "RHP")
    assert client.get("/payments/350").status == 200
    assert rows("SELECT count(*) FROM payments WHERE payment_id <= 350") == [(350,)]


def test_a_list_has_the_newest_first_twenty_to_a_page(client: Client) -> None:
    page = client.list().json
    assert len(page["data"]) == 20
    times = [(payment["created_at"], payment["payment_id"]) for payment in page["data"]]
    assert times == sorted(times, reverse=True)


def test_a_cursor_stays_right_while_payments_are_being_added(client: Client) -> None:
    trip_id = new_trip()
    made = [client.pay(trip_id=trip_id, amount=1).json["payment_id"] for _ in range(5)]
    page = client.list(trip_id=trip_id, limit=2).json
    seen = [payment["payment_id"] for payment in page["data"]]
    while page["next_cursor"]:
        client.pay(trip_id=trip_id, amount=1)
        page = client.list(trip_id=trip_id, limit=2, cursor=page["next_cursor"]).json
        seen += [payment["payment_id"] for payment in page["data"]]
    assert seen == made[::-1]


def test_walking_all_pages_shows_every_payment_of_the_seed_once(client: Client) -> None:
    until = "2026-11-01T00:00:00Z"
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = client.list(limit=100, to=until, **cursor).json
        seen += [payment["payment_id"] for payment in page["data"]]
        if not page["next_cursor"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert len(seen) == len(set(seen))
    assert set(seen) <= set(range(1, 351))
    assert len(seen) > 100


def test_every_filter_filters(client: Client) -> None:
    trip_id = new_trip()
    card = client.pay(trip_id=trip_id).json
    upi = client.pay(trip_id=trip_id, method="UPI").json
    failed = client.pay(trip_id=trip_id, metadata={"simulate": "decline"}).json["payment"]

    def found(**filters: Any) -> list[int]:
        return [payment["payment_id"] for payment in client.list(trip_id=trip_id, **filters).json["data"]]

    assert found() == [failed["payment_id"], upi["payment_id"], card["payment_id"]]
    assert found(status="FAILED") == [failed["payment_id"]]
    assert found(status="success", method="upi") == [upi["payment_id"]]
    assert found(status="REFUNDED") == []
    assert found(from_=upi["created_at"]) == [failed["payment_id"], upi["payment_id"]]
    assert found(to=upi["created_at"]) == [card["payment_id"]]
    assert found(from_=upi["created_at"], to=upi["created_at"]) == []
    assert client.list(method="CASH", status="SUCCESS", limit=100).json["data"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=1&limit=1",
        "status=PAID",
        "method=GOLD",
        "trip_id=0",
        "trip_id=9223372036854775808",
        "from=yesterday",
        "to=2026-13-01T00:00:00Z",
        "cursor=x",
        # Made up: a week date, a zone that PostgreSQL has not, the year 0 and one beyond.
        "cursor=MjAyNi1XNDctN1QwMDowMDowMCswMDowMCA1IDU",
        "page=1",
        "LIMIT=1",
        "%00=1",
        "limit=%00",
        "limit=%ff",
        "&=",
    ],
)
@both_prefixes
def test_a_wrong_or_unknown_parameter_is_400(client: Client, prefix: str, query: str) -> None:
    answer = client.get(f"{prefix}/payments?{query}")
    assert answer.problem(400, "invalid_request")["errors"]


@pytest.mark.parametrize("cursor", ["MjAyNi1XNDctN1QwMDowMDowMCswMDowMCA1", "MjAyNi0wMS0wMVQwMDowMDowMCsyMzo1OSA1"])
def test_a_made_up_cursor_never_breaks_anything(client: Client, cursor: str) -> None:
    assert client.get(f"/payments?cursor={cursor}").status in (200, 400)


@both_prefixes
def test_a_receipt_is_json_and_only_for_what_was_charged(client: Client, prefix: str) -> None:
    payment = client.pay().json
    answer = client.get(f"{prefix}/payments/{payment['payment_id']}/receipt")
    assert (answer.status, answer.type) == (200, "application/json")
    assert (answer.json["amount"], answer.json["currency"], answer.json["payment"]) == (150, "INR", payment)
    declined = client.pay(metadata={"simulate": "decline"}).json["payment"]["payment_id"]
    pending = client.pay(metadata={"simulate": "timeout"}).json["payment_id"]
    for payment_id in (declined, pending):
        client.get(f"{prefix}/payments/{payment_id}/receipt").problem(404, "receipt_not_found")


@both_prefixes
def test_health_is_up(client: Client, prefix: str) -> None:
    answer = client.get(f"{prefix}/health")
    assert (answer.status, answer.type) == (200, "application/json")
    body = answer.json
    assert abs(datetime.now(UTC) - datetime.fromisoformat(body.pop("timestamp"))) < timedelta(seconds=10)
    assert body == {"service": "payment-service", "version": VERSION, "status": "UP", "database_status": "UP"}
    assert client.get(f"{prefix}/healthz").json == {"status": "UP"}


def test_the_totals_always_equal_the_tables(client: Client, rows: Any) -> None:
    payment = client.pay(amount=99.99).json
    client.refund(payment["payment_id"], amount=33.33)
    totals = client.get("/metrics").json
    assert totals["payments_by_status"] == dict.fromkeys(("PENDING", "SUCCESS", "FAILED", "REFUNDED"), 0) | dict(
        rows("SELECT status, count(*) FROM payments GROUP BY status")
    )
    assert totals["payments_by_method"] == dict(rows("SELECT method, count(*) FROM payments GROUP BY method"))
    ((average, revenue),) = rows(
        "SELECT round(avg(amount) FILTER (WHERE status = 'SUCCESS'), 2)::text,"
        " (sum(amount - refunded_amount) FILTER (WHERE status IN ('SUCCESS', 'REFUNDED')))::text FROM payments"
    )
    ((count, amount),) = rows("SELECT count(*), sum(amount)::text FROM payment_refunds WHERE status = 'REFUNDED'")
    text = json.loads(client.get("/v1/metrics").text, parse_float=str)
    assert (text["average_payment_amount"], text["total_revenue"]) == (average, revenue)
    assert text["refunds"] == {"count": count, "amount": amount}


@both_prefixes
def test_prometheus_gets_its_own_text_by_path_and_by_accept(client: Client, prefix: str) -> None:
    openmetrics = client.get(f"{prefix}/metrics", accept=PROMETHEUS)
    assert openmetrics.type.startswith("application/openmetrics-text; version=1.0.0"), "what it prefers"
    assert openmetrics.text.endswith("# EOF\n")
    for answer in (client.get(f"{prefix}/metrics", accept="text/plain"), client.get(f"{prefix}/metrics/prometheus")):
        assert answer.type.startswith("text/plain; version=0.0.4")
        names = {family.name for family in text_string_to_metric_families(answer.text)}
        assert {"payment_total", "payment_method_total", "payment_pending_count", "outbox_undelivered_count"} <= names


@both_prefixes
def test_every_endpoint_of_the_index_answers(client: Client, prefix: str) -> None:
    index = client.get(f"{prefix}/").json
    for endpoint in index["endpoints"]:
        method, path = endpoint.split()
        for name, value in (("{payment_id}", "1"), ("{gateway}", "stripe"), ("{driver_id}", "driver-1")):
            path = path.replace(name, value)
        answer = client.call(method, prefix + path)
        assert answer.status != 405
        assert answer.status != 404 or answer.json["code"] != "not_found"


@both_prefixes
@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/payments", {"GET", "HEAD", "POST"}),
        ("/payments/1", {"GET", "HEAD"}),
        ("/payments/1/refunds", {"GET", "HEAD", "POST"}),
        ("/payments/1/receipt", {"GET", "HEAD"}),
        ("/health", {"GET", "HEAD"}),
        ("/metrics", {"GET", "HEAD"}),
        ("/metrics/prometheus", {"GET", "HEAD"}),
        ("/openapi.json", {"GET", "HEAD"}),
        ("/", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_405_with_what_is_allowed(client: Client, prefix: str, path: str, allowed: set[str]) -> None:
    for method in {"POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - allowed:
        answer = client.call(method, prefix + path)
        answer.problem(405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) == allowed


@both_prefixes
@pytest.mark.parametrize(
    "path",
    [
        "/payments",
        "/payments/1",
        "/payments/1/refunds",
        "/payments/2/receipt",
        "/health",
        "/metrics",
        "/",
        "/openapi.json",
    ],
)
def test_head_is_get_without_its_body_and_a_slash_at_the_end_changes_nothing(
    client: Client, prefix: str, path: str
) -> None:
    got, head = client.get(prefix + path), client.call("HEAD", prefix + path)
    assert (head.status, head.body, head.type) == (got.status, b"", got.type)
    slashed = client.get(prefix + path.rstrip("/") + "/")
    assert (slashed.status, slashed.type) == (got.status, got.type)


@pytest.mark.parametrize(
    "path", ["/nowhere", "/v1/nowhere", "/v2/payments", "/sweep", "/notify", "/payments//", "/favicon.ico"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_path_that_nobody_has_is_404(client: Client, method: str, path: str) -> None:
    client.call(method, path).problem(404, "not_found")
