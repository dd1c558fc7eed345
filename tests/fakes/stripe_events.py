"""The events of the tests' own gateway: one for every change of an object (https://docs.stripe.com/api/events)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from tests.fakes.stripe_lists import page
from tests.fakes.stripe_requests import Refusal, Thing, shown

KEPT = 30 * 86400  # seconds for which Stripe shows an event
QUERY = {"type", "delivery_success", "limit", "starting_after", "ending_before"}
QUERY |= {"created[gte]", "created[gt]", "created[lte]", "created[lt]"}


@dataclass
class Events:
    """`heard`, where there is an endpoint for them, is told of each as it is written."""

    now: Callable[[], float]
    written: list[Thing] = field(default_factory=list)
    heard: Callable[[Thing], None] | None = None

    def write(self, event_type: str, thing: Thing) -> None:
        event = {
            "id": f"evt_{len(self.written) + 1:012d}",
            "object": "event",
            "api_version": "2024-06-20",
            "created": int(self.now()),
            "data": {"object": shown(thing)},
            "livemode": False,
            "pending_webhooks": int(self.heard is not None),
            "type": event_type,
        }
        self.written.append(event)
        if self.heard is not None:
            self.heard(event)

    def list(self, query: list[tuple[str, str]]) -> Thing:
        """A page of the events of the last thirty days. `delivery_success=false`: those that no endpoint has taken yet."""
        asked, types = dict(query), [value for name, value in query if name == "types[]"]
        if unknown := set(asked) - QUERY - {"types[]"}:
            raise Refusal(400, "invalid_request_error", "parameter_unknown", param=min(unknown))
        if len(types) > 20 or (types and "type" in asked):
            raise Refusal(400, "invalid_request_error", param="types")
        delivered = asked.get("delivery_success")
        chosen = (
            event
            for event in list(self.written)
            if event["created"] >= self.now() - KEPT
            and (not types or event["type"] in types)
            and fnmatchcase(event["type"], asked.get("type", "*"))
            and (delivered is None or (event["pending_webhooks"] == 0) == (delivered == "true"))
        )
        return page(chosen, asked)

    def one(self, event_id: str) -> Thing:
        found = [event for event in self.written if event["id"] == event_id]
        if not found:
            raise Refusal(404, "invalid_request_error", "resource_missing")
        return found[0]
