"""GET /payments, /payments/{payment_id}, its refunds and its receipt."""

import functions_framework

from functions.get_payment.receipt import html_receipt, json_receipt
from shared import report
from shared.answer import JSON, Answer
from shared.database import Database
from shared.door import Call, door
from shared.query import read_page, read_payment_query, refuse_parameters

database = Database()


@functions_framework.http
@door("get_payment")
def get_payment(call: Call) -> Answer:
    if "payment_id" not in call.parameters:
        return Answer(200, report.payments(database, read_payment_query(call.query)))
    payment_id = report.read_payment_id(call.parameters["payment_id"])
    if call.path.endswith("/refunds"):
        return Answer(200, report.refunds(database, payment_id, read_page(call.query)))
    refuse_parameters(call.query)
    if not call.path.endswith("/receipt"):
        return Answer(200, report.payment(database, payment_id))
    receipt = report.receipt(database, payment_id)
    vary = {"Vary": "Accept"}
    if call.prefers(JSON, "text/html") == "text/html":
        return Answer(200, html_receipt(receipt), "text/html; charset=utf-8", vary)
    return Answer(200, json_receipt(receipt), headers=vary)
