"""A gateway in this process that shows its objects and lists its events, as a test wants them."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from shared.gateways.abilities import ABILITIES
from shared.gateways.facts import ChargeFact, DisputeFact, Event, EventPage, Fact, Kind, RefundFact
from shared.gateways.protocol import Unknown
from tests.support.gateway import ScriptedGateway

Shown = Fact | Unknown | BaseException | None


class RingingGateway(ScriptedGateway):
    """Shows `facts` by kind and id, and nothing of any other; `reading` happens at each read first. Lists `events`, newest
    first, `page` at once; `listing` are answers that come before."""

    def __init__(self) -> None:
        super().__init__()
        self.abilities = ABILITIES["simulated"]._replace(webhooks=True)
        self.facts: dict[tuple[str, str], Shown] = {}
        self.reads: list[tuple[str, str]] = []
        self.reading: Callable[[], object] = lambda: None
        self.events: list[Event] = []
        self.page = 100
        self.listing: list[Unknown | BaseException] = []
        self.listed: list[tuple[datetime, str | None]] = []

    def read(self, kind: Kind, gateway_id: str, timeout: float) -> Fact | Unknown | None:
        self.reads.append((kind, gateway_id))
        self.reading()
        shown = self.facts.get((kind, gateway_id))
        if isinstance(shown, BaseException):
            raise shown
        return shown

    def list_events(self, since: datetime, after: str | None, timeout: float) -> EventPage | Unknown:
        self.listed.append((since, after))
        if self.listing:
            said = self.listing.pop(0)
            if isinstance(said, BaseException):
                raise said
            return said
        ids = [event.event_id for event in self.events]
        begin = ids.index(after) + 1 if after else 0
        shown = self.events[begin : begin + self.page]
        return EventPage(shown, shown[-1].event_id if begin + self.page < len(self.events) else None)

    def rings_with(self, event_id: str, **fields: Any) -> Event:
        """A new event in the list: a charge of its own was paid, unless the fields say otherwise."""
        charge_id = event_id.replace("evt", "pi")
        event = Event(event_id, "payment_intent.succeeded", "charge", charge_id, charge_id, True, {"id": event_id})
        self.events.insert(0, event._replace(**fields))
        return event._replace(**fields)


def a_charge_fact(gateway_id: str = "pi_1", **fields: Any) -> ChargeFact:
    said = {"id": gateway_id, "object": "payment_intent"}
    return ChargeFact(gateway_id, None, "succeeded", Decimal("150.00"), "INR", None, said)._replace(**fields)


def a_refund_fact(gateway_id: str = "re_1", **fields: Any) -> RefundFact:
    said = {"id": gateway_id, "object": "refund"}
    return RefundFact(gateway_id, None, "pi_1", "succeeded", Decimal("50.00"), "INR", None, said)._replace(**fields)


def a_dispute_fact(gateway_id: str = "du_1", **fields: Any) -> DisputeFact:
    said, now = {"id": gateway_id, "object": "dispute"}, datetime.now(UTC)
    fact = DisputeFact(gateway_id, "pi_1", "OPEN", Decimal("150.00"), "INR", "fraudulent", None, now, said)
    return fact._replace(**fields)
