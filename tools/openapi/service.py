"""The operations that tell of the service itself."""

from typing import Any

from shared import VERSION
from tools.openapi import examples
from tools.openapi.answers import MONEY, answer, for_everybody, for_whom, json_of, text_of
from tools.openapi.headers import ALWAYS, LIMITED, headers
from tools.openapi.parameters import GATEWAY, OF_ANY, SIGNATURE
from tools.openapi.problems import problems

Json = dict[str, Any]

_VARY = {"Vary": "Vary"}
_PLAIN, _OPENMETRICS = "text/plain", "application/openmetrics-text"


def paths(endpoints: list[str]) -> Json:
    """Health, totals, descriptions and what gateways ring at, by path and method. `endpoints`: what the index names."""
    return {
        "/webhooks/{gateway}": {"parameters": [GATEWAY], "post": _webhook()},
        "/health": {"get": _health()},
        "/metrics": {"get": _metrics()},
        "/metrics/prometheus": {"get": _prometheus()},
        "/": {"get": _index(endpoints)},
        "/openapi.json": {"get": _openapi()},
        "/docs": {"get": _docs()},
    }


def _health() -> Json:
    down = problems("/health")
    described = "The database does not answer: a report, no problem. Or `service_unavailable`: no function answers."
    report = answer(described, json_of("Health", {"down": examples.DOWN}) | down["503"]["content"])
    report["headers"]["Retry-After"] = {"$ref": "#/components/headers/MaybeRetryAfter"}
    return {
        "operationId": "health",
        "tags": ["service"],
        "summary": "Is the service able to take payments",
        "description": "Says so within 2 seconds.",
        **for_everybody(),
        "parameters": [*OF_ANY],
        "responses": {
            "200": answer("Payments are taken.", json_of("Health", {"up": examples.UP}), MONEY),
            **down,
            "503": report,
        },
    }


def _metrics() -> Json:
    totals = json_of("Metrics", {"totals": examples.METRICS}) | text_of(_PLAIN, examples.PROMETHEUS)
    totals |= text_of(_OPENMETRICS, examples.OPENMETRICS)
    return {
        "operationId": "metrics",
        "tags": ["totals"],
        "summary": "The totals of the business",
        "description": (
            "As JSON, or as Prometheus text or OpenMetrics where `Accept` asks for it. Always what the books say, to the last"
            " commit."
            " Wants `metrics:read`."
        ),
        **for_whom("metrics:read"),
        "parameters": [*OF_ANY],
        "responses": {
            "200": answer("The totals.", totals, MONEY, _VARY),
            **problems("/metrics", "database_unavailable", permission="metrics:read"),
        },
    }


def _prometheus() -> Json:
    return {
        "operationId": "metrics_prometheus",
        "tags": ["totals"],
        "summary": "The totals for Prometheus",
        "description": (
            "The text format, version 0.0.4, whatever `Accept` says, with what whoever is on call watches."
            " Wants `metrics:read`."
        ),
        **for_whom("metrics:read"),
        "parameters": [*OF_ANY],
        "responses": {
            "200": answer("The totals.", text_of(_PLAIN, examples.PROMETHEUS), MONEY, _VARY),
            **problems("/metrics/prometheus", "database_unavailable", permission="metrics:read"),
        },
    }


def _webhook() -> Json:
    codes = ("invalid_signature", "not_found", "unsupported_media_type", "database_unavailable")
    return {
        "operationId": "gateway_webhook",
        "tags": ["service"],
        "summary": "A gateway says that something happened",
        "description": (
            "For gateways alone: the signature of the body is the authentication. What an event says is not taken for true:"
            " what it is about is read from the gateway, and the books follow that. So it may come late, twice, or never."
        ),
        **for_everybody(),
        "parameters": [SIGNATURE, *OF_ANY],
        "requestBody": {"required": True, "content": json_of("GatewayEvent", examples.GATEWAY_EVENTS)},
        "responses": {
            "204": {
                "description": "What it leads to is in the books, or will be.",
                "headers": headers(ALWAYS, {"Cache-Control": "NotStored"}, LIMITED),
            },
            **problems("/webhooks/stripe", *codes, limited=True),
        },
    }


def _index(endpoints: list[str]) -> Json:
    index = {
        "service": "payment-service",
        "version": VERSION,
        "description": "Charges completed trips exactly once.",
        "documentation": "/openapi.json",
        "console": "/console",
        "endpoints": endpoints,
    }
    return _open("index", "What this is, and which endpoints there are", "/", json_of("Index", {"index": index}), MONEY)


def _openapi() -> Json:
    short = {"openapi": "3.1.0", "info": {"title": "Payment Service", "version": VERSION}, "paths": {}}
    document = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenApi"}, "example": short}}
    return _open("openapi", "This document", "/openapi.json", document, {"Cache-Control": "Cached"})


def _docs() -> Json:
    page = text_of("text/html", "<!doctype html>\n<title>Payment Service: the API</title>\n")
    policies = {"Content-Security-Policy": "ContentSecurityPolicy", "Referrer-Policy": "ReferrerPolicy"}
    named = {"Cache-Control": "Cached", **policies}
    return _open("docs", "This document, as a page to read and to try", "/docs", page, named)


def _open(name: str, summary: str, path: str, content: Json, named: dict[str, str]) -> Json:
    return {
        "operationId": name,
        "tags": ["service"],
        "summary": summary,
        **for_everybody(),
        "parameters": [*OF_ANY],
        "responses": {"200": answer(f"{summary}.", content, named), **problems(path)},
    }
