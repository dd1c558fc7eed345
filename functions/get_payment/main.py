"""GET /payments, /payments/{payment_id}, its refunds, its receipt and its events; and below /ledger what is booked."""

from datetime import UTC, datetime

import functions_framework

from shared.platform.database import Database
from shared.platform.settings import read_settings
from shared.reading import payments
from shared.reading.queries import read_page, read_payment_query, refuse_parameters
from shared.web.answers import JSON, Answer
from shared.web.call import Call
from shared.web.door import door
from shared.web.routes import read_payment_id

settings = read_settings()
database = Database(settings)


@functions_framework.http
@door("get_payment", settings, database)
def get_payment(call: Call) -> Answer:
    if call.path.startswith("/ledger"):
        return _ledger(call)
    if "payment_id" not in call.parameters:
        return Answer(200, payments.payments(database, read_payment_query(call.query)))
    payment_id = read_payment_id(call.parameters["payment_id"])
    if call.path.endswith("/refunds"):
        return Answer(200, payments.refunds(database, payment_id, read_page(call.query)))
    if call.path.endswith("/events"):
        return Answer(200, payments.events(database, payment_id, read_page(call.query)))
    refuse_parameters(call.query)
    if not call.path.endswith("/receipt"):
        return Answer(200, payments.payment(database, payment_id, to_act_on=True))
    return _receipt(call, payment_id)


def _ledger(call: Call) -> Answer:
    """Balances, or what is owed to drivers. No start waits for what reads them: few ask."""
    from shared.reading import ledger, ledger_queries

    if call.path == "/ledger/balances":
        days = ledger_queries.read_days(call.query, settings.time_zone, datetime.now(UTC))
        return Answer(200, ledger.balances(database, days, settings.time_zone))
    if "driver_id" not in call.parameters:
        return Answer(200, ledger.drivers(database, ledger_queries.read_drivers_page(call.query)))
    refuse_parameters(call.query)
    return Answer(200, ledger.driver(database, call.parameters["driver_id"]))


def _receipt(call: Call, payment_id: int) -> Answer:
    """In the form that is asked for. No start waits for what makes one: few ask."""
    from shared.reading.receipts.receipt import read_receipt

    receipt = read_receipt(database, settings, payment_id, call.trace)
    vary = {"Vary": "Accept"}
    match call.prefers(JSON, "text/html", "application/pdf"):
        case "text/html":
            from shared.reading.receipts.page import html_receipt

            return html_receipt(receipt, settings, vary)
        case "application/pdf":
            from shared.reading.receipts.pdf import pdf_receipt

            return pdf_receipt(receipt, settings, vary)
    from shared.reading.receipts.written import json_receipt

    return Answer(200, json_receipt(receipt, settings), headers=vary)
