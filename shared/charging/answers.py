"""What a charge or refund is answered with: final, made from what is stored of it, or pending."""

import json

from shared.platform.settings import RETRY_AFTER
from shared.web.answers import Answer
from shared.web.problems import CONTENT_TYPE, Problem


def final_answer(status: int, shown: str, payment_id: int, refund_id: int | None, correlation_id: str) -> Answer:
    """The final answer of a charge or refund, made from what is stored of it, so that every repetition is the same.

    `shown` is the JSON of the payment or refund as it was settled, `correlation_id` that of the request that claimed it.
    """
    about = _about(payment_id, refund_id)
    if status == 201:
        headers = {"Location": f"/payments/{payment_id}"} if refund_id is None else {}
        return Answer(201, shown, headers=headers, about=about)
    settled = json.loads(shown)
    blanks = shown.partition(":")[0].endswith(" ")  # what older versions stored begins `{"payment_id" : 351, `
    failure_code = json.dumps(settled["failure_code"])
    if refund_id is None:
        instance = "/payments"
        problem = Problem(
            "payment_declined",
            "The gateway declined the charge. To try again, send a new Idempotency-Key.",
            members={"failure_code": failure_code, "payment": shown},
        )
    else:
        instance = f"/payments/{payment_id}/refunds"
        problem = Problem(
            "refund_declined",
            "The gateway declined the refund; what was reserved for it is free again.",
            members={"failure_code": failure_code, "refund": shown},
        )
    return Answer(status, problem.document(instance, correlation_id, blanks=blanks), CONTENT_TYPE, about=about)


def pending_answer(shown: str, payment_id: int, refund_id: int | None) -> Answer:
    """The answer while the gateway's word is not known: the same key asks again."""
    headers = {"Retry-After": str(RETRY_AFTER)}
    if refund_id is None:
        headers["Location"] = f"/payments/{payment_id}"
    return Answer(202, shown, headers=headers, about=_about(payment_id, refund_id))


def _about(payment_id: int, refund_id: int | None) -> dict[str, int]:
    return {"payment_id": payment_id} if refund_id is None else {"payment_id": payment_id, "refund_id": refund_id}
