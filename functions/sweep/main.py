"""POST /, a CloudEvent from a clock: settle what was abandoned, deliver what was left, delete what is over."""

import functions_framework

from shared.charging.processor import Processor
from shared.charging.sweep import sweep as sweep_once
from shared.events.publisher import Publisher
from shared.gateways.registry import chosen_gateway
from shared.platform.database import Database
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door

database = Database()
processor = Processor(database, chosen_gateway(), Publisher(database))


@functions_framework.http
@door("sweep", limited=False)
def sweep(call: Call) -> Answer:
    sweep_once(processor)
    return Answer(204)
