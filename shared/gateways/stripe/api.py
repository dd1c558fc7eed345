"""Talking to Stripe: one request, repeated within its deadline where repeating may help."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from shared.gateways.protocol import Unknown
from shared.platform import http_client, json_text
from shared.platform.log import correlation_id, log

# Pinned: without the header the account's own default decides what the answers look like, and somebody may raise that with
# one click, between two tries of one request. Everything read here is in this version as its documentation says.
VERSION = "2024-06-20"
# Seconds between tries of one request within its deadline: a conflict is over in a moment, a limit on requests counts by the
# second (https://docs.stripe.com/rate-limits). An asking that has less than the shortest call left would only be cut off.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
SHORTEST_CALL = 0.02
# What is read and does not come to an end is as good as refused: less of it may be asked for.
TOO_LONG = "answer_too_long"
# The last second that a datetime can hold.
_LAST = 253402300799

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class StripeObject:
    """Stripe did as asked; `fields` are those of the object that it answered with."""

    fields: dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """Stripe did not do as asked. `code` says why, and `intent` is what it came to, where the refusal carries one.

    `replayed`: this is what Stripe stored when it carried the request out. `repeated`: the request was sent before within
    this call, and may have been carried out then.
    """

    code: str
    intent: dict[str, Any] | None = None
    replayed: bool = False
    repeated: bool = False


Answer = StripeObject | Refused | Unknown


class Deadline:
    """When a whole call must be over, on the monotonic clock."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds; below 0 when it is over."""
        return self._at - time.monotonic()


@dataclass(frozen=True)
class Api:
    """Stripe's HTTP API under one key, which nothing here shows or logs."""

    base: str
    key: str = field(repr=False)

    def get(self, path: str, query: Fields, deadline: Deadline) -> Answer:
        """Reads. Raises nothing."""
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, {}, None, deadline)

    def post(self, path: str, fields: Fields, idempotency_key: str, deadline: Deadline) -> Answer:
        """Asks for something to be done, once for an idempotency key however often it is sent. Raises nothing."""
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Idempotency-Key": idempotency_key}
        return self._ask("POST", path, headers, urlencode(fields).encode(), deadline)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None, deadline: Deadline) -> Answer:
        headers |= {"Authorization": f"Bearer {self.key}", "Stripe-Version": VERSION, "Accept": "application/json"}
        if request := correlation_id.get():
            headers["X-Correlation-ID"] = request
        from shared.gateways.stripe.session import send  # what it imports is slow, and many never ask Stripe

        pause, repeated = FIRST_PAUSE, False
        while True:
            left = deadline.left()
            if left < SHORTEST_CALL:
                return Unknown("no time left to ask Stripe", answered=False)
            try:
                reply = http_client.request(
                    method, self.base + path, timeout=left, headers=headers, body=body, through=send
                )
            except http_client.NoResponse as failure:
                if method == "GET" and isinstance(failure, http_client.TooLong):
                    return Refused(TOO_LONG)
                return Unknown(f"no answer from Stripe: {failure}", answered=False)
            wait = max(pause, _retry_after(reply))
            if not _may_change(reply) or wait + SHORTEST_CALL > deadline.left():
                return _read(reply, repeated=repeated or reply.repeated)
            # Whoever is asked too often (429) does not look at what is asked: the limit comes before everything else.
            repeated |= reply.repeated or reply.status != 429
            time.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE)


def _may_change(reply: http_client.Response) -> bool:
    """Whether the same request, sent again, may be answered otherwise. A replayed answer is stored and never will be."""
    if _is_replay(reply) or reply.headers.get("Stripe-Should-Retry") == "false":
        return False
    return reply.status == 409 or _cannot_serve(reply)


def _is_replay(reply: http_client.Response) -> bool:
    return reply.headers.get("Idempotent-Replayed") == "true"


def _cannot_serve(reply: http_client.Response) -> bool:
    """Whether Stripe says that it cannot answer requests now, whatever they ask."""
    return not _is_replay(reply) and (reply.status == 429 or reply.status >= 500)


def _retry_after(reply: http_client.Response) -> float:
    """Seconds; 0 where the answer asks for no particular patience."""
    asked = reply.headers.get("Retry-After", "")
    return float(asked) if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", asked) else 0.0


def _read(reply: http_client.Response, *, repeated: bool) -> Answer:
    unknown = Unknown("", answered=not _cannot_serve(reply), retry_after=_retry_after(reply))
    try:
        body = json_text.read(reply.body, of_a_neighbour=True)
    except json_text.JsonError:
        return unknown._replace(why=f"Stripe answered {reply.status}, not with JSON")
    if not isinstance(body, dict):
        return unknown._replace(why=f"Stripe answered {reply.status}, not with an object")
    if 200 <= reply.status < 300:
        return StripeObject(body)
    error = body.get("error")
    refused = _read_error(reply, error if isinstance(error, dict) else {})
    if isinstance(refused, Unknown):
        return unknown._replace(why=refused.why)
    return replace(refused, replayed=_is_replay(reply), repeated=repeated)


# Refusals of the request as it came at this moment, whatever their status: the same one may be carried out later, or was.
_PASSING = ("idempotency_key_in_use", "lock_timeout", "rate_limit")


def _read_error(reply: http_client.Response, error: dict[str, Any]) -> Refused | Unknown:
    error_type, code = code_or_id(error.get("type")), code_or_id(error.get("code"))
    if reply.status in (401, 403):
        request = code_or_id(reply.headers.get("Request-Id"))
        about = {"status": reply.status, "type": error_type, "code": code, "stripe_request": request}
        log.error("Stripe refuses our API key", extra=about)
    final = reply.status in (400, 402, 404) and error_type in ("card_error", "invalid_request_error")
    if error_type is None or not final or code in _PASSING:
        return Unknown(f"Stripe answered {reply.status} {error_type or ''} {code or ''}".rstrip())
    intent = error.get("payment_intent")
    return Refused(
        code_or_id(error.get("decline_code")) or code or error_type, intent if isinstance(intent, dict) else None
    )


def moment(seconds: object) -> datetime | None:
    """A moment that Stripe counts in seconds since the epoch, if that is what this is: 0 is none."""
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 < seconds <= _LAST:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def code_or_id(value: object) -> str | None:
    """An identifier or a code of Stripe's, if that is what this is: short, and safe to store, show and log."""
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", value) else None
