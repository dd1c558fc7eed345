"""POST /payments/{payment_id}/refunds: give back all or part of a payment."""

import functions_framework

from shared.charging.dependencies import Dependencies
from shared.charging.refund import refund
from shared.platform.settings import read_settings
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door
from shared.web.requests import read_refund
from shared.web.routes import read_payment_id

settings = read_settings()
deps = Dependencies.of(settings)


@functions_framework.http
@door("create_refund", settings, deps.database)
def create_refund(call: Call) -> Answer:
    payment_id = read_payment_id(call.parameters["payment_id"])
    key, request = call.keyed(call.json_object(may_be_empty=True), read_refund)
    return refund(deps, payment_id, request, key, call.origin)
