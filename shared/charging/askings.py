"""What the gateway said at each asking, as it is kept: with what came of it, in the same commit."""

import re
import time
from typing import Literal, NamedTuple

from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown, Waiting
from shared.platform.counting import Durations
from shared.platform.database import Row
from shared.platform.terminal import printable

How = Literal["charge", "refund", "find"]
# Characters, as the constraints of gateway_askings have it.
LONGEST_CODE = 255
LONGEST_WHY = 500
LONGEST_ACTOR = 513
LONGEST_DURATION = 2**31 - 1
# A shorter one is none, and would be found in words.
SHORTEST_SECRET = 6
# What has no place in a record that is kept for good: keys as Stripe makes them, tokens as HTTP carries them, card numbers.
_SECRET = re.compile(r"(?:sk|rk|pk|whsec)_\w+|bearer\s+\S+|\d(?:[ -]?\d){11,18}", re.IGNORECASE)

GATEWAY = Durations(
    "payment_gateway_seconds", "Each time a gateway was asked, and what it said.", "gateway", "how", "outcome"
)


class Asking(NamedTuple):
    """One asking: `how` the gateway was asked, what it `said`, and how long that took."""

    how: How
    said: Literal["succeeded", "declined", "unknown", "never_heard", "waiting"]
    code: str | None
    why: str | None
    gateway_id: str | None
    duration_ms: int

    @classmethod
    def of(cls, how: How, request: GatewayRequest, said: Outcome | None, began: float) -> "Asking":
        """What was said of a request that was made at `began` (monotonic clock), without anything that must not be kept."""
        duration = min(round(1000 * (time.monotonic() - began)), LONGEST_DURATION)
        match said:
            case None:
                return cls(how, "never_heard", None, None, None, duration)
            case Succeeded():
                kept = cls(how, "succeeded", None, None, said.gateway_id, duration)
            case Declined():
                kept = cls(how, "declined", _safe(said.code, request), None, said.gateway_id, duration)
            case Unknown():
                kept = cls(how, "unknown", None, _safe(said.why, request), said.gateway_id, duration)
            case Waiting():
                kept = cls(how, "waiting", None, None, said.gateway_id, duration)
        return kept._replace(
            code=kept.code and kept.code[:LONGEST_CODE],
            why=kept.why and kept.why[:LONGEST_WHY],
            gateway_id=kept.gateway_id and printable(kept.gateway_id)[:LONGEST_CODE],
        )


class Askings:
    """Those under one lease, in their order. `actor` is the person who has them made, where one has."""

    def __init__(self, actor: str | None = None) -> None:
        self.actor = actor
        self.made: list[Asking] = []

    def note(self, gateway: str, how: How, request: GatewayRequest, said: Outcome | None, began: float) -> Asking:
        """Notes, and counts, what the gateway of this name said of a request that was made at `began` (monotonic clock)."""
        asking = Asking.of(how, request, said, began)
        GATEWAY.note(time.monotonic() - began, gateway, how, asking.said)
        self.made.append(asking)
        return asking

    def told_by_the_row(self, asked: int) -> int | None:
        """Milliseconds, where the charge or refund, once it is settled, tells all the rest: it was asked for once, by nobody in
        particular, and that was final. Then there is nothing else to keep."""
        if asked != 1 or len(self.made) != 1 or self.actor is not None:
            return None
        [only] = self.made
        return only.duration_ms if only.how != "find" and only.said in ("succeeded", "declined") else None

    def columns(self) -> Row:
        """The parameters of keep_askings and keep_look that say what was said."""
        return {
            "hows": [each.how for each in self.made],
            "saids": [each.said for each in self.made],
            "codes": [each.code for each in self.made],
            "whys": [each.why for each in self.made],
            "gateway_ids": [each.gateway_id for each in self.made],
            "durations": [each.duration_ms for each in self.made],
            "asked_by": self.actor and printable(self.actor)[:LONGEST_ACTOR],
        }


def _safe(text: str, request: GatewayRequest) -> str:
    """A gateway's words without secrets: neither those that it was asked with, nor what looks like one."""
    for secret in (request.payment_token, request.payment_customer):
        if secret and len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "…")
    return printable(_SECRET.sub("…", text))
