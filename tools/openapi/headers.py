"""The headers of answers."""

from typing import Any

Json = dict[str, Any]

HEADERS: Json = {
    "CorrelationId": {
        "description": "What this request is called in every log. The request's own X-Correlation-ID, if it was one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        "example": "1fad7d03-d1b6-488d-b6da-d84fa361be6a",
    },
    "ContentTypeOptions": {
        "description": "A browser makes nothing else of an answer than its Content-Type says.",
        "schema": {"const": "nosniff"},
        "example": "nosniff",
    },
    "NotStored": {
        "description": "What is told of money is not kept by what is in between.",
        "schema": {"const": "no-store"},
        "example": "no-store",
    },
    "Cached": {
        "description": "How long it may be kept.",
        "required": True,
        "schema": {"type": "string", "pattern": "^(public|no-cache)"},
        "example": "public, max-age=300",
    },
    "ContentSecurityPolicy": {
        "description": "The page loads nothing from elsewhere, and runs no script within itself.",
        "required": True,
        "schema": {"type": "string"},
        "example": "default-src 'none'; script-src 'self'",
    },
    "PageContentSecurityPolicy": {
        "description": "Of the page: it loads nothing, and runs no script.",
        "schema": {"type": "string"},
        "example": "default-src 'none'; style-src 'sha256-…'",
    },
    "ReceiptDisposition": {
        "description": "Of the file: what it is called.",
        "schema": {"type": "string"},
        "example": 'inline; filename="receipt-RCT-0000000351.pdf"',
    },
    "ReferrerPolicy": {
        "description": "Of a page: no address of this service goes to where a link leads.",
        "schema": {"const": "no-referrer"},
        "example": "no-referrer",
    },
    "Location": {
        "description": "The payment's address.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference", "pattern": "^/payments/[1-9][0-9]*$"},
        "example": "/payments/351",
    },
    "Replayed": {
        "description": "`true` where this answer was given before, to the same key; else absent.",
        "schema": {"const": "true"},
        "example": "true",
    },
    "RetryAfter": {
        "description": "Repeat the request after so many seconds, with the same key.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
        "example": 2,
    },
    "MaybeRetryAfter": {
        "description": "Where it makes sense to repeat the request: after so many seconds, with the same key.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 2,
    },
    "Authenticate": {
        "description": "What kind of token is wanted, and what is wrong with the one that came (RFC 6750).",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer "},
        "example": 'Bearer realm="payment-service"',
    },
    "RateLimit": {
        "description": "What is left of the caller's quota (`r`), and in how many seconds it is whole again (`t`), as the"
        " IETF's draft has it. Absent where no limit is set, and on what the front door says.",
        "schema": {"type": "string"},
        "example": '"caller";r=999;t=1',
    },
    "RateLimitPolicy": {
        "description": "The quota: so many requests (`q`) in so many seconds (`w`). Absent where RateLimit is.",
        "schema": {"type": "string"},
        "example": '"caller";q=1000;w=1',
    },
    "Vary": {
        "description": "The form depends on the request's Accept.",
        "required": True,
        "schema": {"const": "Accept"},
        "example": "Accept",
    },
    "AcceptEncoding": {
        "description": "With a body that came compressed: how it is to be sent.",
        "schema": {"const": "identity"},
        "example": "identity",
    },
    "Allow": {
        "description": "The methods that this address takes.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Z]+(, [A-Z]+)*$"},
        "example": "GET, HEAD, POST",
    },
}

ALWAYS = {"X-Correlation-ID": "CorrelationId", "X-Content-Type-Options": "ContentTypeOptions"}
LIMITED = {"RateLimit": "RateLimit", "RateLimit-Policy": "RateLimitPolicy"}


def headers(*named: dict[str, str]) -> Json:
    """Headers by their names, from the components of these names."""
    together = {name: component for each in named for name, component in each.items()}
    return {name: {"$ref": f"#/components/headers/{component}"} for name, component in together.items()}
