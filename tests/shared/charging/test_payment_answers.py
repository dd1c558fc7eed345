"""Final and pending answers, made from what is stored, so that every repetition is the same."""

import json
from datetime import UTC, datetime

import pytest

from shared.charging.lease import Lease
from shared.charging.payment_answers import final_answer, pending_answer
from shared.platform import json_text
from shared.web.answers import Answer
from tests.shared.gateways.stripe.requests_of_ours import a_charge

CHARGED = '{"payment_id":351,"amount":150.00,"status":"SUCCESS","failure_code":null}'
DECLINED = '{"payment_id":351,"amount":150.00,"status":"FAILED","failure_code":"card_declined"}'
REFUNDED = '{"refund_id":7,"payment_id":351,"refund_amount":50.00,"failure_code":null}'
REFUND_DECLINED = '{"refund_id":7,"payment_id":351,"status":"FAILED","failure_code":"no_funds"}'
# What version 1.0 stored of a declined charge and a declined refund, and what it answered with it.
OLD_DECLINED = (
    '{"payment_id" : 1, "trip_id" : 101, "amount" : 36.50, "currency" : "INR", "method" : "CARD", "status" : "FAILED",'
    ' "reference" : "PAY-20261125-1S7ZZE14FBMBB8CX", "refunded_amount" : 0.00, "failure_code" : "card_declined",'
    ' "fare" : {"base_fare" : 5.00, "distance_km" : 10.5, "rate_per_km" : 2.50, "surge_multiplier" : 1.2, "total" : 36.50},'
    ' "metadata" : {"note":"né","a":[1,1.5]}, "created_at" : "2026-11-25T03:46:01.328415Z",'
    ' "updated_at" : "2026-11-25T03:46:01.332255Z"}'
)
OLD_DECLINED_ANSWER = (
    '{"type": "urn:payment-service:problem:payment_declined", "title": "The payment was declined", "status": 402,'
    ' "detail": "The gateway declined the charge. To try again, send a new Idempotency-Key.", "instance": "/payments",'
    ' "code": "payment_declined", "correlation_id": "74ee9ed2-680c-42b6-8151-383e64f3a63f",'
    ' "failure_code": "card_declined", "payment": ' + OLD_DECLINED + "}"
)
OLD_REFUND_DECLINED = (
    '{"refund_id" : 1, "payment_id" : 2, "refund_amount" : 50.00, "currency" : "INR", "status" : "FAILED", "reason" : "é",'
    ' "reference" : "REF-20261125-9DQRXCC2E2D6S1X9", "failure_code" : "no_funds", "payment_status" : "SUCCESS",'
    ' "remaining_amount" : 150.00, "metadata" : {"reason":"é"}, "created_at" : "2026-11-25T03:46:01.338807Z"}'
)
OLD_REFUND_DECLINED_ANSWER = (
    '{"type": "urn:payment-service:problem:refund_declined", "title": "The refund was declined", "status": 402,'
    ' "detail": "The gateway declined the refund; what was reserved for it is free again.",'
    ' "instance": "/payments/2/refunds", "code": "refund_declined",'
    ' "correlation_id": "9ccfc80d-109c-4c36-8a64-d7536476c2d7", "failure_code": "no_funds", "refund": '
    + OLD_REFUND_DECLINED
    + "}"
)


def final(status: int, answer: str, payment_id: int, refund_id: int | None, correlation_id: str) -> Answer:
    return final_answer(
        {
            "answer_status": status,
            "answer": answer,
            "payment_id": payment_id,
            "refund_id": refund_id,
            "correlation_id": correlation_id,
        }
    )


def pending(shown: str, payment_id: int, refund_id: int | None) -> Answer:
    moment, request = datetime.now(UTC), a_charge()
    return pending_answer(
        Lease(b"", moment, 0.0, 0.0, 0.0, payment_id, refund_id, "first", "scripted", None, request, shown)
    )


def test_a_charge_is_answered_with_the_payment_as_it_was_settled_and_its_address() -> None:
    answer = final(201, CHARGED, 351, None, "first")
    assert (answer.status, answer.body, answer.content_type) == (201, CHARGED, "application/json")
    assert answer.headers == {"Location": "/payments/351"}
    assert answer.about == {"payment_id": 351}


def test_a_declined_charge_is_a_problem_that_holds_the_payment() -> None:
    answer = final(402, DECLINED, 351, None, "first")
    problem = json.loads(answer.body)
    assert (answer.status, answer.content_type) == (402, "application/problem+json")
    assert problem["payment"] == json.loads(DECLINED)
    assert answer.body.endswith(f'"failure_code":"card_declined","payment":{DECLINED}}}')
    expected = {
        "code": "payment_declined",
        "failure_code": "card_declined",
        "correlation_id": "first",
        "instance": "/payments",
    }
    assert expected.items() <= problem.items()


def test_a_refund_is_answered_as_it_was_settled() -> None:
    answer = final(201, REFUNDED, 351, 7, "first")
    assert (answer.status, answer.body, answer.headers) == (201, REFUNDED, {})
    assert answer.about == {"payment_id": 351, "refund_id": 7}


def test_a_declined_refund_is_a_problem_that_holds_the_refund() -> None:
    problem = json.loads(final(402, REFUND_DECLINED, 351, 7, "first").body)
    assert problem["refund"] == json.loads(REFUND_DECLINED)
    expected = {
        "code": "refund_declined",
        "failure_code": "no_funds",
        "instance": "/payments/351/refunds",
        "status": 402,
    }
    assert expected.items() <= problem.items()


def test_what_was_stored_with_blanks_is_answered_as_it_was_then() -> None:
    charge = final(402, OLD_DECLINED, 1, None, "74ee9ed2-680c-42b6-8151-383e64f3a63f")
    assert charge.body == OLD_DECLINED_ANSWER
    refund = final(402, OLD_REFUND_DECLINED, 2, 1, "9ccfc80d-109c-4c36-8a64-d7536476c2d7")
    assert refund.body == OLD_REFUND_DECLINED_ANSWER
    assert final(201, OLD_DECLINED, 1, None, "first").body == OLD_DECLINED


@pytest.mark.parametrize(("stored", "refund_id"), [(DECLINED, None), (REFUND_DECLINED, 7)])
def test_what_is_stored_without_blanks_is_answered_without_any(stored: str, refund_id: int | None) -> None:
    body = final(402, stored, 351, refund_id, "first").body
    assert body == json_text.write(json_text.read(body.encode()))


def test_a_replay_differs_in_one_header_only() -> None:
    first = final(201, CHARGED, 351, None, "first")
    again = first.replayed()
    assert again.headers == first.headers | {"Idempotent-Replayed": "true"}
    assert (again.status, again.body) == (first.status, first.body)
    assert "Idempotent-Replayed" not in first.headers


def test_a_pending_answer_asks_for_patience_and_says_where_the_payment_is() -> None:
    answer = pending(CHARGED, 351, None)
    assert (answer.status, answer.body) == (202, CHARGED)
    assert answer.headers["Location"] == "/payments/351"
    assert int(answer.headers["Retry-After"]) > 0


def test_a_pending_refund_asks_for_patience_too() -> None:
    answer = pending(REFUNDED, 351, 7)
    assert (answer.status, set(answer.headers)) == (202, {"Retry-After"})


def test_no_answer_changes_the_headers_of_another() -> None:
    first = Answer(200)
    with pytest.raises(TypeError):
        first.headers["Retry-After"] = "1"  # type: ignore[index]
    assert first.replayed().headers == {"Idempotent-Replayed": "true"}
    assert Answer(200).headers == {}
