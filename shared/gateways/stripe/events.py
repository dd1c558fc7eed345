"""Stripe's own list of events: https://docs.stripe.com/api/events/list. It reaches thirty days back."""

from collections.abc import Iterator
from datetime import datetime

from shared.gateways.facts import Event, EventPage
from shared.gateways.protocol import Unknown
from shared.gateways.stripe import listing
from shared.gateways.stripe.api import Api, Deadline
from shared.gateways.stripe.webhook import KINDS, event_of
from shared.platform.log import log

EVENTS = "/v1/events"


def read(api: Api, since: datetime, after: str | None, deadline: Deadline, *, undelivered: bool) -> EventPage | Unknown:
    """A page of the events since then that are listened to, newest first. `undelivered`: only such as an endpoint for
    webhooks has not taken, also if that is still tried. An event that is none is passed over. Raises nothing."""
    query = [("created[gte]", str(int(since.timestamp()))), *(("types[]", name) for name in KINDS)]
    if undelivered:
        query.append(("delivery_success", "false"))
    page = listing.page_of(api, EVENTS, query, after, deadline)
    if isinstance(page, Unknown):
        return page
    return EventPage(tuple(_understood(page.objects)), page.last)


def _understood(listed: list[object]) -> Iterator[Event]:
    for each in listed:
        try:
            event = event_of(each)
        except ValueError as wrong:
            log.warning(
                "an event in the gateway's list is not understood", extra={"gateway": "stripe", "why": str(wrong)}
            )
            continue
        if event is not None:
            yield event
