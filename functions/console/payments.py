"""Payments: search and filters, page by page."""

from functions.console.desk import Desk
from functions.console.payments_form import Form, shown
from functions.console.rendering import is_fragment, redirect
from shared.reading.found import search
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem


def listing(desk: Desk, call: Call) -> Answer:
    """The payments that the address asks for; to the payment itself where it names exactly one. A form sends its empty fields
    too: that leads to the address without them."""
    form = Form.of(call)
    if form.is_cluttered:
        return redirect(call, form.address)
    try:
        asked = form.read(desk.settings)
    except Problem as problem:
        return form.refused(desk, call, problem)
    found = search(desk.deps.database, asked)
    is_named = any(asked.sought) and asked.is_first_page
    if is_named and len(found.rows) == 1 and not found.cursor and not is_fragment(call):
        return redirect(call, f"/console/payments/{found.rows[0]['payment_id']}")
    template = "payments_found.html" if is_fragment(call) else "payments.html"
    return shown(desk, call, form, template, asked=asked, found=found, faults={})
