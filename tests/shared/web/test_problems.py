"""Problem documents: one form for every error."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.platform.json_text import Written
from shared.web.problems import TITLES, TYPE, Problem, invalid, of_status

CONTRACT = {
    "payment_declined": 402,
    "refund_declined": 402,
    "not_found": 404,
    "payment_not_found": 404,
    "idempotency_in_progress": 409,
    "trip_already_paid": 409,
    "payment_not_refundable": 409,
    "wrong_cell": 421,
    "idempotency_key_reused": 422,
    "trip_not_found": 422,
    "trip_not_completed": 422,
    "trip_not_chargeable": 422,
    "refund_exceeds_payment": 422,
    "rate_limited": 429,
    "internal_error": 500,
    "trip_service_unavailable": 503,
    "database_unavailable": 503,
}


def document(problem: Problem) -> dict[str, object]:
    value = json.loads(problem.document("/payments", "the-id"))
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(("code", "status"), CONTRACT.items())
def test_every_code_of_the_contract_has_its_status(code: str, status: int) -> None:
    assert Problem(code, "why").status == status


@pytest.mark.parametrize("code", TITLES)
def test_a_problem_has_every_member_of_the_contract(code: str) -> None:
    status, title = TITLES[code]
    assert document(Problem(code, "why")) == {
        "type": TYPE + code,
        "title": title,
        "status": status,
        "detail": "why",
        "instance": "/payments",
        "code": code,
        "correlation_id": "the-id",
    }


@pytest.mark.parametrize("code", TITLES)
def test_codes_are_snake_case_and_stand_for_error_statuses(code: str) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert 400 <= TITLES[code][0] < 600


def test_fields_at_fault_are_listed_and_told_in_the_detail() -> None:
    problem = invalid(("trip_id", "is required"), ("amount", "must be a number"))
    assert problem.detail == "trip_id: is required; amount: must be a number"
    assert document(problem)["errors"] == [
        {"field": "trip_id", "message": "is required"},
        {"field": "amount", "message": "must be a number"},
    ]


def test_further_members_are_json_as_it_was_stored() -> None:
    problem = Problem("payment_declined", "no", members={"payment": Written('{"amount": 150.00}'), "failure_code": "x"})
    text = problem.document("/payments", None)
    assert text.endswith(',"payment":{"amount": 150.00},"failure_code":"x"}')
    assert json.loads(text)["failure_code"] == "x"
    assert json.loads(text)["correlation_id"] is None


@given(st.text(), st.text(), st.text(), st.text())
def test_a_problem_is_compact_json_whatever_hostile_text_it_speaks_of(a: str, b: str, c: str, d: str) -> None:
    text = Problem("invalid_request", a, errors=[(b, c)]).document(d, "id")
    read = json.loads(text.encode())
    assert (read["detail"], read["errors"], read["instance"]) == (a, [{"field": b, "message": c}], d)
    assert text == json.dumps(read, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("status", "code", "answered"),
    [
        (404, "not_found", 404),
        (405, "method_not_allowed", 405),
        (413, "payload_too_large", 413),
        (415, "unsupported_media_type", 415),
        (421, "wrong_cell", 421),
        (400, "invalid_request", 400),
        (431, "invalid_request", 400),
        (500, "internal_error", 500),
        (502, "internal_error", 500),
    ],
)
def test_what_the_framework_refuses_has_a_code_too(status: int, code: str, answered: int) -> None:
    problem = of_status(status)
    assert (problem.code, problem.status) == (code, answered)
