"""GET /payments, /payments/{payment_id}, its refunds, its receipt and its events."""

import functions_framework

from functions.get_payment.receipt import json_receipt
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
    if "payment_id" not in call.parameters:
        return Answer(200, payments.payments(database, read_payment_query(call.query)))
    payment_id = read_payment_id(call.parameters["payment_id"])
    if call.path.endswith("/refunds"):
        return Answer(200, payments.refunds(database, payment_id, read_page(call.query)))
    if call.path.endswith("/events"):
        return Answer(200, payments.events(database, payment_id, read_page(call.query)))
    refuse_parameters(call.query)
    if not call.path.endswith("/receipt"):
        return Answer(200, payments.payment(database, payment_id))
    receipt = payments.receipt(database, payment_id)
    vary = {"Vary": "Accept"}
    if call.prefers(JSON, "text/html") == "text/html":
        from functions.get_payment.receipt_page import html_receipt  # few ask for it: no start waits for its template

        return html_receipt(receipt, vary)
    return Answer(200, json_receipt(receipt), headers=vary)
