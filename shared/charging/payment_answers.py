"""What a charge or refund is answered with: final, made from what is stored of it, or pending."""

import json

from shared.charging.lease import Lease, about
from shared.platform.database import Row
from shared.platform.json_text import Written
from shared.platform.settings import RETRY_AFTER
from shared.web.answers import Answer
from shared.web.problems import CONTENT_TYPE, Problem


def final_answer(stored: Row) -> Answer:
    """The final answer of a charge or refund, made from what is stored of it, so that every repetition is the same.

    `stored` has `answer_status`, `answer` (the JSON text of the payment or refund as it was settled), `payment_id`,
    `refund_id`, and the `correlation_id` of the request that claimed it.
    """
    status, answer, payment_id, refund_id = (
        stored[name] for name in ("answer_status", "answer", "payment_id", "refund_id")
    )
    subject = about(payment_id, refund_id)
    if status == 201:
        headers = {"Location": f"/payments/{payment_id}"} if refund_id is None else {}
        return Answer(201, answer, headers=headers, about=subject)
    failure_code = json.loads(answer)["failure_code"]
    if refund_id is None:
        instance = "/payments"
        problem = Problem(
            "payment_declined",
            "The gateway declined the charge. To try again, send a new Idempotency-Key.",
            members={"failure_code": failure_code, "payment": Written(answer)},
        )
    else:
        instance = f"/payments/{payment_id}/refunds"
        problem = Problem(
            "refund_declined",
            "The gateway declined the refund; what was reserved for it is free again.",
            members={"failure_code": failure_code, "refund": Written(answer)},
        )
    # As answers begin that older versions stored: `{"payment_id" : 351, `.
    spaced = answer.partition(":")[0].endswith(" ")
    document = problem.document(instance, stored["correlation_id"], spaced=spaced)
    return Answer(status, document, CONTENT_TYPE, about=subject)


def pending_answer(lease: Lease) -> Answer:
    """The answer while the gateway's word is not known, or the customer is waited for: the same key asks again."""
    headers = {"Retry-After": str(RETRY_AFTER)}
    if lease.refund_id is None:
        headers["Location"] = f"/payments/{lease.payment_id}"
    return Answer(202, lease.shown, headers=headers, about=lease.about())
