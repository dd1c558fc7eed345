"""What the service answers with, as JSON Schemas for the OpenAPI document."""

from typing import Any, get_args

from shared.gateways.protocol import NextAction
from shared.reading.ledger import ACCOUNTS
from shared.rules.states import DISPUTE_STATUSES, METHODS, REFUND_SOURCES, REFUND_STATUSES, STATUSES
from tools.openapi.parameters import GREATEST_OF_OURS

Json = dict[str, Any]

_ID: Json = {"type": "integer", "minimum": 1, "maximum": GREATEST_OF_OURS}
_TRIP_ID: Json = {"type": "integer", "minimum": 1}
_CELL: Json = {"description": "Which this is, by its name or number; only where there are several.", "type": "string"}
_MONEY: Json = {"type": "number", "minimum": 0}
_TIME: Json = {"type": "string", "format": "date-time"}
_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_OBJECT: Json = {"type": "object"}
# What happens to a payment's money, as sql/statements/payment_events.sql names it.
EVENT_KINDS = (
    "payment.requested",
    "payment.imported",
    "payment.succeeded",
    "payment.failed",
    "payment.settled_by_hand",
    "payment.contradicted",
    "payment.adopted",
    "payment.entered",
    "payment.dispute.opened",
    "payment.dispute.won",
    "payment.dispute.lost",
    "payment.dispute.withdrawn",
    "refund.requested",
    "payment.refunded",
    "payment.given_back",
    "refund.failed",
    "refund.reversed",
    "refund.settled_by_hand",
    "refund.contradicted",
)
_CURRENCY: Json = {"type": "string", "pattern": "^[A-Z]{3}$"}


def _or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: Json, *, optional: tuple[str, ...] = ()) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(name: str) -> Json:
    return _object({"data": {"type": "array", "items": _ref(name)}, "next_cursor": _or_null(_TEXT)})


_PROBLEM = _object(
    {
        "type": {"type": "string", "format": "uri"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "instance": _TEXT,
        "code": _TEXT,
        "correlation_id": _TEXT,
        "errors": {"type": "array", "items": _object({"field": _TEXT, "message": _TEXT})},
        "payment_id": {"description": "With trip_already_paid: the payment that has the fare.", "type": "integer"},
    },
    optional=("errors", "payment_id"),
)

_FIGURES: Json = {
    "payments_by_status": _object(dict.fromkeys(STATUSES, _COUNT)),
    "payments_by_method": _object(dict.fromkeys(METHODS, _COUNT)),
    "average_payment_amount": _MONEY,
    "total_revenue": {"type": "number"},
    "refunds": _object({"count": _COUNT, "amount": _MONEY}),
    "disputes": {
        "description": "The amount is of those that are open or lost.",
        **_object({"count": _COUNT, "amount": _MONEY, "by_status": _object(dict.fromkeys(DISPUTE_STATUSES, _COUNT))}),
    },
}
_OTHER_CURRENCIES: Json = {
    "description": "The same figures of every other currency that the books hold; they are never added up.",
    "type": "object",
    "propertyNames": {"pattern": "^[A-Z]{3}$"},
    "additionalProperties": _object(_FIGURES),
}

_MOVED: Json = {"change": {"type": "number"}, "balance": {"type": "number"}}

SCHEMAS: Json = {
    "Problem": _PROBLEM,
    "Fare": _object(
        {
            "base_fare": _MONEY,
            "distance_km": {"type": "number", "minimum": 0},
            "rate_per_km": _MONEY,
            "surge_multiplier": {"type": "number", "minimum": 0},
            "total": _MONEY,
        }
    ),
    "Payment": _object(
        {
            "payment_id": _ID,
            "trip_id": _TRIP_ID,
            "amount": _MONEY,
            "currency": _CURRENCY,
            "method": {"enum": list(METHODS)},
            "status": {"enum": list(STATUSES)},
            "reference": _TEXT,
            "refunded_amount": _MONEY,
            "failure_code": _or_null(_TEXT),
            "fare": _or_null(_ref("Fare")),
            "metadata": _OBJECT,
            "created_at": _TIME,
            "updated_at": _TIME,
            "driver_id": {"description": "Only where who drove is known.", "type": "string"},
        },
        optional=("driver_id",),
    ),
    "CurrentPayment": {
        "description": "A payment as it is now.",
        "allOf": [_ref("Payment"), _object({"next_action": _ref("NextAction")}, optional=("next_action",))],
    },
    "NextAction": _object(
        {
            "kind": {
                "description": (
                    "What the customer is to do: `confirm` it with the gateway's own client library, by `client_secret`;"
                    " `redirect`: open `url`; `upi`: open `url` in an app for UPI or as a page, or show the code at"
                    " `qr_code_url`."
                ),
                "enum": list(get_args(NextAction.__annotations__["kind"])),
            },
            "expires_at": _TIME | {"description": "Until when; then the charge is called off, and FAILED."},
            "client_secret": {
                "description": "For the gateway's client library. Whoever has it can act in the customer's place.",
                "type": "string",
            },
            "url": {"type": "string", "format": "uri"},
            "qr_code_url": {"type": "string", "format": "uri"},
        },
        optional=("client_secret", "url", "qr_code_url"),
    )
    | {"description": "Only of a PENDING payment that waits for its customer, and only while it does."},
    "Refund": _object(
        {
            "refund_id": _ID,
            "payment_id": _ID,
            "refund_amount": _MONEY,
            "currency": _CURRENCY,
            "status": {
                "description": "REVERSED: it was given back, and came back.",
                "enum": list(REFUND_STATUSES),
            },
            "reason": _or_null(_TEXT),
            "reference": _TEXT,
            "failure_code": _or_null(_TEXT),
            "payment_status": {"enum": list(STATUSES)},
            "remaining_amount": {"description": "What may still be given back: nothing of what is disputed.", **_MONEY},
            "metadata": _OBJECT,
            "created_at": _TIME,
            "source": {
                "description": (
                    "Who asked for it: a client, somebody in the gateway's own pages, or this service, of a charge that was"
                    " paid late."
                ),
                "enum": list(REFUND_SOURCES),
            },
        }
    ),
    "Event": _object(
        {
            "event_id": {"description": "Of an event that the sink is told too: its id there.", "type": "string"},
            "type": {"enum": list(EVENT_KINDS)},
            "time": _TIME,
            "actor": _or_null(
                {
                    "description": (
                        "Who: the caller of the request, as issuer and subject; the operator, of what was settled by hand;"
                        " the function that learned of it, of what the gateway said later; null while the service was open."
                    ),
                    "type": "string",
                }
            ),
            "correlation_id": _or_null(_TEXT),
            "payment_id": _ID,
            "refund_id": _or_null(_ID),
            "amount": _MONEY,
            "currency": _CURRENCY,
            "failure_code": _or_null(_TEXT),
            "reason": _or_null(_TEXT),
            "gateway_said": _or_null(_TEXT),
            "forced": _or_null({"description": "Settled by hand against what the gateway said.", "type": "boolean"}),
        }
    ),
    "PaymentList": _list_of("Payment"),
    "RefundList": _list_of("Refund"),
    "EventList": _list_of("Event"),
    "Balances": _object({"data": {"type": "array", "items": _ref("DayOfAccounts")}, "time_zone": _TEXT}),
    "DayOfAccounts": _object(
        {
            "day": {"type": "string", "format": "date"},
            "currency": _CURRENCY,
            "accounts": {
                "description": (
                    "By how much each account changed on the day, and what it held at its end. A debit is above 0, a credit"
                    " below: changes, and balances, add up to 0."
                ),
                **_object(dict.fromkeys(ACCOUNTS, _ref("Moved"))),
            },
            "gateways": {
                "description": "`gateway_receivable` by gateway; null: of before the ledger, or of nobody who charges.",
                "type": "array",
                "items": _object({"gateway": _or_null(_TEXT), **_MOVED}),
            },
        }
    ),
    "Moved": _object(_MOVED),
    "Owed": _object(
        {
            "driver_id": _TEXT,
            "currency": _CURRENCY,
            "earned": {"description": "The driver's share of what was charged.", "type": "number"},
            "cash_held": {"description": "What the driver was paid in cash.", "type": "number"},
            "owed": {"description": "`earned` less `cash_held`; below 0 the driver owes it.", "type": "number"},
        }
    ),
    "OwedList": _list_of("Owed"),
    "OwedToDriver": _object({"data": {"type": "array", "items": _ref("Owed")}}),
    "DeclinedPayment": {
        "allOf": [_ref("Problem"), _object({"payment": _ref("Payment"), "failure_code": _TEXT})],
    },
    "DeclinedRefund": {
        "allOf": [_ref("Problem"), _object({"refund": _ref("Refund"), "failure_code": _TEXT})],
    },
    "Receipt": _object(
        {
            "receipt_number": _TEXT,
            "amount": _MONEY,
            "currency": _CURRENCY,
            "issued_at": _TIME,
            "payment": _ref("Payment"),
            "lines": {"type": "array", "items": _ref("ReceiptLine"), "description": "They add up to the amount."},
            "taxes": {
                "type": "array",
                "items": _object({"name": _TEXT, "rate": {"type": "number"}, "amount": _MONEY}),
                "description": "What taxes the amount includes; `rate` in per cent of what is left without them.",
            },
            "seller": {"type": "array", "items": _TEXT, "description": "Who sells: lines, the name first."},
            "refunds": {
                "type": "array",
                "items": _ref("ReceiptRefund"),
                "description": "The newest that were given back or are on their way, newest first.",
            },
            "rider": {"type": ["string", "null"], "description": "Null where nobody says."},
            "driver": {"type": ["string", "null"], "description": "Null where nobody says."},
        }
    ),
    "ReceiptLine": _object(
        {
            "kind": {"enum": ["base_fare", "distance", "surge", "rounding", "fare"]},
            "amount": {"type": "number", "description": "Below 0 where it takes away."},
        }
    ),
    "ReceiptRefund": _object(
        {
            "refund_id": _ID,
            "refund_amount": _MONEY,
            "status": {"enum": ["PENDING", "REFUNDED"]},
            "reference": _TEXT,
            "created_at": _TIME,
            "updated_at": _TIME,
        }
    ),
    "Health": _object(
        {
            "service": {"const": "payment-service"},
            "version": _TEXT,
            "cell": _CELL,
            "status": {"enum": ["UP", "DOWN"]},
            "database_status": {"enum": ["UP", "DOWN"]},
            "timestamp": _TIME,
        },
        optional=("cell",),
    ),
    "Metrics": _object(
        {"cell": _CELL} | _FIGURES | {"currency": _CURRENCY, "other_currencies": _OTHER_CURRENCIES, "timestamp": _TIME},
        optional=("cell",),
    ),
    "GatewayEvent": {
        "type": "object",
        "description": "As the gateway has it. Only its type, and the names of what it is about, are read.",
        "required": ["id", "type", "data"],
        "properties": {"id": _TEXT, "type": _TEXT, "data": {"type": "object"}},
        "additionalProperties": True,
    },
    "OpenApi": _object({"openapi": {"type": "string", "pattern": "^3\\.1\\."}, "info": _OBJECT, "paths": _OBJECT}),
    "Index": _object(
        {
            "service": _TEXT,
            "version": _TEXT,
            "description": _TEXT,
            "documentation": _TEXT,
            "console": _TEXT,
            "endpoints": {"type": "array", "items": _TEXT},
        }
    ),
}
