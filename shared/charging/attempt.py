"""One attempt to carry a claim to its end: the gateway is asked, and what it says stored. First requests, repeats and sweeps
all end here."""

import time
from collections.abc import Callable
from typing import TypeVar

from shared.charging.askings import Askings, How
from shared.charging.dependencies import Dependencies
from shared.charging.lease import Lease, release
from shared.charging.payment_answers import pending_answer
from shared.charging.settle import settle
from shared.gateways.protocol import (
    Declined,
    Gateway,
    GatewayRequest,
    Outcome,
    Succeeded,
    Unknown,
    Waiting,
    account_name,
    describe,
)
from shared.platform.log import log
from shared.platform.spans import span
from shared.web.answers import Answer

UNKNOWN_TO_GATEWAY = "gateway_unknown"

Said = TypeVar("Said", bound=Outcome | None)


def attempt(
    deps: Dependencies,
    lease: Lease,
    on_outcome: Callable[[Outcome], object] = lambda outcome: None,
    actor: str | None = None,
) -> Answer:
    """Asks the gateway and settles; raises nothing. Whatever fails, the answer is the PENDING payment or refund (202): the
    claim stands, and a repeat or a sweep carries it to its end. `on_outcome` is told what the gateway said. `actor` is the
    person who has it asked, where one has."""
    outcome: Outcome = Unknown("it was not asked")
    askings = Askings(actor)
    try:
        outcome = ask(deps, lease, askings)
        on_outcome(outcome)
        if isinstance(outcome, Succeeded | Declined):
            return settle(deps, lease, outcome, askings)
        _tell(lease, outcome)
        lease = release(deps, lease, outcome, askings)
    except Exception:
        gateway_said = {"gateway_said": describe(outcome), "gateway_id": outcome.gateway_id}
        log.exception("not settled; it will be asked again", extra={**lease.about(), **gateway_said})
    return pending_answer(lease)


def _tell(lease: Lease, outcome: Unknown | Waiting) -> None:
    """Into the log: that a customer is waited for is nothing to worry about."""
    about = {**lease.about(), "asked": lease.request.asked}
    if isinstance(outcome, Waiting):
        log.info("waiting for the customer", extra=about)
    else:
        log.warning("outcome unknown", extra=about | {"why": outcome.why})


def ask(deps: Dependencies, lease: Lease, askings: Askings) -> Outcome:
    """What the gateway that a charge or refund was claimed with says of it; each asking is noted.

    Asked again with the same reference it charges once, but only while it remembers the reference
    (GATEWAY_KEY_RETENTION, seconds), and only in the account that was asked first: otherwise it is only read. A repeat that
    is not final is followed by a read too, since gateways replay stored answers that were not final: a customer who was
    waited for then may have acted since. Where the gateway has a name for it, the repeat itself was a read.
    """
    gateway = deps.gateways.named(lease.gateway)
    outcome: Unknown | Waiting = Unknown("the lease is too old to ask")
    remembered = lease.request.age < deps.settings.gateway_key_retention
    if gateway and _is_its_account(gateway, lease) and remembered and lease.allows_a_call():
        how: How = "charge" if lease.refund_id is None else "refund"
        asked = _said(lease, askings, how, gateway.charge if lease.refund_id is None else gateway.refund)
        was_read = lease.request.gateway_id is not None
        if lease.request.asked == 1 or was_read or isinstance(asked, Succeeded | Declined):
            return asked
        outcome = asked
    if not lease.allows_a_call():
        return outcome
    if outcome.gateway_id is not None:
        lease = lease._replace(request=lease.request._replace(gateway_id=outcome.gateway_id))
    found = find(deps, lease, askings)
    if found is not None:
        return found
    return outcome if remembered else Declined(UNKNOWN_TO_GATEWAY)


def find(deps: Dependencies, lease: Lease, askings: Askings) -> Outcome | None:
    """What became of a charge or refund, without asking for it again: None where it provably never was. The asking is noted, as
    what it comes to.

    Only the account that it was claimed with can tell that. What another shows under our reference is ours all the same (the
    account was renamed, or got a new key); whatever else that one says decides nothing.
    """
    gateway = deps.gateways.named(lease.gateway)
    if gateway is None:
        return Unknown(f"its gateway is {lease.gateway}, whose settings are absent")

    def look(request: GatewayRequest) -> Outcome | None:
        found = (gateway.find_charge if lease.refund_id is None else gateway.find_refund)(request)
        if isinstance(found, Succeeded | Declined | Waiting) or _is_its_account(gateway, lease):
            return found
        return Unknown(
            f"it was claimed with the account {lease.account} of {lease.gateway}, and the settings name {gateway.account},"
            " which does not show it: set the API key of that account again until it is settled, or settle it with make pending"
        )

    return _said(lease, askings, "find", look)


def _said(lease: Lease, askings: Askings, how: How, call: Callable[[GatewayRequest], Said]) -> Said:
    """What the gateway says when it is asked by this call: noted, and in a span."""
    with span(f"gateway {how}", about={"gateway": lease.gateway, **lease.about()}) as spanned:
        began = time.monotonic()
        outcome = call(lease.request)
        asking = askings.note(lease.gateway, how, lease.request, outcome, began)
        spanned.note({"outcome": asking.said})
        if isinstance(outcome, Unknown):
            spanned.fail("unknown")
        return outcome


def _is_its_account(gateway: Gateway, lease: Lease) -> bool:
    """Whether the gateway may be asked about it as if it were the first to be: of the account's own key, or of another that
    the gateway confirms to be the account's. A refund names the charge, which no other account knows: there the name will do.
    """
    if lease.account in (None, gateway.account):
        return True
    if account_name(lease.account or "") != account_name(gateway.account):
        return False
    return lease.refund_id is not None or gateway.confirms_account()
