"""GET /health, /, /openapi.json and /docs, and the answer for every address that no function has."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import functions_framework

from shared import VERSION
from shared.platform import json_text
from shared.platform.database import HEALTH_WITHIN, Database
from shared.platform.settings import read_settings
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door
from shared.web.routes import endpoints

settings = read_settings()
database = Database(settings)


@functions_framework.http
@door("health", settings, database, limited=False)
def health(call: Call) -> Answer:
    if call.path == "/":
        return Answer(200, json_text.write(index()))
    if call.path == "/openapi.json":
        return Answer(200, openapi(), headers={"Cache-Control": "public, max-age=300"})
    if call.path.startswith("/docs"):
        from functions.health.docs_page import docs_file, docs_page  # few ask for it: no start waits for what it reads

        return docs_file(call.parameters["file"]) if call.parameters else docs_page(call.slashed)
    return report_health()


def report_health() -> Answer:
    """UP (200) where a database that takes payments answers within 2 seconds, else DOWN (503)."""
    up = database.writable_within(HEALTH_WITHIN)
    state = "UP" if up else "DOWN"
    body = {
        "service": "payment-service",
        "version": VERSION,
        **({"cell": settings.cell_label} if settings.cell_label else {}),
        "status": state,
        "database_status": state,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    return Answer(200 if up else 503, json_text.write(body))


@cache
def openapi() -> str:
    """The OpenAPI document, made at build, as compact as every answer. Few ask for it, so no start waits for it."""
    document = json.loads((Path(__file__).parent / "openapi.json").read_text(encoding="utf-8"))
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def index() -> dict[str, object]:
    """What this is, and which endpoints there are."""
    return {
        "service": "payment-service",
        "version": VERSION,
        "description": "Charges completed trips exactly once.",
        "documentation": "/openapi.json",
        "console": "/console",
        "endpoints": endpoints(),
    }
