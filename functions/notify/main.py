"""POST /, a CloudEvent about a payment: tell the Notification Service."""

import functions_framework

from shared.answer import Answer
from shared.door import Call, door
from shared.notifications import notify as tell


@functions_framework.http
@door("notify", limited=False)
def notify(call: Call) -> Answer:
    return tell(call.headers, call.body())
