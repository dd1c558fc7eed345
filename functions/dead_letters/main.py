"""POST /, a CloudEvent that a Broker could not deliver: count a refusal, and set aside what is refused for good."""

import functions_framework

from shared.answer import Answer
from shared.database import Database
from shared.dead_letters import take
from shared.door import Call, door

database = Database()


@functions_framework.http
@door("dead_letters", limited=False)
def dead_letters(call: Call) -> Answer:
    return take(database, call.headers, call.body())
