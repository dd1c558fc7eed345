"""POST /, a CloudEvent from a clock: settle what was abandoned, deliver what was left, delete what is over."""

import functions_framework

from shared.charging.dependencies import Dependencies
from shared.platform.settings import read_settings
from shared.sweeping.sweep import sweep as sweep_once
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door

settings = read_settings()
deps = Dependencies.of(settings)


@functions_framework.http
@door("sweep", settings, deps.database, limited=False)
def sweep(call: Call) -> Answer:
    sweep_once(deps)
    return Answer(204)
