"""Final and pending answers, made from what is stored, so that every repetition is the same."""

import json

from shared.answer import Answer, final_answer, pending_answer

CHARGED = '{"payment_id": 351, "amount": 150.00, "status": "SUCCESS", "failure_code": null}'
DECLINED = '{"payment_id": 351, "amount": 150.00, "status": "FAILED", "failure_code": "card_declined"}'
REFUNDED = '{"refund_id": 7, "payment_id": 351, "refund_amount": 50.00, "failure_code": null}'
REFUND_DECLINED = '{"refund_id": 7, "payment_id": 351, "status": "FAILED", "failure_code": "no_funds"}'


def test_a_charge_is_answered_with_the_payment_as_it_was_settled_and_its_address() -> None:
    answer = final_answer(201, CHARGED, 351, None, "first")
    assert (answer.status, answer.body, answer.content_type) == (201, CHARGED, "application/json")
    assert answer.headers == {"Location": "/payments/351"}
    assert answer.about == {"payment_id": 351}


def test_a_declined_charge_is_a_problem_that_holds_the_payment() -> None:
    answer = final_answer(402, DECLINED, 351, None, "first")
    problem = json.loads(answer.body)
    assert (answer.status, answer.content_type) == (402, "application/problem+json")
    assert problem["payment"] == json.loads(DECLINED)
    assert '"amount": 150.00' in answer.body
    expected = {
        "code": "payment_declined",
        "failure_code": "card_declined",
        "correlation_id": "first",
        "instance": "/payments",
    }
    assert expected.items() <= problem.items()


def test_a_refund_is_answered_as_it_was_settled() -> None:
    answer = final_answer(201, REFUNDED, 351, 7, "first")
    assert (answer.status, answer.body, answer.headers) == (201, REFUNDED, {})
    assert answer.about == {"payment_id": 351, "refund_id": 7}


def test_a_declined_refund_is_a_problem_that_holds_the_refund() -> None:
    problem = json.loads(final_answer(402, REFUND_DECLINED, 351, 7, "first").body)
    assert problem["refund"] == json.loads(REFUND_DECLINED)
    expected = {
        "code": "refund_declined",
        "failure_code": "no_funds",
        "instance": "/payments/351/refunds",
        "status": 402,
    }
    assert expected.items() <= problem.items()


def test_a_replay_differs_in_one_header_only() -> None:
    first = final_answer(201, CHARGED, 351, None, "first")
    again = first.replayed()
    assert again.headers == first.headers | {"Idempotent-Replayed": "true"}
    assert (again.status, again.body) == (first.status, first.body)
    assert "Idempotent-Replayed" not in first.headers


def test_a_pending_answer_asks_for_patience_and_says_where_the_payment_is() -> None:
    answer = pending_answer(CHARGED, 351, None)
    assert (answer.status, answer.body) == (202, CHARGED)
    assert answer.headers["Location"] == "/payments/351"
    assert int(answer.headers["Retry-After"]) > 0


def test_a_pending_refund_asks_for_patience_too() -> None:
    answer = pending_answer(REFUNDED, 351, 7)
    assert (answer.status, set(answer.headers)) == (202, {"Retry-After"})


def test_answers_share_no_headers() -> None:
    assert Answer(200).headers is not Answer(200).headers
