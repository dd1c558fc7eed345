"""GET /metrics and /metrics/prometheus: totals of the business, and what whoever is on call watches."""

import functions_framework

from functions.metrics.totals import json_totals
from shared.platform.database import Database
from shared.platform.settings import read_settings
from shared.reading.cold_starts import read_cold_starts
from shared.reading.totals import read_totals
from shared.web.answers import JSON, Answer
from shared.web.call import Call
from shared.web.door import door

settings = read_settings()
database = Database(settings)


@functions_framework.http
@door("metrics", settings, database, limited=False)
def metrics(call: Call) -> Answer:
    totals = read_totals(database, settings.currency)
    wanted = call.prefers(JSON, "text/plain", "application/openmetrics-text")
    headers = {"Vary": "Accept"}
    if call.path == "/metrics/prometheus" or wanted != JSON:
        from functions.metrics.prometheus import PROMETHEUS, prometheus_text  # a library that JSON does without

        return Answer(200, prometheus_text(totals, read_cold_starts(database)), PROMETHEUS, headers)
    return Answer(200, json_totals(totals), headers=headers)
