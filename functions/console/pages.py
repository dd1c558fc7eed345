"""Which page answers which route."""

from collections.abc import Callable

from functions.console import (
    attention,
    cells,
    payment,
    payments,
    payments_csv,
    reconciliation,
    reconciliation_csv,
    refund,
    settle,
    sign_in,
    today,
)
from functions.console.desk import Desk
from functions.console.rendering import file, render
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem
from shared.web.routes import bare

PAGES: dict[str, Callable[[Desk, Call], Answer]] = {
    "GET /console": today.today,
    "GET /console/cells": cells.side_by_side,
    "GET /console/standing": cells.standing,
    "GET /console/payments": payments.listing,
    "GET /console/payments.csv": payments_csv.csv,
    "GET /console/payments/{payment_id}": payment.story,
    "GET /console/payments/{payment_id}/json": payment.raw,
    "GET /console/payments/{payment_id}/receipt": payment.receipt,
    "POST /console/payments/{payment_id}/ask": payment.ask,
    "GET /console/payments/{payment_id}/refund": refund.form,
    "GET /console/payments/{payment_id}/refund/confirm": refund.confirm,
    "POST /console/payments/{payment_id}/refund": refund.refund,
    "GET /console/reconciliation": reconciliation.listing,
    "GET /console/reconciliation/{reconciliation_id}": reconciliation.differences,
    "GET /console/reconciliation/{reconciliation_id}/csv": reconciliation_csv.csv,
    "GET /console/attention": attention.attention,
    "GET /console/attention/count": attention.count,
    "GET /console/settle/{reference}": settle.form,
    "POST /console/settle/{reference}": settle.settle,
    "GET /console/sign-in": sign_in.sign_in,
    "GET /console/signed-in": sign_in.signed_in,
    "POST /console/sign-out": sign_in.sign_out,
    "GET /console/files/{file}": file,
}


def answer(desk: Desk, call: Call) -> Answer:
    """The answer of the page that has the call's route; what changes something, only from a page of our own. Raises Problem."""
    page = call.route and PAGES.get(f"{call.route.method} {call.route.template}")
    if not page:
        raise Problem("not_found", "The console has no such page.")
    if call.method == "POST" and not desk.entrance.comes_from_us(call):
        return render("not_our_own.html", call, status=403)
    return page(desk, call)


def problem_page(desk: Desk, problem: Problem, call: Call) -> Answer:
    """A problem as a page, with the status it has: whoever looks at the console reads no JSON."""
    if call.path == cells.STANDING:
        return cells.not_told(desk, problem, call)
    if problem.code == "unauthorized":
        return sign_in.unknown(desk, problem, call)
    if bare(call.path).endswith("/json"):
        return Answer(
            problem.status, problem.document(call.path, call.trace.correlation_id), "application/problem+json"
        )
    if problem.code == "insufficient_scope":
        return render("not_permitted.html", call, status=problem.status, problem=problem)
    return render("problem.html", call, status=problem.status, problem=problem)
