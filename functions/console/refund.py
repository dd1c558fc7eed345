"""A refund: the form, its confirmation, and what came of it.

The key of the form is in its address, and is the idempotency key of the refund: a double click, a reload and the back button
give back once. The same address shows the form until it was sent, and what came of it from then on.
"""

import json
import re
import uuid
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from functions.console.desk import Desk
from functions.console.forms import read_address, read_form
from functions.console.rendering import is_fragment, redirect, render
from shared.charging import refund as refunding
from shared.platform.database import Row
from shared.reading import payments
from shared.reading.queries import GREATEST_LIMIT, Page
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem, invalid
from shared.web.requests import RefundRequest, read_refund
from shared.web.routes import read_payment_id

FIELDS = ("form", "amount", "reason")
# What a page that looks again has shown already.
SEEN = "seen"


def form(desk: Desk, call: Call) -> Answer:
    payment_id, filled = read_payment_id(call.parameters["payment_id"]), read_address(call, *FIELDS, SEEN)
    if not filled["form"]:
        return redirect(call, f"{_place(payment_id)}?form={uuid.uuid4()}")
    used = refunding.known(desk.deps, _key(filled), call.caller)
    if used:
        return _result(desk, call, payment_id, filled, used)
    return _form_page(desk, call, payment_id, filled)


def confirm(desk: Desk, call: Call) -> Answer:
    """Asks whether it is meant, or leads to what came of it, for whoever goes back after it was. Refunds nothing."""
    payment_id, filled = read_payment_id(call.parameters["payment_id"]), read_address(call, *FIELDS)
    try:
        used = refunding.known(desk.deps, _key(filled), call.caller)
        request = _read(filled)
        if used and refunding.is_same(used, payment_id, request):
            return redirect(call, _place(payment_id, form=filled["form"]))
        if used:
            raise Problem("idempotency_key_reused", "This form was sent already.")
        amount = _wanted(request)
        refunding.refuse(desk.deps, payment_id, request)
        left, currency = refunding.left(desk.deps, payment_id)
    except Problem as problem:
        return _refused(desk, call, payment_id, filled, problem)
    return render(
        "refund_confirm.html",
        call,
        payment=_payment(desk, payment_id),
        words=desk.words,
        filled=filled,
        amount=amount,
        stays=left - amount,
        currency=currency,
        back=_place(payment_id, **filled),
    )


def refund(desk: Desk, call: Call) -> Answer:
    """Refunds as POST /payments/{payment_id}/refunds does, and leads to what came of it."""
    payment_id, filled = read_payment_id(call.parameters["payment_id"]), read_form(call, *FIELDS)
    key = _key(filled)
    try:
        request = _read(filled)
        _wanted(request)
        refunding.refund(desk.deps, payment_id, request, key, call.origin)
    except Problem as problem:
        if problem.code != "idempotency_in_progress":
            return _refused(desk, call, payment_id, filled, problem)
    return redirect(call, _place(payment_id, form=key))


def _key(filled: dict[str, str]) -> str:
    """The idempotency key of a form. Raises Problem invalid_request for one that is not of this page."""
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", filled["form"]):
        raise invalid(("form", "is not the key of a form of this page"))
    return filled["form"]


def _read(filled: dict[str, str]) -> RefundRequest:
    """The request of the API that the form stands for. Raises Problem invalid_request as the API does."""
    amount, body = filled["amount"], dict[str, Any]()
    if amount:
        body["amount"] = Decimal(amount) if re.fullmatch(r"[0-9]{1,16}(\.[0-9]{1,16})?", amount) else amount
    if filled["reason"]:
        # As it was typed: forms send every line's end as CRLF.
        body["metadata"] = {"reason": filled["reason"].replace("\r\n", "\n")}
    return read_refund(body)


def _wanted(request: RefundRequest) -> Decimal:
    """The amount, which the API may do without, and a form may not: what was left when it was shown may be left no more."""
    if request.amount is None:
        raise invalid(("amount", "is required"))
    return request.amount


def _form_page(
    desk: Desk, call: Call, payment_id: int, filled: dict[str, str], problem: Problem | None = None
) -> Answer:
    try:
        left, currency = refunding.left(desk.deps, payment_id)
    except Problem as refusal:
        return _refused(desk, call, payment_id, filled, refusal)
    return render(
        "refund_form.html",
        call,
        status=problem.status if problem else 200,
        payment=_payment(desk, payment_id),
        words=desk.words,
        filled=filled if problem else {**filled, "amount": filled["amount"] or f"{left}"},
        left=left,
        currency=currency,
        faults=_faults(problem) if problem else {},
    )


def _faults(problem: Problem) -> dict[str, str]:
    """What is wrong, by the field that it is shown beside."""
    return {name.removeprefix("metadata."): message for name, message in problem.errors}


def _refused(desk: Desk, call: Call, payment_id: int, filled: dict[str, str], problem: Problem) -> Answer:
    """Nothing was refunded: the form again, with what is wrong in it, or a page that says why there is none."""
    if problem.errors and _faults(problem).keys() <= {"amount", "reason"}:
        return _form_page(desk, call, payment_id, filled, problem)
    if problem.code not in ("payment_not_refundable", "idempotency_key_reused"):
        raise problem
    return render(
        "refund_refused.html",
        call,
        status=problem.status,
        headers={} if problem.retry_after is None else {"Retry-After": str(problem.retry_after)},
        payment=_payment(desk, payment_id),
        problem=problem,
        words=desk.words,
        result=_place(payment_id, form=filled["form"]),
    )


def _result(desk: Desk, call: Call, payment_id: int, filled: dict[str, str], used: Row) -> Answer:
    """What came of the form: given back, declined, or not known yet, which the page then looks for again by itself."""
    if used["payment_id"] != payment_id or used["refund_id"] is None:
        raise invalid(("form", "is the key of something else"))
    refund = _settled_or_pending(desk, used)
    state = "worked on" if refund["status"] == "PENDING" and used["leased"] else refund["status"]
    if is_fragment(call) and filled[SEEN] == state:
        return Answer(204)
    return render(
        "refund_state.html" if is_fragment(call) else "refund_result.html",
        call,
        payment=_payment(desk, payment_id),
        words=desk.words,
        refund=refund,
        state=state,
        correlation_id=used["correlation_id"],
        here=_place(payment_id, form=filled["form"]),
        again=_place(payment_id, form=filled["form"], seen=state),
    )


def _settled_or_pending(desk: Desk, used: Row) -> dict[str, Any]:
    """The refund as it was settled, or as it stands; only that it is pending where so many came after it that it is on no first
    page."""
    if used["answer"]:
        return _read_json(used["answer"])
    page = _read_json(payments.refunds(desk.deps.database, used["payment_id"], Page(GREATEST_LIMIT)))
    unseen = {"status": "PENDING", "reference": None}
    return next((each for each in page["data"] if each["refund_id"] == used["refund_id"]), unseen)


def _read_json(text: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return value


def _payment(desk: Desk, payment_id: int) -> dict[str, Any]:
    return _read_json(payments.payment(desk.deps.database, payment_id))


def _place(payment_id: int, **parameters: str) -> str:
    place = f"/console/payments/{payment_id}/refund"
    return f"{place}?{urlencode(parameters)}" if parameters else place
