"""Every charge that Stripe has, paid or not: https://docs.stripe.com/api/payment_intents/list."""

from datetime import datetime

from shared.gateways.facts import ChargeFact, ChargePage
from shared.gateways.protocol import Unknown
from shared.gateways.stripe import facts, listing
from shared.gateways.stripe.api import Api, Deadline


def read(api: Api, since: datetime, until: datetime, after: str | None, deadline: Deadline) -> ChargePage | Unknown:
    """A page of the charges that were made in that time, newest first; an Unknown that names it where one of them is not
    understood. Raises nothing."""
    page = listing.page_of(api, facts.INTENTS, listing.made_within(since, until), after, deadline)
    if isinstance(page, Unknown):
        return page
    charges = [facts.of("charge", each) for each in page.objects]
    if unknown := next((each for each in charges if isinstance(each, Unknown)), None):
        return unknown
    return ChargePage(tuple(each for each in charges if isinstance(each, ChargeFact)), page.last)
