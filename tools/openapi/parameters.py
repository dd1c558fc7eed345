"""What is asked with, beside the body, and what is answered with, as the OpenAPI document says it."""

from shared.rules.identifiers import GREATEST_ID

PAYMENT_ID = {
    "name": "payment_id",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": GREATEST_ID},
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Required, here or as idempotency_key in the body. 1 to 255 visible ASCII characters; kept as a hash only.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"},
}
CORRELATION = {
    "name": "X-Correlation-ID",
    "in": "header",
    "description": "Kept if it is 1 to 128 of A-Z a-z 0-9 . _ -, otherwise replaced by a new one; on every answer.",
    "schema": {"type": "string"},
}
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}}
CURSOR = {
    "name": "cursor",
    "in": "query",
    "description": "next_cursor of the page before; opaque.",
    "schema": {"type": "string"},
}
HEADERS = {
    "RetryAfter": {"description": "Repeat after so many seconds, with the same key.", "schema": {"type": "integer"}},
    "Replayed": {"description": "true where this answer was given before.", "schema": {"const": "true"}},
    "Location": {"description": "The payment's address.", "schema": {"type": "string"}},
}
