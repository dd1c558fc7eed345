"""Settling by hand: what `make pending SETTLE` does, with the same entry in the audit trail."""

from typing import Any

from functions.console.desk import Desk
from functions.console.forms import read_address, read_form
from functions.console.permitted import may, who
from functions.console.rendering import redirect, render
from shared.charging import by_hand
from shared.charging.by_hand import NotSettled
from shared.charging.lease import Lease
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem

OUTCOMES = {"succeeded": "It succeeded: the money moved", "failed": "It failed: no money moved"}
REASONS = (
    "The gateway confirmed it",
    "The gateway's dashboard shows it",
    "The bank confirmed it",
    "The rider confirmed it",
    "Another reason",
)
LONGEST_COMMENT = 500
FIELDS = ("outcome", "reason", "comment", "force")


def form(desk: Desk, call: Call) -> Answer:
    read_address(call)
    try:
        return _form_page(desk, call, by_hand.pending(desk.deps, _which(call)))
    except NotSettled as refusal:
        return _not_pending(call, refusal)


def settle(desk: Desk, call: Call) -> Answer:
    """Settles it, unless the gateway says otherwise: then the form has the choice to settle it all the same."""
    which, filled = _which(call), read_form(call, *FIELDS)
    try:
        named = by_hand.pending(desk.deps, which)
        if faults := _faults(filled):
            return _form_page(desk, call, named, filled, faults=faults, status=400)
        succeeded, reason = filled["outcome"] == "succeeded", f"{filled['reason']}: {filled['comment']}"
        try:
            done = by_hand.settle_by_hand(
                desk.deps, which, succeeded, who(call), reason, force=filled["force"] == "yes"
            )
        except NotSettled as refusal:
            if refusal.why not in ("gateway_disagrees", "under_way"):
                raise
            return _form_page(desk, call, named, filled, refusal=refusal, status=409)
    except NotSettled as refusal:
        return _not_pending(call, refusal)
    if not may(call, "payments:read"):
        return render("settled.html", call, done=done)  # the payment's page would say that nothing is permitted
    return redirect(call, f"/console/payments/{named.payment_id}")


def _which(call: Call) -> str:
    """What the address names. Raises Problem not_found for what no name holds."""
    which = call.parameters["reference"]
    if "\0" in which:
        raise Problem("not_found", "Nothing has such a name.")
    return which


def _faults(filled: dict[str, str]) -> dict[str, str]:
    """What is wrong, by the field that it is shown beside."""
    faults = {}
    if filled["outcome"] not in OUTCOMES:
        faults["outcome"] = "Choose what became of it."
    if filled["reason"] not in REASONS:
        faults["reason"] = "Choose a reason."
    if not 0 < len(filled["comment"]) <= LONGEST_COMMENT:
        faults["comment"] = f"Say how you know, in 1 to {LONGEST_COMMENT} characters."
    return faults


def _form_page(
    desk: Desk,
    call: Call,
    named: Lease,
    filled: dict[str, str] | None = None,
    *,
    faults: dict[str, str] | None = None,
    refusal: NotSettled | None = None,
    status: int = 200,
) -> Answer:
    values: dict[str, Any] = {"filled": filled or dict.fromkeys(FIELDS, ""), "faults": faults or {}}
    said = refusal.gateway_said if refusal else None
    return render(
        "settle.html",
        call,
        status=status,
        **values,
        named=named,
        gateway_says=said or by_hand.gateway_says(desk.deps, named),
        refusal=refusal,
        words=desk.words,
        outcomes=OUTCOMES,
        reasons=REASONS,
        longest_comment=LONGEST_COMMENT,
    )


def _not_pending(call: Call, refusal: NotSettled) -> Answer:
    """Nothing was changed: it never was pending, or somebody else, or the gateway, settled it in the meantime."""
    return render("settle_refused.html", call, status=404 if refusal.why == "not_pending" else 409, refusal=refusal)
