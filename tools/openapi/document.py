"""The OpenAPI document, made from the models that validate the requests. `python -m tools.openapi.document` writes the
file that the health function serves."""

import json
from pathlib import Path
from typing import Any

from shared import VERSION
from shared.rules.states import METHODS, STATUSES
from shared.web.models import PaymentRequest, RefundRequest
from shared.web.problems import TITLES
from tools.openapi.parameters import CORRELATION, CURSOR, HEADERS, KEY, LIMIT, PAYMENT_ID
from tools.openapi.schemas import SCHEMAS

FILE = Path(__file__).parents[2] / "functions" / "health" / "openapi.json"

Json = dict[str, Any]

# What the front door answers itself, with any request (listener.yaml beside its routes).
FRONT_DOOR = {
    "bad_gateway",
    "gateway_timeout",
    "request_headers_too_large",
    "request_timeout",
    "service_unavailable",
    "uri_too_long",
}
_REFUSED_REQUEST = ["invalid_request", "payload_too_large", "unsupported_media_type"]
_EVERYWHERE = ["rate_limited", "internal_error", "database_unavailable"]


def document() -> Json:
    """The OpenAPI 3.1 document of the whole service."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Payment Service",
            "version": VERSION,
            "description": (
                "Charges completed trips exactly once. Repeat a request, with its Idempotency-Key, whenever no answer came"
                " or the answer carries Retry-After: nothing is ever charged twice. Every path has the same meaning with"
                " the prefix /v1. Every error is an application/problem+json document with a stable `code`."
            ),
        },
        "servers": [{"url": "/"}, {"url": "/v1"}],
        "paths": {
            "/payments": {"get": _list_payments(), "post": _create_payment()},
            "/payments/{payment_id}": {"parameters": [PAYMENT_ID], "get": _get_payment()},
            "/payments/{payment_id}/refunds": {
                "parameters": [PAYMENT_ID],
                "get": _list_refunds(),
                "post": _create_refund(),
            },
            "/payments/{payment_id}/receipt": {"parameters": [PAYMENT_ID], "get": _get_receipt()},
            "/payments/{payment_id}/events": {"parameters": [PAYMENT_ID], "get": _list_events()},
            "/health": {"get": _health()},
            "/metrics": {"get": _metrics()},
            "/metrics/prometheus": {"get": _prometheus()},
            "/": {"get": _plain("index", "What this is, and which endpoints there are", "Index")},
            "/openapi.json": {"get": _plain("openapi", "This document", None)},
        },
        "components": {"schemas": _schemas(), "headers": HEADERS},
    }


def _schemas() -> Json:
    models: Json = {}
    for model in (PaymentRequest, RefundRequest):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        models |= schema.pop("$defs", {})
        models[model.__name__] = schema
    problem = dict(SCHEMAS["Problem"])
    problem["properties"] = problem["properties"] | {"code": {"enum": sorted(TITLES.keys() | FRONT_DOOR)}}
    return models | SCHEMAS | {"Problem": problem}


def _create_payment() -> Json:
    created = {"Location": {"$ref": "#/components/headers/Location"}, "Idempotent-Replayed": _replayed()}
    return {
        "operationId": "create_payment",
        "summary": "Charge a completed trip",
        "parameters": [KEY, CORRELATION],
        "requestBody": {"required": True, "content": _json("PaymentRequest")},
        "responses": {
            "201": {"description": "Charged.", "headers": created, "content": _json("Payment")},
            "202": {
                "description": "The gateway's word is not known yet; the same key asks again.",
                "headers": {"Retry-After": _retry(), "Location": created["Location"]},
                "content": _json("Payment"),
            },
            "402": _problem("payment_declined", schema="DeclinedPayment"),
            **_problems(
                *_REFUSED_REQUEST,
                "idempotency_in_progress",
                "trip_already_paid",
                "idempotency_key_reused",
                "trip_not_found",
                "trip_not_completed",
                "trip_not_chargeable",
                "method_not_supported",
                "trip_service_unavailable",
                *_EVERYWHERE,
            ),
        },
    }


def _create_refund() -> Json:
    return {
        "operationId": "create_refund",
        "summary": "Give back all or part of a payment",
        "parameters": [KEY, CORRELATION],
        "requestBody": {"required": False, "content": _json("RefundRequest")},
        "responses": {
            "201": {
                "description": "Given back.",
                "headers": {"Idempotent-Replayed": _replayed()},
                "content": _json("Refund"),
            },
            "202": {
                "description": "The gateway's word is not known yet; the same key asks again.",
                "headers": {"Retry-After": _retry()},
                "content": _json("Refund"),
            },
            "402": _problem("refund_declined", schema="DeclinedRefund"),
            **_problems(
                *_REFUSED_REQUEST,
                "payment_not_found",
                "idempotency_in_progress",
                "payment_not_refundable",
                "idempotency_key_reused",
                "refund_exceeds_payment",
                *_EVERYWHERE,
            ),
        },
    }


def _list_payments() -> Json:
    time = {"type": "string", "format": "date-time"}
    return {
        "operationId": "list_payments",
        "summary": "Payments, newest first",
        "parameters": [
            {"name": "trip_id", "in": "query", "schema": {"type": "integer", "minimum": 1}},
            {"name": "status", "in": "query", "schema": {"enum": list(STATUSES)}},
            {"name": "method", "in": "query", "schema": {"enum": list(METHODS)}},
            {"name": "from", "in": "query", "description": "Included.", "schema": time},
            {"name": "to", "in": "query", "description": "Excluded.", "schema": time},
            LIMIT,
            CURSOR,
            CORRELATION,
        ],
        "responses": {
            "200": {"description": "A page.", "content": _json("PaymentList")},
            **_problems("invalid_request", *_EVERYWHERE),
        },
    }


def _get_payment() -> Json:
    return {
        "operationId": "get_payment",
        "summary": "One payment",
        "parameters": [CORRELATION],
        "responses": {
            "200": {"description": "The payment.", "content": _json("Payment")},
            **_problems("invalid_request", "payment_not_found", *_EVERYWHERE),
        },
    }


def _list_refunds() -> Json:
    return {
        "operationId": "list_refunds",
        "summary": "The refunds of a payment, newest first",
        "parameters": [LIMIT, CURSOR, CORRELATION],
        "responses": {
            "200": {"description": "A page.", "content": _json("RefundList")},
            **_problems("invalid_request", "payment_not_found", *_EVERYWHERE),
        },
    }


def _list_events() -> Json:
    return {
        "operationId": "list_events",
        "summary": "What happened to a payment's money, who caused it and when, newest first",
        "parameters": [LIMIT, CURSOR, CORRELATION],
        "responses": {
            "200": {"description": "A page.", "content": _json("EventList")},
            **_problems("invalid_request", "payment_not_found", *_EVERYWHERE),
        },
    }


def _get_receipt() -> Json:
    return {
        "operationId": "get_receipt",
        "summary": "The receipt of a charged payment: JSON, or a page to print for Accept: text/html",
        "parameters": [CORRELATION],
        "responses": {
            "200": {
                "description": "The receipt.",
                "content": _json("Receipt") | {"text/html": {"schema": {"type": "string"}}},
            },
            **_problems("invalid_request", "payment_not_found", "receipt_not_found", *_EVERYWHERE),
        },
    }


def _health() -> Json:
    return {
        "operationId": "health",
        "summary": "Is the service able to take payments",
        "responses": {
            "200": {"description": "UP.", "content": _json("Health")},
            "503": {"description": "DOWN: the database does not answer.", "content": _json("Health")},
        },
    }


def _metrics() -> Json:
    prometheus = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "operationId": "metrics",
        "summary": "Totals as JSON, or as Prometheus text where Accept asks for it",
        "responses": {
            "200": {"description": "The totals.", "content": _json("Metrics") | prometheus},
            **_problems("internal_error", "database_unavailable"),
        },
    }


def _prometheus() -> Json:
    return {
        "operationId": "metrics_prometheus",
        "summary": "Totals as Prometheus text, version 0.0.4",
        "responses": {
            "200": {"description": "The totals.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            **_problems("internal_error", "database_unavailable"),
        },
    }


def _plain(operation_id: str, summary: str, schema: str | None) -> Json:
    content = _json(schema) if schema else {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": operation_id,
        "summary": summary,
        "responses": {"200": {"description": summary + ".", "content": content}},
    }


def _json(schema: str) -> Json:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


def _problems(*codes: str) -> Json:
    """The answers for these codes, by status, one for each status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(TITLES[code][0], []).append(code)
    return {str(status): _problem(*by_status[status]) for status in sorted(by_status)}


def _problem(*codes: str, schema: str = "Problem") -> Json:
    described = "; ".join(f"`{code}`: {TITLES[code][1]}" for code in codes)
    response: Json = {
        "description": described + ".",
        "content": {"application/problem+json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
    if any(code in ("idempotency_in_progress", "rate_limited") or TITLES[code][0] == 503 for code in codes):
        response["headers"] = {"Retry-After": _retry()}
    return response


def _retry() -> Json:
    return {"$ref": "#/components/headers/RetryAfter"}


def _replayed() -> Json:
    return {"$ref": "#/components/headers/Replayed"}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
