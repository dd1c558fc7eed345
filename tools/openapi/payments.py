"""The operations on payments and refunds."""

from typing import Any

from shared.rules.identifiers import GREATEST_ID
from shared.rules.states import METHODS, STATUSES
from tools.openapi import examples
from tools.openapi.answers import MONEY, answer, for_whom, json_of, text_of
from tools.openapi.headers import LIMITED, headers
from tools.openapi.links import OF_A_CHARGED, OF_A_LIST, OF_A_PENDING, OF_A_REFUND
from tools.openapi.parameters import CURSOR, KEY, LIMIT, OF_ANY, PAYMENT_ID
from tools.openapi.problems import problems

Json = dict[str, Any]

_ONE = "/payments/{payment_id}"
_REPLAYED = {"Idempotent-Replayed": "Replayed"}
_PENDING = "The gateway's word is not known yet: the same request, with its key, asks again."
_HTML = "text/html"


def paths() -> Json:
    """What clients do with payments, by path and method."""
    return {
        "/payments": {"get": _list_payments(), "post": _create_payment()},
        _ONE: {"parameters": [PAYMENT_ID], "get": _get_payment()},
        f"{_ONE}/refunds": {"parameters": [PAYMENT_ID], "get": _list_refunds(), "post": _create_refund()},
        f"{_ONE}/events": {"parameters": [PAYMENT_ID], "get": _list_events()},
        f"{_ONE}/receipt": {"parameters": [PAYMENT_ID], "get": _get_receipt()},
    }


def _create_payment() -> Json:
    located = {"Location": "Location"}
    charged = {"charged": examples.PAYMENT, "fare": examples.FARE_PAYMENT}
    pending = {"pending": examples.PENDING_PAYMENT, "waiting": examples.WAITING_PAYMENT}
    codes = (
        "payment_declined",
        "unsupported_media_type",
        "idempotency_in_progress",
        "trip_already_paid",
        "idempotency_key_reused",
        "trip_not_found",
        "trip_not_completed",
        "trip_not_chargeable",
        "method_not_supported",
        "trip_service_unavailable",
        "database_unavailable",
    )
    return {
        "operationId": "create_payment",
        "tags": ["payments"],
        "summary": "Charge a completed trip",
        "description": (
            "Charges once, whatever dies in between and however often the request is repeated with its key. Without `amount`"
            " the trip's fare is computed, and collected once for a trip, whatever the key. A charge that needs its customer is"
            " declined, but where `customer_present` is true: then it waits. Wants `payments:write`."
        ),
        **for_whom("payments:write"),
        "parameters": [KEY, *OF_ANY],
        "requestBody": {"required": True, "content": json_of("PaymentRequest", examples.PAYMENT_REQUESTS)},
        "responses": {
            "201": answer(
                "Charged.", json_of("Payment", charged), MONEY, located, _REPLAYED, LIMITED, links=OF_A_CHARGED
            ),
            "202": answer(
                f"{_PENDING} Where it has `next_action`, the gateway waits for the customer.",
                json_of("CurrentPayment", pending),
                MONEY,
                located,
                {"Retry-After": "RetryAfter"},
                LIMITED,
                links=OF_A_PENDING,
            ),
            **problems("/payments", *codes, limited=True, permission="payments:write"),
        },
    }


def _create_refund() -> Json:
    codes = (
        "refund_declined",
        "unsupported_media_type",
        "payment_not_found",
        "idempotency_in_progress",
        "payment_not_refundable",
        "idempotency_key_reused",
        "refund_exceeds_payment",
        "database_unavailable",
    )
    refunded, pending = {"refunded": examples.REFUND}, {"pending": examples.PENDING_REFUND}
    return {
        "operationId": "create_refund",
        "tags": ["refunds"],
        "summary": "Give back all or part of a payment",
        "description": (
            "The sum of a payment's refunds never exceeds it, however many are asked for at once. Without `amount`, and without"
            " a body, all that is left is given back. Wants `refunds:write`."
        ),
        **for_whom("refunds:write"),
        "parameters": [KEY, *OF_ANY],
        "requestBody": {"required": False, "content": json_of("RefundRequest", examples.REFUND_REQUESTS)},
        "responses": {
            "201": answer("Given back.", json_of("Refund", refunded), MONEY, _REPLAYED, LIMITED, links=OF_A_REFUND),
            "202": answer(
                _PENDING,
                json_of("Refund", pending),
                MONEY,
                {"Retry-After": "RetryAfter"},
                LIMITED,
                links=OF_A_REFUND,
            ),
            **problems(f"{_ONE}/refunds", *codes, limited=True, permission="refunds:write"),
        },
    }


def _list_payments() -> Json:
    time = {"type": "string", "format": "date-time"}
    return _reading(
        "list_payments",
        "payments",
        "Payments, newest first",
        "Page by page: `cursor` is the `next_cursor` of the page before, and stays right while payments are being added.",
        "/payments",
        parameters=[
            _filter("trip_id", {"type": "integer", "minimum": 1, "maximum": GREATEST_ID}, 101),
            _filter("status", {"type": "string", "enum": list(STATUSES)}, "SUCCESS"),
            _filter("method", {"type": "string", "enum": list(METHODS)}, "CARD"),
            _filter("from", time, "2026-11-01T00:00:00Z", description="Included."),
            _filter("to", time, "2026-12-01T00:00:00Z", description="Excluded."),
            LIMIT,
            CURSOR,
        ],
        page=("PaymentList", {"page": examples.PAYMENTS}),
        links=OF_A_LIST,
    )


def _filter(name: str, schema: Json, example: object, **more: str) -> Json:
    # An example in the schema: a page fills a form with one that stands beside it.
    return {"name": name, "in": "query", **more, "schema": {**schema, "examples": [example]}}


def _get_payment() -> Json:
    shown = {"payment": examples.PAYMENT, "waiting": examples.WAITING_PAYMENT}
    links = {name: link for name, link in OF_A_CHARGED.items() if name != "get_payment"}
    page = ("CurrentPayment", shown)
    return _reading("get_payment", "payments", "One payment", "As it is now.", _ONE, page=page, links=links)


def _list_refunds() -> Json:
    return _reading(
        "list_refunds",
        "refunds",
        "The refunds of a payment, newest first",
        "Page by page, as payments are.",
        f"{_ONE}/refunds",
        parameters=[LIMIT, CURSOR],
        page=("RefundList", {"page": examples.REFUNDS}),
    )


def _list_events() -> Json:
    return _reading(
        "list_events",
        "payments",
        "What happened to a payment's money, newest first",
        "Every change of money, with who caused it, when, what it was, and the correlation id of the request. Page by page.",
        f"{_ONE}/events",
        parameters=[LIMIT, CURSOR],
        page=("EventList", {"page": examples.EVENTS}),
    )


def _get_receipt() -> Json:
    described = _reading(
        "get_receipt",
        "payments",
        "The receipt of a charged payment",
        "JSON; a page to print for `Accept: text/html`; a file for `Accept: application/pdf`.",
        f"{_ONE}/receipt",
        "receipt_not_found",
        page=("Receipt", {"receipt": examples.RECEIPT}),
    )
    found = described["responses"]["200"]
    policies = {"Content-Security-Policy": "PageContentSecurityPolicy", "Referrer-Policy": "ReferrerPolicy"}
    policies["Content-Disposition"] = "ReceiptDisposition"
    found["headers"] |= headers({"Vary": "Vary", **policies})
    found["content"] |= text_of(_HTML, examples.RECEIPT_PAGE)
    file = {"schema": {"type": "string", "contentMediaType": "application/pdf"}, "example": examples.RECEIPT_FILE}
    found["content"]["application/pdf"] = file
    return described


def _reading(
    name: str,
    tag: str,
    summary: str,
    description: str,
    path: str,
    *codes: str,
    page: tuple[str, Json],
    parameters: list[Json] | None = None,
    links: Json | None = None,
) -> Json:
    """An operation that reads. `page`: the schema of its answer, and examples; `codes`: what it refuses beside the usual."""
    of_one = () if path == "/payments" else ("payment_not_found",)
    found = answer("Found.", json_of(*page), MONEY, LIMITED, links=links)
    refused = problems(path, *of_one, *codes, "database_unavailable", limited=True, permission="payments:read")
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "description": f"{description} Wants `payments:read`.",
        **for_whom("payments:read"),
        "parameters": [*(parameters or []), *OF_ANY],
        "responses": {"200": found, **refused},
    }
