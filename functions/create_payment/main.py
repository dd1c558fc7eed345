"""POST /payments: charge a completed trip."""

import functions_framework

from shared.charging.charge import charge
from shared.charging.dependencies import Dependencies
from shared.platform.settings import read_settings
from shared.pricing.price import Pricing
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door
from shared.web.requests import read_payment

settings = read_settings()
deps = Dependencies.of(settings)
pricing = Pricing(settings)


@functions_framework.http
@door("create_payment", settings, deps.database)
def create_payment(call: Call) -> Answer:
    key, request = call.keyed(call.json_object(), read_payment)
    return charge(deps, pricing, request, key, call.origin)
