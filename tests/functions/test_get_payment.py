"""GET /payments and what is below it, as far as the door."""

from typing import Any

import pytest

from shared.reading.receipts import receipt as receipts
from tests.support.receipts import receipt

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("image/png", "application/json"),
        ("nonsense", "application/json"),
        ("text/html;q=0", "application/json"),
        ("text/html;q=0.1, application/json;q=0.9", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/*", "text/html; charset=utf-8"),
        ("text/html;charset=utf-8", "text/html; charset=utf-8"),
        ("text/html;level=1, */*;q=0.1", "text/html; charset=utf-8"),
        ("application/json;q=0.5, text/html", "text/html; charset=utf-8"),
        (BROWSER, "text/html; charset=utf-8"),
        ("application/pdf", "application/pdf"),
        ("application/pdf, text/html;q=0.9, */*;q=0.1", "application/pdf"),
        ("application/pdf;q=0", "application/json"),
    ],
)
def test_a_receipt_is_a_page_or_a_file_only_for_who_prefers_one(
    serve: Any, monkeypatch: pytest.MonkeyPatch, accept: str | None, content_type: str
) -> None:
    monkeypatch.setattr(receipts, "read_receipt", lambda *_: receipt())
    headers = {} if accept is None else {"Accept": accept}
    answer = serve("get_payment").ask("GET", "/payments/351/receipt", headers=headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert "Accept" in answer.headers["Vary"]
    assert answer.headers["Content-Length"] == str(len(answer.data))


@pytest.mark.parametrize("path", ["/payments/{}", "/payments/{}/refunds", "/payments/{}/receipt"])
@pytest.mark.parametrize(
    "payment_id", ["0", "-1", "x", "1.0", "+1", "9223372036854775808", "9" * 3000, "%EF%BC%91", "1%20"]
)
def test_what_is_no_id_is_no_payment(serve: Any, problem: Any, path: str, payment_id: str) -> None:
    problem(serve("get_payment").ask("GET", path.format(payment_id)), 404, "payment_not_found")


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("limit=0", ["limit"]),
        ("limit=1&limit=2", ["limit"]),
        ("page=2", ["page"]),
        ("", None),
        ("status=PAID&method=GOLD", ["status", "method"]),
        ("trip_id=99999999999999999999", ["trip_id"]),
        ("from=yesterday&to=2026-11-22", ["from", "to"]),
        ("cursor=%00", ["cursor"]),
        ("limit=%ff", ["limit"]),
        ("%ff=1", ["%FF"]),
        ("=1", [""]),
        ("limit", ["limit"]),
        ("&&&&", None),
        ("limit=1;status=x", ["limit"]),
    ],
)
def test_a_parameter_that_is_unknown_or_wrong_is_named(
    serve: Any, problem: Any, query: str, fields: list[str] | None
) -> None:
    answer = serve("get_payment").ask("GET", "/payments", query_string=query)
    if fields is None:
        problem(answer, 503, "database_unavailable")
    else:
        document = problem(answer, 400, "invalid_request")
        assert sorted(error["field"] for error in document["errors"]) == sorted(fields)


@pytest.mark.parametrize(
    "path", ["/payments/1?limit=1", "/payments/1/receipt?x", "/payments/1/refunds?status=REFUNDED"]
)
def test_an_address_takes_no_parameter_that_is_not_its_own(serve: Any, problem: Any, path: str) -> None:
    problem(serve("get_payment").ask("GET", path), 400, "invalid_request")
