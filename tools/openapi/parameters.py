"""What is asked with, beside the body."""

from shared.rules.cells import GREATEST_CELL, first_id
from shared.web.cell_prefix import CELL_HEADER
from tools.openapi import examples

# Of the last cell the last: 2^53 - 1, as far as JavaScript reads whole numbers exactly.
GREATEST_OF_OURS = first_id(GREATEST_CELL + 1) - 2

PAYMENT_ID = {
    "name": "payment_id",
    "in": "path",
    "required": True,
    "schema": {"type": "integer", "minimum": 1, "maximum": GREATEST_OF_OURS},
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
CELL = {
    "name": CELL_HEADER,
    "in": "header",
    "description": "Where there are several cells: which is meant, by its name or its number. Another than the one that it"
    " reaches refuses it (421). With an id in the path, and where there is one cell, it may be left out.",
    "schema": {"type": "string", "pattern": "^(0|[1-9][0-9]{0,3}|[a-z]([a-z0-9-]{0,30}[a-z0-9])?)$"},
}
# Of every operation.
OF_ANY = (CELL, CORRELATION)
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
_DAY = {"type": "string", "format": "day", "examples": [examples.DAY]}
FIRST_DAY = {
    "name": "from",
    "in": "query",
    "description": "The first day, such as 2026-11-25; by default the last. At most 366 days are asked for at once.",
    "schema": _DAY,
}
LAST_DAY = {
    "name": "to",
    "in": "query",
    "description": "The last day, which is included; by default today.",
    "schema": _DAY,
}
CURRENCY = {
    "name": "currency",
    "in": "query",
    "description": "This currency alone.",
    "schema": {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["INR"]},
}
DRIVER_ID = {
    "name": "driver_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,64}$"},
    "example": examples.DRIVER_ID,
}
DRIVERS_CURSOR = CURSOR | {
    "schema": {"type": "string", "format": "drivers-cursor", "examples": [examples.DRIVERS_CURSOR]}
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
