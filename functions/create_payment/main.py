"""POST /payments: charge a completed trip."""

import functions_framework

from shared.charging.charge import charge
from shared.charging.processor import Processor
from shared.events.publisher import Publisher
from shared.gateways.registry import chosen_gateway
from shared.platform.database import Database
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door
from shared.web.models import read_payment

database = Database()
processor = Processor(database, chosen_gateway(), Publisher(database))


@functions_framework.http
@door("create_payment")
def create_payment(call: Call) -> Answer:
    key, request = call.keyed(call.json_object(), read_payment)
    return charge(processor, request, key, call.trace)
