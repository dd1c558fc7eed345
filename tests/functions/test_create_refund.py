"""POST /payments/{payment_id}/refunds, as far as the door."""

from codecs import BOM_UTF8 as BOM
from typing import Any

import pytest

KEY = {"Idempotency-Key": "k", "Content-Type": "application/json"}


@pytest.mark.parametrize("payment_id", ["0", "-1", "x", "1.0", "9223372036854775808", "9" * 5000, "%20", "1%00", "٣"])
def test_what_is_no_id_is_no_payment(serve: Any, problem: Any, payment_id: str) -> None:
    answer = serve("create_refund").ask("POST", f"/payments/{payment_id}/refunds", data=b"{}", headers=KEY)
    problem(answer, 404, "payment_not_found")


@pytest.mark.parametrize(
    "body", [b"", b"{}", BOM, BOM + b"{}", b'{"amount": 50.00}', b'{"metadata": {"reason": "Customer request"}}']
)
def test_a_refund_needs_no_more_than_its_key(serve: Any, problem: Any, body: bytes) -> None:
    problem(
        serve("create_refund").ask("POST", "/payments/1/refunds", data=body, headers=KEY), 503, "database_unavailable"
    )


def test_a_refund_without_a_key_is_refused(serve: Any, problem: Any) -> None:
    document = problem(serve("create_refund").ask("POST", "/payments/1/refunds"), 400, "invalid_request")
    assert [error["field"] for error in document["errors"]] == ["Idempotency-Key"]
    assert document["instance"] == "/payments/1/refunds"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"amount": 0}', "amount"),
        (b'{"amount": "50"}', "amount"),
        (b'{"amount": 1.005}', "amount"),
        (b'{"reason": "x"}', "reason"),
        (b'{"metadata": {"reason": 5}}', "metadata.reason"),
        (b"[]", "body"),
        (b"{", "body"),
    ],
)
def test_a_field_at_fault_is_named(serve: Any, problem: Any, body: bytes, field: str) -> None:
    answer = serve("create_refund").ask("POST", "/payments/1/refunds", data=body, headers=KEY)
    assert [error["field"] for error in problem(answer, 400, "invalid_request")["errors"]] == [field]
