"""A payment: its story, what its gateway says of it, and its receipt."""

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

from functions.console import timeline
from functions.console.desk import Desk
from functions.console.forms import read_address, read_form
from functions.console.permitted import may, who
from functions.console.rendering import is_fragment, redirect, render
from shared.charging.ask_again import ask_again
from shared.platform import json_text
from shared.reading import payments
from shared.reading.ledger_of import ledger_of
from shared.reading.said import said_of
from shared.reading.story import Asking, Claimed, DisputeOpened, Story
from shared.reading.story import story as read_story
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import invalid
from shared.web.routes import read_payment_id

# What came of asking again, as it stands in the address that asking leads to.
ASKED, NOT_ASKED = "yes", "no"


def story(desk: Desk, call: Call) -> Answer:
    payment_id, address = read_payment_id(call.parameters["payment_id"]), read_address(call, "asked", "seen")
    told = read_story(desk.deps.database, payment_id)
    seen = f"{told.charge.status}-{len(told.moments)}-{told.charge.under_way}"
    if is_fragment(call) and address["seen"] == seen:
        return Answer(204)
    return render(
        "payment_live.html" if is_fragment(call) else "payment.html",
        call,
        **_shown(desk, told),
        said=[] if is_fragment(call) else said_of(desk.deps.database, payment_id),
        entries=[] if is_fragment(call) else ledger_of(desk.deps.database, payment_id),
        fragment=is_fragment(call),
        seen=seen,
        asked=address["asked"],
        may_refund=may(call, "refunds:write"),
        may_settle=may(call, "payments:settle"),
    )


def _shown(desk: Desk, told: Story) -> dict[str, Any]:
    from shared.reading.receipts.lines import fare_lines  # no start waits for what makes receipts

    payment, words = json.loads(told.payment, parse_float=Decimal), desk.words
    claims = [moment for moment in told.moments if isinstance(moment, Claimed)]
    ours = next(moment for moment in claims if moment.refund_id is None)
    gateway = desk.deps.gateways.named(told.gateway) if told.gateway else None
    known_as = told.charge.gateway_id
    disputes = [moment for moment in told.moments if isinstance(moment, DisputeOpened)]
    held = sum(
        dispute.amount if dispute.currency == told.currency else payment["amount"]
        for dispute in disputes
        if dispute.status in ("OPEN", "LOST")
    )
    return {
        "told": told,
        "payment": payment,
        "words": words,
        "lines": timeline.lines(told, words),
        "numbers": timeline.refund_numbers(told),
        "claimed": ours,
        "reasons": {moment.refund_id: moment.reason for moment in claims},
        "newest": max((each.last for each in (told.charge, *told.refunds) if each.last), key=_at, default=None),
        "fare": fare_lines(payment["amount"], told.currency, payment["fare"]) if payment["fare"] else [],
        "metadata": [(name, _as_text(value)) for name, value in payment["metadata"].items()],
        "disputed": {dispute.status for dispute in disputes},
        "refundable": payment["status"] == "SUCCESS"
        and gateway is not None
        and held < payment["amount"] - payment["refunded_amount"],
        "can_ask": gateway is not None and not gateway.abilities.settles_at_once,
        "dashboard": gateway.dashboard(known_as) if gateway and known_as else None,
    }


def _at(asking: Asking) -> datetime:
    return asking.at


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json_text.write(value)


def raw(desk: Desk, call: Call) -> Answer:
    """What GET /payments/{payment_id} gives, but for what the customer is to do: whoever has that can act in their place."""
    read_address(call)
    return Answer(200, payments.payment(desk.deps.database, read_payment_id(call.parameters["payment_id"])))


def receipt(desk: Desk, call: Call) -> Answer:
    """The receipt as a page, or as PDF where the address or the Accept header asks for one."""
    payment_id, address = read_payment_id(call.parameters["payment_id"]), read_address(call, "format")
    if address["format"] not in ("", "pdf"):
        raise invalid(("format", "must be pdf, or absent for a page"))
    from shared.reading.receipts.receipt import read_receipt

    found = read_receipt(desk.deps.database, desk.settings, payment_id, call.trace)
    vary = {"Vary": "Accept"}
    if address["format"] == "pdf" or call.prefers("text/html", "application/pdf") == "application/pdf":
        from shared.reading.receipts.pdf import pdf_receipt

        return pdf_receipt(found, desk.settings, vary)
    from shared.reading.receipts.page import html_receipt

    return html_receipt(found, desk.settings, vary)


def ask(desk: Desk, call: Call) -> Answer:
    """Asks the gateway now, about the charge or the refund that the form names, and leads back to the payment."""
    payment_id, filled = read_payment_id(call.parameters["payment_id"]), read_form(call, "refund_id")
    refund_id = filled["refund_id"]
    if not re.fullmatch(r"[0-9]{0,18}", refund_id):
        raise invalid(("refund_id", "is no id of a refund"))
    told = ask_again(desk.deps, payment_id, who(call), int(refund_id) if refund_id else None)
    asked = ASKED if any(each.asked for each in told) else NOT_ASKED
    return redirect(call, f"/console/payments/{payment_id}?asked={asked}")
