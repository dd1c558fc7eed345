"""From a claim to its end: ask the gateway, and store what it said. A first request, a repeat and a sweep all end here."""

from collections.abc import Callable

from shared.answer import Answer, final_answer, pending_answer
from shared.database import Database, Row
from shared.events import Publisher, event_in
from shared.gateway import CASH, Declined, Gateway, Outcome, Succeeded, Unknown
from shared.lease import Lease, give_back
from shared.log import log
from shared.settings import SETTINGS

UNKNOWN_TO_GATEWAY = "gateway_unknown"


def carry_out(
    database: Database,
    gateway: Gateway,
    publisher: Publisher,
    lease: Lease,
    heard: Callable[[Outcome], object] = lambda outcome: None,
) -> Answer:
    """Asks the gateway and settles; raises nothing. Whatever fails, the answer is the PENDING payment or refund (202): the
    claim stands, and a repeat or a sweep carries it to its end. `heard` is told what the gateway said."""
    try:
        outcome = ask(gateway, lease)
        heard(outcome)
        if isinstance(outcome, Unknown):
            log.warning("outcome unknown", extra=_about(lease) | {"why": outcome.why, "asked": lease.asked})
            give_back(database, lease, outcome.gateway_id, answered=outcome.answered)
        else:
            return settle(database, publisher, lease, outcome)
    except Exception:
        log.exception("not settled; it will be asked again", extra=_about(lease))
    return pending_answer(lease.shown, lease.payment_id, lease.refund_id)


def ask(gateway: Gateway, lease: Lease) -> Outcome:
    """What the gateway says of a charge or refund.

    Asked again with the same reference it charges once, but only while it remembers the reference
    (GATEWAY_KEY_RETENTION, seconds): after that it is only read. A repeat that is not final is followed by a read too,
    since gateways replay stored answers that were not final.
    """
    if lease.gateway == CASH:
        return Succeeded()
    if lease.gateway != gateway.name:
        return Unknown(f"it was claimed with the gateway {lease.gateway}, and this is {gateway.name}")
    asks, finds = (
        (gateway.charge, gateway.find_charge) if lease.refund_id is None else (gateway.refund, gateway.find_refund)
    )
    outcome: Outcome = Unknown("the lease is too old to ask")
    remembered = lease.order.age < SETTINGS.gateway_key_retention
    if remembered and lease.allows_a_call():
        outcome = asks(lease.order)
        if lease.asked == 1 or not isinstance(outcome, Unknown):
            return outcome
    if not lease.allows_a_call():
        return outcome
    found = finds(lease.order)
    if found is not None:
        return found
    return outcome if remembered else Declined(UNKNOWN_TO_GATEWAY)


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
    """Settles, unless somebody was faster; the answer is the stored one in either case. Raises DatabaseUnavailable."""
    name, parameters = settlement(lease, outcome)
    rows = database.run_again(name, **parameters)
    if rows:
        publisher.publish(event_in(rows[0]))
        return final_answer(
            rows[0]["answer_status"],
            rows[0]["answer"],
            lease.payment_id,
            lease.refund_id,
            lease.correlation_id,
        )
    stored = database.one("look", key_hash=lease.key_hash, lock_timeout=SETTINGS.idempotency_lock_timeout)
    if stored is None or stored["answer_status"] is None:
        return pending_answer(lease.shown, lease.payment_id, lease.refund_id)
    return final_answer(
        stored["answer_status"], stored["answer"], lease.payment_id, lease.refund_id, lease.correlation_id
    )


def _about(lease: Lease) -> dict[str, object]:
    about: dict[str, object] = {"payment_id": lease.payment_id}
    return about if lease.refund_id is None else about | {"refund_id": lease.refund_id}
