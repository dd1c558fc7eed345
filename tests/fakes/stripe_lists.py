"""Pages of a list, newest first, as Stripe gives them (https://docs.stripe.com/api/pagination)."""

from collections.abc import Iterable

from tests.fakes.stripe_requests import Refusal, Thing, shown


def page(things: Iterable[Thing], query: dict[str, str]) -> Thing:
    """One page of `things`, which are in the order that they were made; Refusal for a place at an object that is not there."""
    newest_first = list(reversed(list(things)))
    newest_first.sort(key=lambda thing: -thing["created"])
    chosen = [thing for thing in newest_first if made_within(thing, query)]
    limit = limit_of(query)
    if after := query.get("starting_after"):
        chosen = chosen[_place(chosen, after, "starting_after") + 1 :]
    if before := query.get("ending_before"):
        chosen = chosen[: _place(chosen, before, "ending_before")]
        more, chosen = len(chosen) > limit, chosen[-limit:]
    else:
        more = len(chosen) > limit
    return {"object": "list", "data": [shown(thing) for thing in chosen[:limit]], "has_more": more}


def limit_of(query: dict[str, str]) -> int:
    """How many are asked for at once; Refusal for more than Stripe gives."""
    limit = int(query.get("limit", "10"))
    if not 1 <= limit <= 100:
        raise Refusal(400, "invalid_request_error", "parameter_invalid_integer", param="limit")
    return limit


def made_within(thing: Thing, query: dict[str, str]) -> bool:
    created = thing["created"]
    return bool(
        created >= int(query.get("created[gte]", "0"))
        and created > int(query.get("created[gt]", "-1"))
        and created <= int(query.get("created[lte]", str(2**62)))
        and created < int(query.get("created[lt]", str(2**62)))
    )


def _place(chosen: list[Thing], thing_id: str, name: str) -> int:
    places = [place for place, thing in enumerate(chosen) if thing["id"] == thing_id]
    if not places:
        raise Refusal(400, "invalid_request_error", "resource_missing", param=name)
    return places[0]
