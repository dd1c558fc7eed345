"""POST /payments/{payment_id}/refunds: give back all or part of a payment."""

import functions_framework

from shared.answer import Answer
from shared.database import Database
from shared.door import Call, door
from shared.gateway import chosen_gateway
from shared.known import Ledger
from shared.models import read_refund
from shared.publisher import Publisher
from shared.refund import refund
from shared.report import read_payment_id

database = Database()
ledger = Ledger(database, chosen_gateway(), Publisher(database))


@functions_framework.http
@door("create_refund")
def create_refund(call: Call) -> Answer:
    payment_id = read_payment_id(call.parameters["payment_id"])
    key, request = call.keyed(call.json_object(may_be_empty=True), read_refund)
    return refund(ledger, payment_id, request, key, call.trace)
