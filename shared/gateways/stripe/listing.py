"""Finding a charge or a refund of ours among all that Stripe has, over as many tries as it takes."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any, Self

from shared.gateways.protocol import GatewayRequest, Unknown
from shared.gateways.stripe.api import TOO_LONG, Api, Deadline, Fields, Refused, code_or_id
from shared.gateways.stripe.objects import has_reference

# The most that Stripe gives at once (https://docs.stripe.com/api/pagination).
PAGE = 100
# How far Stripe's clock and the database's may be apart, in seconds.
CLOCKS = 600
# Seconds after the claim. Most charges are made within moments of it, so the little windows around it are read first: on a
# busy account the whole time is not read before the deadline. A Cursor counts by these: other edges want another form of it.
_EDGES = (-2, 15, 120, 900, 7200)
# What a search writes down where it ends without having read everything, so that the next try begins a new one.
FROM_THE_START = ""


@dataclass(frozen=True)
class Cursor:
    """Where one pass through a list stands.

    `begun` is how old the claim was when the pass began, and `until` up to which age of it charges are looked for, both in
    whole seconds: together they fix the windows, so that every try of the pass reads the same ones. `window` is the one being
    read, `after` the last object that was read of it. A cursor is good for one account: another has other objects.
    """

    account: str
    begun: int
    until: int
    window: int = 0
    after: str | None = None

    def __str__(self) -> str:
        return f"{self.account} {self.begun} {self.until} {self.window} {self.after or '-'}"

    @classmethod
    def of(cls, request: GatewayRequest, account: str, certain_after: float) -> Self:
        """Where the search for a request goes on. It begins anew where it never began, was about another account, or began
        before absence could be certain and now can be: what was read then may have been made since."""
        written = re.fullmatch(r"(\S+) ([0-9]+) ([0-9]+) ([0-9]+) (\S+)", request.search_cursor or FROM_THE_START)
        if written and written[1] == account:
            after = None if written[5] == "-" else written[5]
            cursor = cls(account, int(written[2]), int(written[3]), int(written[4]), after)
            if cursor.is_certain(certain_after) or request.age < certain_after:
                return cursor
        begun = math.floor(request.age)
        return cls(account, begun, math.ceil(min(request.age, certain_after)))

    def is_certain(self, certain_after: float) -> bool:
        """Whether a pass that began here proves absence, when it has read everything: everything that was ever asked for had
        come to its end by then."""
        return self.begun >= certain_after


def windows(request: GatewayRequest, until: int) -> list[Fields]:
    """Every time at which a charge may have been made that was asked for from the claim to `until` seconds after it: without
    gaps or overlaps, the likeliest first."""
    claimed = math.floor(request.created_at.timestamp())
    end = until + CLOCKS
    edges = [edge for edge in _EDGES if edge < end] + [end]
    return [
        (("created[gte]", str(claimed + begins)), ("created[lt]", str(claimed + ends)))
        for begins, ends in [*pairwise(edges), (-CLOCKS, edges[0])]
    ]


def find(
    api: Api, path: str, queries: Sequence[Fields], cursor: Cursor, reference: str, deadline: Deadline
) -> dict[str, Any] | Unknown | None:
    """The object whose metadata bears the reference; None where every page from `cursor` on was read and none does.

    Where the time is up first, or Stripe asks for patience, the Unknown says where to go on. Raises nothing.
    """
    began = cursor
    while cursor.window < len(queries):
        page = page_of(api, path, queries[cursor.window], cursor.after, deadline)
        if isinstance(page, Unknown):
            goes_on = str(cursor) if page.search_cursor is None else page.search_cursor
            return page._replace(answered=page.answered or cursor != began, search_cursor=goes_on)
        for found in page.objects:
            if has_reference(found, reference):
                return dict(found)
        if page.last is None:
            cursor = replace(cursor, window=cursor.window + 1, after=None)
        else:
            cursor = replace(cursor, after=page.last)
    return None


@dataclass(frozen=True)
class Page:
    """Objects of a list, newest first, and the id of the last where there are more after it."""

    objects: list[Any]
    last: str | None


def page_of(
    api: Api, path: str, query: Fields, after: str | None, deadline: Deadline, at_once: int = PAGE
) -> Page | Unknown:
    """The page of a list that begins after the object of this id, or at the newest: of `at_once` objects, or of fewer where
    so many are more than one answer may hold. Raises nothing."""
    going_on = [("starting_after", after)] if after else []
    answer = api.get(path, [*query, ("limit", str(at_once)), *going_on], deadline)
    if isinstance(answer, Unknown):
        return answer
    if isinstance(answer, Refused) and answer.code == TOO_LONG and at_once > 1:
        return page_of(api, path, query, after, deadline, at_once // 4)
    if isinstance(answer, Refused):  # a cursor, perhaps: what it names may have been deleted
        return Unknown(f"Stripe does not list: {answer.code}", search_cursor=FROM_THE_START if after else None)
    objects, more = answer.fields.get("data"), answer.fields.get("has_more")
    if not isinstance(objects, list) or not isinstance(more, bool):
        return Unknown("Stripe did not answer with a list")
    if not more:
        return Page(objects, None)
    last = code_or_id(objects[-1].get("id")) if objects and isinstance(objects[-1], dict) else None
    if last is None or last == after:
        return Unknown("Stripe's list does not go on", search_cursor=FROM_THE_START if last else None)
    return Page(objects, last)


def made_within(since: datetime, until: datetime) -> Fields:
    """Asks for what was made from `since` on and before `until`: Stripe knows when by whole seconds."""
    return (("created[gte]", _second(since)), ("created[lt]", _second(until)))


def _second(moment: datetime) -> str:
    """The first whole one that is not before the moment."""
    return str(math.ceil(moment.timestamp()))
