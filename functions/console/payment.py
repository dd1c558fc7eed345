"""A payment: its story, what its gateway says of it, and its receipt."""

from functions.console.desk import Desk
from functions.console.rendering import render
from shared.reading import payments
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem
from shared.web.routes import read_payment_id


def story(desk: Desk, call: Call) -> Answer:
    return render(
        "payment.html", call, shown=payments.payment(desk.deps.database, read_payment_id(call.parameters["payment_id"]))
    )


def raw(desk: Desk, call: Call) -> Answer:
    return Answer(200, payments.payment(desk.deps.database, read_payment_id(call.parameters["payment_id"])))


def receipt(desk: Desk, call: Call) -> Answer:
    raise Problem("not_found", "Not made yet.")


def ask(desk: Desk, call: Call) -> Answer:
    raise Problem("not_found", "Not made yet.")
