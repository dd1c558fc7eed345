"""POST /, a CloudEvent that a Broker could not deliver: count a refusal, and set aside what is refused for good."""

import functions_framework

from shared.events.dead_letters import take
from shared.platform.database import Database
from shared.platform.settings import read_settings
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door

settings = read_settings()
database = Database(settings)


@functions_framework.http
@door("dead_letters", settings, database, limited=False)
def dead_letters(call: Call) -> Answer:
    return take(database, call.headers, call.body())
