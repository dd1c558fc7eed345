"""POST /, a CloudEvent that says a trip is completed: charge its fare, once however often the event comes."""

import functions_framework

from shared.charging.dependencies import Dependencies
from shared.charging.trip_completed import charge_completed_trip
from shared.platform.log import log
from shared.platform.settings import read_settings
from shared.pricing.price import Pricing
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door

settings = read_settings()
deps = Dependencies.of(settings)
pricing = Pricing(settings)
if settings.auth_issuers and not settings.auth_events:
    log.warning("charges for whoever reaches it: AUTH_EVENTS is not set", extra={"function": "charge_trip"})


@functions_framework.http
@door("charge_trip", settings, deps.database, limited=False)
def charge_trip(call: Call) -> Answer:
    return charge_completed_trip(deps, pricing, call.headers, call.body(), call.origin)
