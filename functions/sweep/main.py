"""POST /, a CloudEvent from a clock: settle what was abandoned, deliver what was left, delete what is over."""

import functions_framework

from shared.answer import Answer
from shared.database import Database
from shared.door import Call, door
from shared.gateway import chosen_gateway
from shared.known import Ledger
from shared.publisher import Publisher
from shared.recover import sweep as sweep_once

database = Database()
ledger = Ledger(database, chosen_gateway(), Publisher(database))


@functions_framework.http
@door("sweep", limited=False)
def sweep(call: Call) -> Answer:
    sweep_once(ledger)
    return Answer(204)
