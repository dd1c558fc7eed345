"""What is answered in place of what was asked for, by the functions and by the front door."""

from collections.abc import Mapping
from typing import Any

from shared.web.access.guard import NOT_ACCEPTED, UNKNOWN
from shared.web.problems import CONTENT_TYPE, TITLES, TYPE
from tools.openapi.examples import CORRELATION_ID, DECLINED_PAYMENT, DECLINED_REFUND, DRIVER_ID, PAYMENT_ID
from tools.openapi.headers import ALWAYS, LIMITED, headers

Json = dict[str, Any]

# What the front door answers by itself, with any request: the codes that are its own, with status and title. It answers
# invalid_request, payload_too_large and rate_limited too. (knative/base/front-door/listener.yaml)
FRONT_DOOR = {
    "request_timeout": (408, "The request took too long to arrive"),
    "uri_too_long": (414, "The address is too long"),
    "request_headers_too_large": (431, "The headers are too large"),
    "bad_gateway": (502, "The service gave no usable answer"),
    "service_unavailable": (503, "The service does not answer"),
    "gateway_timeout": (504, "The service did not answer in time"),
}
ALL = TITLES | FRONT_DOOR

# With any request: what the front door answers, and what a function does when something breaks.
EVERYWHERE = (*FRONT_DOOR, "invalid_request", "payload_too_large", "wrong_cell", "rate_limited", "internal_error")
# Where AUTH_ISSUERS is set, with every operation that wants a permission.
_REFUSED_CALLERS = ("unauthorized", "invalid_token", "insufficient_scope", "issuer_unavailable")

# Those of them that say the same wherever they are given, by status.
SHARED = {
    401: ("unauthorized", "invalid_token"),
    403: ("insufficient_scope",),
    408: ("request_timeout",),
    413: ("payload_too_large",),
    414: ("uri_too_long",),
    421: ("wrong_cell",),
    429: ("rate_limited",),
    431: ("request_headers_too_large",),
    500: ("internal_error",),
    502: ("bad_gateway",),
    504: ("gateway_timeout",),
}

# As in the code, for the examples.
_DETAILS = {
    "invalid_request": "The request could not be read.",
    "invalid_signature": "Sign the body as it is sent, now, with this endpoint's secret.",
    "unauthorized": UNKNOWN,
    "invalid_token": NOT_ACCEPTED,
    "insufficient_scope": "This wants the permission payments:write.",
    "issuer_unavailable": "Repeat the request later, with the same key.",
    "payment_declined": "The gateway declined the charge. To try again, send a new Idempotency-Key.",
    "refund_declined": "The gateway declined the refund; what was reserved for it is free again.",
    "payment_not_found": f"There is no payment {PAYMENT_ID}.",
    "receipt_not_found": f"Payment {PAYMENT_ID} was not charged.",
    "idempotency_in_progress": "A request with this Idempotency-Key is being worked on; repeat it.",
    "trip_already_paid": f"The fare of trip 101 is collected by payment {PAYMENT_ID}.",
    "payment_not_refundable": f"Nothing is left of payment {PAYMENT_ID}.",
    "payload_too_large": "The body must be at most 64 KiB.",
    "unsupported_media_type": "Send the request as Content-Type: application/json.",
    "idempotency_key_reused": "This Idempotency-Key came before, with other content or on another path.",
    "trip_not_found": "The Trip Service knows no trip 101.",
    "trip_not_completed": "Trip 101 is not completed.",
    "trip_not_chargeable": "Trip 101: the fare is 0.",
    "method_not_supported": "The gateway stripe cannot charge UPI.",
    "refund_exceeds_payment": f"200.00 is more than the 100.00 that is left of payment {PAYMENT_ID}.",
    "wrong_cell": "This cell is called 2 or delhi, and Payment-Cell names another. Nothing was done.",
    "rate_limited": "At most 1000/second from one caller; wait a moment.",
    "internal_error": "The failure is logged under the correlation id.",
    "trip_service_unavailable": "The Trip Service does not answer. Nothing was charged; try again.",
    "database_unavailable": "Repeat the request later, with the same key.",
    "request_timeout": "The request did not arrive within 30 seconds.",
    "uri_too_long": "The path and query must be at most 4000 bytes.",
    "request_headers_too_large": "The headers must be at most 80, and 8 KiB together with the address.",
    "bad_gateway": "The service gave no usable answer. Repeat the request with the same key.",
    "service_unavailable": "The service does not answer now. Repeat the request with the same key.",
    "gateway_timeout": "The service did not answer in time. Repeat the request with the same key.",
    "not_found": "No endpoint has this path; GET / lists them.",
    "method_not_allowed": "Use GET or HEAD or POST here.",
}
_MEMBERS: dict[str, Json] = {
    "trip_already_paid": {"payment_id": PAYMENT_ID},
    "payment_declined": {"failure_code": "card_declined", "payment": DECLINED_PAYMENT},
    "refund_declined": {"failure_code": "card_declined", "refund": DECLINED_REFUND},
}
_SCHEMAS = {"payment_declined": "DeclinedPayment", "refund_declined": "DeclinedRefund"}
_FIELDS = [
    {"field": "amount", "message": "must be a number above 0 and at most 9999999999.99, with at most two decimals"}
]
_LATER = {"idempotency_in_progress", "rate_limited", "bad_gateway", "gateway_timeout", "database_unavailable"}
_PERHAPS_LATER = {"trip_already_paid", "payment_not_refundable"}


def problems(path: str, *codes: str, limited: bool = False, permission: str = "") -> Json:
    """The answers of an operation that are problems, by status: those of `codes`, and those that any request may get.

    `path`: of the operation, for the examples. `limited`: it is under RATE_LIMIT. `permission`: what it wants of its caller.
    """
    by_status: dict[int, list[str]] = {}
    for code in (*codes, *EVERYWHERE, *(_REFUSED_CALLERS if permission else ())):
        known = by_status.setdefault(ALL[code][0], [])
        if code not in known:
            known.append(code)
    return {
        str(status): _shared(status) if status in SHARED else _answer(path, by_status[status], limited)
        for status in sorted(by_status)
    }


def components() -> Json:
    """The answers that are the same wherever they are given, and those that no operation gives."""
    shared = {_name(codes[0]): _answer("/payments", list(codes), True) for codes in SHARED.values()}
    nowhere = {_name(code): _answer("/payments", [code], False) for code in ("not_found", "method_not_allowed")}
    return shared | nowhere


def _shared(status: int) -> Json:
    return {"$ref": f"#/components/responses/{_name(SHARED[status][0])}"}


def _name(code: str) -> str:
    return "".join(word.capitalize() for word in code.split("_"))


def _answer(path: str, codes: list[str], limited: bool) -> Json:
    [status] = {ALL[code][0] for code in codes}
    described = "; ".join(f"`{code}`: {ALL[code][1]}" for code in codes)
    [schema] = {_SCHEMAS.get(code, "Problem") for code in codes}
    by_function = any(code in TITLES for code in codes)
    examples = {code: {"summary": ALL[code][1], "value": example(path, code)} for code in codes}
    if status == 400:
        examples["fields"] = {
            "summary": "A field is wrong",
            "value": example(path, "invalid_request", detail=": ".join(_FIELDS[0].values()), errors=_FIELDS),
        }
    return {
        "description": described + ".",
        "headers": headers(ALWAYS, *_particular(status, codes), LIMITED if limited and by_function else {}),
        "content": {CONTENT_TYPE: {"schema": {"$ref": f"#/components/schemas/{schema}"}, "examples": examples}},
    }


def _particular(status: int, codes: list[str]) -> list[dict[str, str]]:
    """The headers of a status."""
    found = [{"Cache-Control": "NotStored"}]
    if "payment_declined" in codes or "refund_declined" in codes:
        found.append({"Idempotent-Replayed": "Replayed"})
    if status in (429, 502, 503, 504) or set(codes) <= _LATER:
        found.append({"Retry-After": "RetryAfter"})
    elif set(codes) & (_LATER | _PERHAPS_LATER):
        found.append({"Retry-After": "MaybeRetryAfter"})
    if status in (401, 403):
        found.append({"WWW-Authenticate": "Authenticate"})
    if status == 405:
        found.append({"Allow": "Allow"})
    if status == 415:
        found.append({"Accept-Encoding": "AcceptEncoding"})
    return found


def example(path: str, code: str, detail: str = "", errors: list[dict[str, str]] | None = None) -> Mapping[str, Any]:
    """A problem document as a client gets it from this path."""
    status, title = ALL[code]
    return {
        "type": TYPE + code,
        "title": title,
        "status": status,
        "detail": detail or _DETAILS[code],
        "instance": path.replace("{payment_id}", str(PAYMENT_ID)).replace("{driver_id}", DRIVER_ID),
        "code": code,
        "correlation_id": CORRELATION_ID,
        **({"errors": errors} if errors else {}),
        **_MEMBERS.get(code, {}),
    }
