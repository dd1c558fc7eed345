"""Problem documents (RFC 9457): what every error looks like to a client."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from shared.platform import json_text

TYPE = "urn:payment-service:problem:"
CONTENT_TYPE = "application/problem+json"

TITLES = {
    "invalid_request": (400, "The request is not valid"),
    "invalid_signature": (400, "The webhook is not signed as it should be"),
    "unauthorized": (401, "Who is asking is not known"),
    "invalid_token": (401, "The token is not accepted"),
    "insufficient_scope": (403, "This caller may not do this"),
    "payment_declined": (402, "The payment was declined"),
    "refund_declined": (402, "The refund was declined"),
    "not_found": (404, "There is nothing at this address"),
    "payment_not_found": (404, "There is no such payment"),
    "receipt_not_found": (404, "There is no receipt: the payment was not charged"),
    "method_not_allowed": (405, "This address does not take this method"),
    "idempotency_in_progress": (409, "A request with this key is being worked on"),
    "trip_already_paid": (409, "The fare of this trip is already collected, or being collected"),
    "payment_not_refundable": (409, "This payment cannot be refunded"),
    "payload_too_large": (413, "The body is larger than 64 KiB"),
    "unsupported_media_type": (415, "The body must be JSON, and not compressed"),
    "wrong_cell": (421, "Another cell was meant than this one"),
    "idempotency_key_reused": (422, "This key was used with another request"),
    "trip_not_found": (422, "The Trip Service knows no such trip"),
    "trip_not_completed": (422, "The trip is not completed"),
    "trip_not_chargeable": (422, "The fare of this trip cannot be charged"),
    "method_not_supported": (422, "The gateway cannot charge this method"),
    "refund_exceeds_payment": (422, "The refund exceeds what is left of the payment"),
    "rate_limited": (429, "Too many requests"),
    "internal_error": (500, "Something went wrong on our side"),
    "trip_service_unavailable": (503, "The Trip Service gives no usable answer"),
    "issuer_unavailable": (503, "The issuer of the token gives no keys"),
    "database_unavailable": (503, "The database does not answer"),
}


class Problem(Exception):
    """A refusal, on its way to the client.

    `code` is one of TITLES, which gives status and title; `members` are further fields of the document; `errors`
    names the fields at fault; `retry_after` (seconds) asks for patience.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        members: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = list(errors)
        self.members = members or {}
        self.retry_after = retry_after
        self.headers = headers or {}

    @property
    def status(self) -> int:
        return TITLES[self.code][0]

    def document(self, instance: str, correlation_id: str | None, *, spaced: bool = False) -> str:
        """The JSON text of this problem; `instance` is the bare path of the request. `spaced`: with a blank after each comma
        and colon, as what is built around an answer that is stored so."""
        document: dict[str, Any] = {
            "type": TYPE + self.code,
            "title": TITLES[self.code][1],
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            "code": self.code,
            "correlation_id": correlation_id,
        }
        if self.errors:
            document["errors"] = [{"field": name, "message": message} for name, message in self.errors]
        return json_text.write({**document, **self.members}, spaced=spaced)


def invalid(*errors: tuple[str, str]) -> Problem:
    """A 400 that names every field at fault."""
    return Problem("invalid_request", "; ".join(f"{name}: {message}" for name, message in errors), errors=errors)


def of_status(status: int) -> Problem:
    """The problem for an HTTP status that the framework raised by itself."""
    code = next((code for code, (known, _) in TITLES.items() if known == status), None)
    if code is None:
        code = "invalid_request" if 400 <= status < 500 else "internal_error"
    return Problem(code, HTTPStatus(status).phrase + ".")
