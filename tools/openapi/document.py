"""The OpenAPI document, made from the models that validate the requests. `python -m tools.openapi.document` writes the
file that the health function serves."""

import json
from pathlib import Path
from typing import Any

from shared import VERSION
from shared.web.models import PaymentRequest, RefundRequest
from shared.web.routes import endpoints
from tools.openapi import ledger, payments, service
from tools.openapi.headers import HEADERS
from tools.openapi.problems import ALL, components
from tools.openapi.schemas import SCHEMAS

FILE = Path(__file__).parents[2] / "functions" / "health" / "openapi.json"

Json = dict[str, Any]

_DESCRIPTION = """\
Repeat a request, with its `Idempotency-Key`, whenever no answer came or the answer carries `Retry-After`: nothing is ever
charged twice.

Every path has the same meaning with the prefix `/v1`, and with a slash at its end. HEAD is answered wherever GET is; another
method is 405 with `Allow`, and a path that is not here 404. Every error is an `application/problem+json` document (RFC 9457)
with a stable `code`. JSON numbers of money have two decimals, and are exact.

**Who may ask.** Where the service is told whose tokens it takes, each operation wants a bearer token that permits it, or
answers 401 or 403; the permission is named in its description. A service that is told nothing is open to whoever reaches it:
this document describes both, so security is optional in it.

**Cells.** The service may be several cells, such as a city each, which share nothing but a front door. It finds the cell of a
path with an id by the id: ids of cell n are from n·2^40 + 1 to (n + 1)·2^40 - 1, and none is above 2^53 - 1. For `POST
/payments`, and to list, a caller says which by `Payment-Cell`, by the host's name or by the prefix `/cells/{name}`; and sends
each request of a trip, repeats above all, to the trip's cell: idempotency keys and fares collected are known to their cell
alone. A cell refuses what names another, and trips that the Trip Service says are another's, with 421 `wrong_cell`.
"""
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": (
        "A JSON Web Token of an issuer that the service takes, signed with RS256, PS256, ES256 or EdDSA. What it permits is in"
        " its `scope`, or is set for its subject: `payments:write`, `refunds:write`, `payments:read`, `metrics:read`."
    ),
}
_TAGS = [
    {"name": "payments", "description": "Charges, and what became of them."},
    {"name": "refunds", "description": "What is given back."},
    {"name": "ledger", "description": "The books by double entry, and what is owed to drivers."},
    {"name": "totals", "description": "What the business and whoever is on call look at."},
    {"name": "service", "description": "The service itself. Open to everybody."},
]


def document() -> Json:
    """The OpenAPI 3.1 document of the whole service."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Payment Service",
            "version": VERSION,
            "summary": "Charges completed trips exactly once.",
            "description": _DESCRIPTION,
        },
        "servers": [{"url": "/"}, {"url": "/v1", "description": "The same"}],
        "tags": _TAGS,
        "paths": payments.paths() | ledger.paths() | service.paths(endpoints()),
        "components": {
            "schemas": _schemas(),
            "headers": HEADERS,
            "securitySchemes": {"bearer": _BEARER},
            "responses": components(),
        },
    }


def _schemas() -> Json:
    models: Json = {}
    for model in (PaymentRequest, RefundRequest):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        models |= schema.pop("$defs", {})
        models[model.__name__] = schema
    problem = dict(SCHEMAS["Problem"])
    problem["properties"] = problem["properties"] | {"code": {"enum": sorted(ALL)}}
    return models | SCHEMAS | {"Problem": problem}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
