"""Forged webhooks: what somebody sends who has not the secret, an old one of whom has it, and lies of one to whom it leaked."""

import copy
import time
from collections.abc import Iterator, Sequence

from tests.fakes.stripe_requests import Thing

WRONG_SECRET = "whsec_of_somebody_else"
TOO_OLD = 3600

# The kind of forgery, its content, the secret that it is signed with, and when, where that is not now.
Forgery = tuple[str, Thing, str, int | None]


def forged(event: Thing, earlier: Sequence[Thing], leaked: str | None) -> Iterator[Forgery]:
    """Forgeries like an event, also about other objects. `earlier`: true events; `leaked`: a secret that others have."""
    yield "forged signature", _lie(event, "succeeded"), WRONG_SECRET, None
    if leaked is None:
        return
    yield "forged time", event, leaked, int(time.time()) - TOO_OLD
    other = earlier[(len(earlier) - 1) // 2]
    yield "forged content", _lie(other, "succeeded"), leaked, None
    yield "forged content", _lie(other, "failed"), leaked, None
    yield (
        "forged content",
        _lie(event, "succeeded", object_id=f"{event['data']['object']['id'][:3]}nothing"),
        leaked,
        None,
    )
    lie = _lie(event, "canceled", amount=1, metadata=other["data"]["object"]["metadata"])
    yield "forged content", lie, leaked, None


def _lie(event: Thing, status: str, object_id: str | None = None, **said: object) -> Thing:
    """An event with an id of its own that says what is not true."""
    lie = copy.deepcopy(event)
    told = lie["data"]["object"]
    told |= {"status": status, "id": object_id or told["id"], **said}
    kind = told["object"]
    what = {"succeeded": "succeeded", "failed": "payment_failed", "canceled": "canceled"}[status]
    lie["type"] = {
        "payment_intent": f"payment_intent.{what}",
        "refund": "refund.failed" if status == "failed" else "refund.updated",
        "dispute": "charge.dispute.closed",
    }[kind]
    lie["id"] = f"evt_forged_{event['id'][4:]}_{told['id'][-4:]}_{status}"
    return lie
