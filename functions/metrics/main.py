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

TEXT, OPENMETRICS = "text/plain", "application/openmetrics-text"

settings = read_settings()
database = Database(settings)


@functions_framework.http
@door("metrics", settings, database, limited=False)
def metrics(call: Call) -> Answer:
    totals = read_totals(database, settings.currency)
    plain = call.path == "/metrics/prometheus"
    wanted = TEXT if plain else call.prefers(JSON, TEXT, OPENMETRICS)
    headers = {"Vary": "Accept"}
    if wanted == JSON:
        return Answer(200, json_totals(totals, settings.cell_label), headers=headers)
    from functions.metrics import prometheus  # a library that JSON does without

    starts, cell = read_cold_starts(database), settings.cell_label
    if wanted == OPENMETRICS:
        return Answer(200, prometheus.openmetrics_text(totals, starts, cell), prometheus.OPENMETRICS, headers)
    return Answer(200, prometheus.prometheus_text(totals, starts, cell), prometheus.PROMETHEUS, headers)
