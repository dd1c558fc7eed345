"""POST /payments: charge a completed trip."""

import functions_framework

from shared.answer import Answer
from shared.charge import charge
from shared.database import Database
from shared.door import Call, door
from shared.gateway import chosen_gateway
from shared.known import Ledger
from shared.models import read_payment
from shared.publisher import Publisher

database = Database()
ledger = Ledger(database, chosen_gateway(), Publisher(database))


@functions_framework.http
@door("create_payment")
def create_payment(call: Call) -> Answer:
    key, request = call.keyed(call.json_object(), read_payment)
    return charge(ledger, request, key, call.trace)
