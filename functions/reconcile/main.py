"""POST /, a CloudEvent from a clock: compare what the gateways moved yesterday with the books, as far as one call comes."""

import time

import functions_framework

from shared.charging.dependencies import Dependencies
from shared.platform.settings import read_settings
from shared.reconciling.due import reconcile_due
from shared.web.answers import PLAIN, Answer
from shared.web.call import Call
from shared.web.door import door

# Seconds after which no other page is begun: whoever calls waits for less than a minute.
LONGEST = 40.0

settings = read_settings()
deps = Dependencies.of(settings)


@functions_framework.http
@door("reconcile", settings, deps.database, limited=False)
def reconcile(call: Call) -> Answer:
    if reconcile_due(deps, time.monotonic() + LONGEST):
        return Answer(204)
    return Answer(503, "not done yet: the next call goes on", PLAIN, {"Retry-After": "60"})
