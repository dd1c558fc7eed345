"""A payment: its story, what its gateway says of it, and its receipt."""

import json
from decimal import Decimal

from functions.console import timeline
from functions.console.desk import Desk
from functions.console.forms import read_address, read_form
from functions.console.permitted import may
from functions.console.rendering import is_fragment, redirect, render
from shared.reading import payments
from shared.reading.story import Story
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem
from shared.web.routes import read_payment_id


def story(desk: Desk, call: Call) -> Answer:
    payment_id, asked = read_payment_id(call.parameters["payment_id"]), read_address(call, "asked", "seen")
    told = read_story(desk.deps.database, payment_id)
    seen = f"{told.charge.status}-{len(told.moments)}"
    if is_fragment(call) and asked["seen"] == seen:
        return Answer(204)
    words = desk.words
    return render(
        "payment_live.html" if is_fragment(call) else "payment.html",
        call,
        told=told,
        payment=json.loads(told.payment, parse_float=Decimal),
        words=words,
        lines=timeline.lines(told, words),
        numbers=timeline.refund_numbers(told),
        seen=seen,
        asked=ANSWERS.get(asked["asked"]),
        dashboard=_dashboard(desk, told),
        may_refund=may(call, "refunds:write"),
        may_settle=may(call, "payments:settle"),
    )


def raw(desk: Desk, call: Call) -> Answer:
    """Exactly what GET /payments/{payment_id} gives."""
    return Answer(200, payments.payment(desk.deps.database, read_payment_id(call.parameters["payment_id"])))


def receipt(desk: Desk, call: Call) -> Answer:
    raise Problem("not_found", "Not made yet.")


def ask(desk: Desk, call: Call) -> Answer:
    raise Problem("not_found", "Not made yet.")
