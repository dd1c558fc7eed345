"""What is asked with, beside the body."""

from shared.rules.identifiers import GREATEST_ID
from tools.openapi import examples

PAYMENT_ID = {
    "name": "payment_id",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": GREATEST_ID},
    "example": examples.PAYMENT_ID,
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Required, here or as `idempotency_key` in the body; where both are given they must be equal. 1 to 255"
    " visible ASCII characters, kept as a hash only. A pair of double quotes around it is taken off.",
    "schema": {"type": "string", "pattern": '^(?!""$)[\\x21-\\x7e]{1,255}$'},
    "example": examples.KEY,
}
CORRELATION = {
    "name": "X-Correlation-ID",
    "in": "header",
    "description": "Kept if it is 1 to 128 of A-Z a-z 0-9 . _ -, otherwise replaced by a new one; on every answer.",
    "schema": {"type": "string"},
}
LIMIT = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20, "examples": [20]},
}
CURSOR = {
    "name": "cursor",
    "in": "query",
    "description": "`next_cursor` of the page before; opaque.",
    "schema": {"type": "string", "format": "cursor", "examples": [examples.CURSOR]},
}
GATEWAY = {
    "name": "gateway",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "example": "stripe",
}
SIGNATURE = {
    "name": "Stripe-Signature",
    "in": "header",
    "description": "Of `stripe`: when it signed the body, and with what, in the last five minutes.",
    "schema": {"type": "string"},
    "example": examples.SIGNATURE,
}
