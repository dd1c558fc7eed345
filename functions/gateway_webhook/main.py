"""POST /webhooks/{gateway}: what a gateway says by itself is kept, and what it is about read and followed."""

import functions_framework

from shared.charging.dependencies import Dependencies
from shared.late.webhook import take
from shared.platform.settings import read_settings
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door

settings = read_settings()
deps = Dependencies.of(settings)


@functions_framework.http
@door("gateway_webhook", settings, deps.database, rate=settings.webhook_rate_limit)
def gateway_webhook(call: Call) -> Answer:
    return take(deps, call.parameters["gateway"], call.headers, call.body())
