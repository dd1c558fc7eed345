"""From a claim to its end: ask the gateway, and store what it said. A first request, a repeat and a sweep all end here."""

from collections.abc import Callable
from dataclasses import replace

from shared.charging.answers import final_answer, pending_answer
from shared.charging.lease import Lease, give_back
from shared.events.event import event_in
from shared.events.publisher import Publisher
from shared.gateways.protocol import Declined, Gateway, Outcome, Succeeded, Unknown, account_name, describe
from shared.gateways.registry import gateway_of
from shared.platform.database import Database, Row
from shared.platform.log import function_name, log
from shared.platform.settings import SETTINGS
from shared.web.answers import Answer

UNKNOWN_TO_GATEWAY = "gateway_unknown"


def attempt(
    database: Database,
    gateway: Gateway,
    publisher: Publisher,
    lease: Lease,
    heard: Callable[[Outcome], object] = lambda outcome: None,
) -> Answer:
    """Asks the gateway and settles; raises nothing. Whatever fails, the answer is the PENDING payment or refund (202): the
    claim stands, and a repeat or a sweep carries it to its end. `heard` is told what the gateway said."""
    outcome: Outcome = Unknown("it was not asked")
    try:
        outcome = ask(gateway, lease)
        heard(outcome)
        if isinstance(outcome, Unknown):
            log.warning("outcome unknown", extra=_about(lease) | {"why": outcome.why, "asked": lease.request.asked})
            give_back(database, lease, outcome)
        else:
            return settle(database, publisher, lease, outcome)
    except Exception:
        said = {"gateway_said": describe(outcome), "gateway_id": outcome.gateway_id}
        log.exception("not settled; it will be asked again", extra=_about(lease) | said)
    return pending_answer(lease.shown, lease.payment_id, lease.refund_id)


def ask(chosen: Gateway, lease: Lease) -> Outcome:
    """What the gateway that a charge or refund was claimed with says of it.

    Asked again with the same reference it charges once, but only while it remembers the reference
    (GATEWAY_KEY_RETENTION, seconds), and only in the account that was asked first: otherwise it is only read. A repeat that
    is not final is followed by a read too, since gateways replay stored answers that were not final.
    """
    gateway = gateway_of(chosen, lease.gateway)
    outcome = Unknown("the lease is too old to ask")
    remembered = lease.request.age < SETTINGS.gateway_key_retention
    if gateway and _is_its_account(gateway, lease) and remembered and lease.allows_a_call():
        asked = (gateway.charge if lease.refund_id is None else gateway.refund)(lease.request)
        if lease.request.asked == 1 or not isinstance(asked, Unknown):
            return asked
        outcome = asked
    if not lease.allows_a_call():
        return outcome
    if outcome.gateway_id is not None:
        lease = replace(lease, request=replace(lease.request, gateway_id=outcome.gateway_id))
    found = read(chosen, lease)
    if found is not None:
        return found
    return outcome if remembered else Declined(UNKNOWN_TO_GATEWAY)


def read(chosen: Gateway, lease: Lease) -> Outcome | None:
    """What became of a charge or refund, without asking for it again: None where it provably never was.

    Only the account that it was claimed with can tell that. What another shows under our reference is ours all the same (the
    account was renamed, or got a new key); whatever else that one says decides nothing.
    """
    gateway = gateway_of(chosen, lease.gateway)
    if gateway is None:
        return Unknown(f"its gateway is {lease.gateway}, whose settings are absent")
    found = (gateway.find_charge if lease.refund_id is None else gateway.find_refund)(lease.request)
    if _is_its_account(gateway, lease) or isinstance(found, Succeeded | Declined):
        return found
    return Unknown(
        f"it was claimed with the account {lease.account} of {lease.gateway}, and the settings name {gateway.account}, which"
        " does not show it: set the API key of that account again until it is settled, or settle it with make pending"
    )


def _is_its_account(gateway: Gateway, lease: Lease) -> bool:
    """Whether the gateway may be asked about it as if it were the first to be: of the account's own key, or of another that
    the gateway confirms to be the account's. A refund names the charge, which no other account knows: there the name will do.
    """
    if lease.account in (None, gateway.account):
        return True
    if account_name(lease.account or "") != account_name(gateway.account):
        return False
    return lease.refund_id is not None or gateway.confirms_account()


def settlement(lease: Lease, outcome: Succeeded | Declined) -> tuple[str, Row]:
    """The statement that stores a final outcome with its receipt, event and answer, in one commit, and its parameters. It
    changes nothing, and gives no row, where somebody was faster."""
    succeeded = "SUCCESS" if lease.refund_id is None else "REFUNDED"
    parameters = {
        "key_hash": lease.key_hash,
        "payment_id": lease.payment_id,
        "refund_id": lease.refund_id,
        "status": succeeded if isinstance(outcome, Succeeded) else "FAILED",
        "failure_code": outcome.code if isinstance(outcome, Declined) else None,
        "gateway_id": outcome.gateway_id,
        "key_ttl": SETTINGS.idempotency_key_ttl,
    }
    return "settle_payment" if lease.refund_id is None else "settle_refund", parameters


def settle(database: Database, publisher: Publisher, lease: Lease, outcome: Succeeded | Declined) -> Answer:
    """Settles, unless somebody was faster; the answer is the stored one in either case. Raises DatabaseUnavailable.

    A decline that comes after the lease is over settles nothing: whoever holds it by now may have been told otherwise. An
    answer that comes late and contradicts what is stored is noted.
    """
    name, parameters = settlement(lease, outcome)
    too_late = isinstance(outcome, Declined) and lease.is_over()
    rows = [] if too_late else database.run_again(name, **parameters)
    if rows:
        publisher.publish(event_in(rows[0]))
        return final_answer(
            rows[0]["answer_status"],
            rows[0]["answer"],
            lease.payment_id,
            lease.refund_id,
            lease.correlation_id,
        )
    note_contradiction(database, lease, outcome)
    stored = database.one("look", key_hash=lease.key_hash, lease_seconds=SETTINGS.idempotency_lock_timeout)
    if stored is None or stored["answer_status"] is None:
        return pending_answer(lease.shown, lease.payment_id, lease.refund_id)
    return final_answer(
        stored["answer_status"], stored["answer"], lease.payment_id, lease.refund_id, lease.correlation_id
    )


def note_contradiction(database: Database, lease: Lease, outcome: Succeeded | Declined) -> None:
    """Where the gateway says otherwise than what is stored of a settled charge or refund: an ERROR in the log and an entry in
    the audit trail, once for each thing that it says. Money moved, or did not, against the books; a person must look.
    Raises DatabaseUnavailable."""
    rows = database.run_again(
        "note_contradiction",
        actor=function_name.get() or "payment-service",
        payment_id=lease.payment_id,
        refund_id=lease.refund_id,
        outcome="succeeded" if isinstance(outcome, Succeeded) else "failed",
        gateway_said=describe(outcome),
        gateway_id=outcome.gateway_id,
    )
    for row in rows:
        said = {"gateway_said": describe(outcome), "gateway_id": outcome.gateway_id, "stored": row["stored"]}
        log.error("the gateway contradicts what is stored", extra=_about(lease) | said)


def _about(lease: Lease) -> dict[str, object]:
    about: dict[str, object] = {"payment_id": lease.payment_id}
    return about if lease.refund_id is None else about | {"refund_id": lease.refund_id}
