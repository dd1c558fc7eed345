"""Finding a charge or a refund of ours among all that Stripe has."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from shared.gateway.protocol import Order, Unknown
from shared.gateway.stripe_http import Api, Deadline, Fields, Said, word

PAGE = 100
# How far Stripe's clock and the database's may be apart, in seconds.
CLOCKS = 600
# Seconds after the claim. Most charges are made within moments of it, so the little windows around it are read first: on a
# busy account the whole time would not be read before the deadline.
_EDGES = (-2, 15, 120, 900, 7200)


def windows(order: Order, longest: float) -> Iterator[Fields]:
    """Every time at which a charge may have been made that was asked for from the claim to `longest` seconds after it, or
    until now: without gaps or overlaps, the likeliest first."""
    claimed = math.floor(order.created_at.timestamp())
    end = math.ceil(min(order.age, longest)) + CLOCKS
    edges = [edge for edge in _EDGES if edge < end] + [end]
    for begins, ends in [*pairwise(edges), (-CLOCKS, edges[0])]:
        yield (("created[gte]", str(claimed + begins)), ("created[lt]", str(claimed + ends)))


def find(api: Api, path: str, query: Fields, reference: str, deadline: Deadline) -> dict[str, Any] | Unknown | None:
    """The object whose metadata bears the reference; None where every page was read and none does. Raises nothing."""
    after: str | None = None
    while True:
        place = [("starting_after", after)] if after else []
        page = api.get(path, [*query, ("limit", str(PAGE)), *place], deadline)
        if not isinstance(page, Said):
            return page if isinstance(page, Unknown) else Unknown(f"Stripe does not list: {page.code}")
        objects, more = page.object.get("data"), page.object.get("has_more")
        if not isinstance(objects, list) or not isinstance(more, bool):
            return Unknown("Stripe did not answer with a list")
        for found in objects:
            if bears(found, reference):
                return dict(found)
        if not more:
            return None
        last = word(objects[-1].get("id")) if objects and isinstance(objects[-1], dict) else None
        if last is None or last == after:
            return Unknown("Stripe's list does not go on")
        after = last


def bears(candidate: object, reference: str) -> bool:
    """Whether this is an object of Stripe's that was made for the reference."""
    metadata = candidate.get("metadata") if isinstance(candidate, dict) else None
    return isinstance(metadata, dict) and metadata.get("reference") == reference
