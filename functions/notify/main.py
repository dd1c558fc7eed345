"""POST /, a CloudEvent about a payment: tell the Notification Service."""

import functions_framework

from shared.events.notifications import notify as tell
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door


@functions_framework.http
@door("notify", limited=False)
def notify(call: Call) -> Answer:
    return tell(call.headers, call.body())
