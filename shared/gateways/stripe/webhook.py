"""Stripe's webhooks: who signed one, and which object an event is about.

https://docs.stripe.com/webhooks#verify-manually, https://docs.stripe.com/api/events/types
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from shared.gateways.facts import Event, Kind, NotSigned
from shared.gateways.redaction import redacted
from shared.gateways.stripe.api import code_or_id
from shared.platform import json_text

HEADER = "Stripe-Signature"
# Seconds, either way, by this machine's clock: an older one may be an eavesdropper's; sent again, a webhook is signed anew.
TOLERANCE = 300.0
SUCCEEDED = "payment_intent.succeeded"
# The types of events that are listened to, and what is read because of each. Nothing where an event tells only half (that a
# charge was refunded, without its refunds), or what whoever asked for the charge was told: those are kept alone.
KINDS: Mapping[str, Kind | None] = MappingProxyType(
    {
        SUCCEEDED: "charge",
        "payment_intent.payment_failed": "charge",
        "payment_intent.canceled": "charge",
        "payment_intent.processing": "charge",
        "payment_intent.requires_action": None,
        "charge.refunded": None,
        "refund.created": "refund",
        "refund.updated": "refund",
        "refund.failed": "refund",
        "charge.refund.updated": "refund",
        "charge.dispute.created": "dispute",
        "charge.dispute.updated": "dispute",
        "charge.dispute.closed": "dispute",
        "charge.dispute.funds_withdrawn": "dispute",
        "charge.dispute.funds_reinstated": "dispute",
    }
)


def signed(secret: str, at: int, body: bytes) -> str:
    """The header that Stripe sends with a body, at a moment in seconds since the epoch."""
    return f"t={at},v1={_signature(secret, str(at), body)}"


def verify(header: str, body: bytes, secrets: Iterable[str], now: float) -> None:
    """Raises NotSigned unless the header, of a webhook that came at `now` (seconds since the epoch), has a signature of the
    body, to the byte, by one of the secrets. How long it takes tells nothing of either."""
    fields = [field.partition("=")[::2] for field in header.split(",")]
    at = next((value for name, value in fields if name == "t"), "")
    given = [value.encode("utf-8", "replace") for name, value in fields if name == "v1"]
    if not given or not re.fullmatch(r"[1-9][0-9]{0,11}", at, re.ASCII):
        raise NotSigned("the header is not one of Stripe's")
    wanted = [_signature(secret, at, body).encode() for secret in secrets]
    if not any([hmac.compare_digest(one, other) for one in given for other in wanted]):  # noqa: C419 - each is compared
        raise NotSigned("the signature is of another secret, or of another body")
    if abs(now - int(at)) > TOLERANCE:
        raise NotSigned("it was signed more than five minutes from now, by this machine's clock")


def read_event(body: bytes) -> Event | None:
    """The event in the body of a webhook, as `event_of`. Raises ValueError where it is no event."""
    return event_of(json_text.read(body, of_a_neighbour=True))


def event_of(said: object) -> Event | None:
    """An event, as Stripe sends and lists it: None where it is of a type that is not listened to. Raises ValueError where it is
    no event, or does not say what it is about. Of any version of Stripe's API: only names are read in it."""
    event = said if isinstance(said, Mapping) else {}
    type_ = event.get("type")
    if not isinstance(type_, str):
        raise ValueError("is not an event of Stripe's")
    if type_ not in KINDS:
        return None
    event_id, about = code_or_id(event.get("id")), _in(_in(event, "data"), "object")
    object_id = code_or_id(about.get("id"))
    if event_id is None or object_id is None:
        raise ValueError("does not say which event it is, and of which object")
    is_intent = type_.startswith("payment_intent.")
    charge_id = object_id if is_intent else _named(about, "payment_intent") or _named(about, "charge")
    return Event(event_id, type_, KINDS[type_], object_id, charge_id, type_ == SUCCEEDED, redacted(event))


def _signature(secret: str, at: str, body: bytes) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _in(outer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = outer.get(name)
    return inner if isinstance(inner, Mapping) else {}


def _named(about: Mapping[str, Any], name: str) -> str | None:
    """The id of an object that another names, which may stand there as a whole."""
    named = about.get(name)
    return code_or_id(named.get("id") if isinstance(named, Mapping) else named)
