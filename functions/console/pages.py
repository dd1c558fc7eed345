"""Which page answers which route."""

from collections.abc import Callable

from functions.console import attention, payment, payments, payments_csv, refund, settle, today
from functions.console.desk import Desk
from functions.console.rendering import file, render
from functions.console.same_origin import is_from_our_own_page
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem
from shared.web.routes import bare

PAGES: dict[str, Callable[[Desk, Call], Answer]] = {
    "GET /console": today.today,
    "GET /console/payments": payments.listing,
    "GET /console/payments.csv": payments_csv.csv,
    "GET /console/payments/{payment_id}": payment.story,
    "GET /console/payments/{payment_id}/json": payment.raw,
    "GET /console/payments/{payment_id}/receipt": payment.receipt,
    "POST /console/payments/{payment_id}/ask": payment.ask,
    "GET /console/payments/{payment_id}/refund": refund.form,
    "GET /console/payments/{payment_id}/refund/confirm": refund.confirm,
    "POST /console/payments/{payment_id}/refund": refund.refund,
    "GET /console/attention": attention.attention,
    "GET /console/attention/count": attention.count,
    "GET /console/settle/{reference}": settle.form,
    "POST /console/settle/{reference}": settle.settle,
    "GET /console/files/{file}": file,
}


def answer(desk: Desk, call: Call) -> Answer:
    """The answer of the page that has the call's route; whatever changes something, only from a page of our own. Raises Problem."""
    page = call.route and PAGES.get(f"{call.route.method} {call.route.template}")
    if not call.route or not page:
        raise Problem("not_found", "The console has no such page.")
    if call.route.method == "POST" and not is_from_our_own_page(call):
        return render("not_our_own.html", call, status=403)
    return page(desk, call)


def problem_page(problem: Problem, call: Call) -> Answer:
    """A problem as a page, with the status it has: whoever looks at the console reads no JSON."""
    if bare(call.path).endswith("/json"):
        return Answer(
            problem.status, problem.document(call.path, call.trace.correlation_id), "application/problem+json"
        )
    return render("problem.html", call, status=problem.status, problem=problem)
