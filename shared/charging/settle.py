"""The settle: what the gateway said, stored in one commit with receipt, event and answer."""

from shared.charging.askings import Askings
from shared.charging.dependencies import Dependencies
from shared.charging.lease import Lease
from shared.charging.payment_answers import final_answer, pending_answer
from shared.events.event import event_in
from shared.gateways.protocol import Declined, Succeeded, describe
from shared.platform.database import Row
from shared.platform.log import function_name, log
from shared.web.answers import Answer


def settle(deps: Dependencies, lease: Lease, outcome: Succeeded | Declined, askings: Askings) -> Answer:
    """Settles, unless somebody was faster; the answer is the stored one in either case. How the gateway came to say so is kept
    in the same commit. Raises DatabaseUnavailable.

    A decline that comes after the lease is over settles nothing: whoever holds it by then may have been told otherwise. An
    answer that comes late and contradicts what is stored is noted.
    """
    names, parameters = settlement(deps, lease, outcome, askings)
    too_late = isinstance(outcome, Declined) and lease.is_over()
    settled = [] if too_late else deps.database.run_together(*names, repeatable=True, **parameters)
    if settled:
        if isinstance(outcome, Declined) and settled[0].get("source") == "late_payment":
            log.error("what was paid late is not given back", extra=lease.about() | {"code": outcome.code})
        deps.publisher.publish(event_in(settled[0]))
        return final_answer(settled[0])
    if askings.made:
        deps.database.run_again("keep_askings", **parameters | askings.columns())
    note_contradiction(deps, lease, outcome)
    seconds = deps.settings.idempotency_lock_timeout
    stored = deps.database.one("look", key_hash=lease.key_hash, lease_seconds=seconds)
    if stored is None or stored["answer_status"] is None:
        return pending_answer(lease)
    return final_answer(stored)


def settlement(
    deps: Dependencies, lease: Lease, outcome: Succeeded | Declined, askings: Askings
) -> tuple[list[str], Row]:
    """The statements that store a final outcome with its receipt, event and answer, and what else the gateway said before, in
    one commit; and their parameters. The last of them changes nothing, and gives no row, where somebody was faster."""
    asked = lease.request.asked
    succeeded = "SUCCESS" if lease.refund_id is None else "REFUNDED"
    parameters = {
        "key_hash": lease.key_hash,
        "payment_id": lease.payment_id,
        "refund_id": lease.refund_id,
        "status": succeeded if isinstance(outcome, Succeeded) else "FAILED",
        "failure_code": outcome.code if isinstance(outcome, Declined) else None,
        "gateway_id": outcome.gateway_id,
        "key_ttl": deps.settings.idempotency_key_ttl,
        "asked": asked,
        "asked_ms": askings.told_by_the_row(asked),
        "actor": acting(),
    }
    name = "settle_payment" if lease.refund_id is None else "settle_refund"
    if parameters["asked_ms"] is not None or not askings.made:
        return [name], parameters
    return ["keep_askings", name], parameters | askings.columns()


def note_contradiction(deps: Dependencies, lease: Lease, outcome: Succeeded | Declined) -> None:
    """Where the gateway says otherwise than what is stored of a settled charge or refund: an ERROR in the log and an entry in
    the audit trail, once for each thing that it says. Money moved, or did not, against the books. What the gateway shows by
    its id is rung for, which may put the books right; else a person must look. Raises DatabaseUnavailable."""
    gateway = deps.gateways.named(lease.gateway)
    answer = {"gateway_said": describe(outcome), "gateway_id": outcome.gateway_id}
    rows = deps.database.run_again(
        "note_contradiction",
        actor=acting(),
        payment_id=lease.payment_id,
        refund_id=lease.refund_id,
        outcome="succeeded" if isinstance(outcome, Succeeded) else "failed",
        rings=gateway is not None and gateway.abilities.webhooks,
        **answer,
    )
    for row in rows:
        log.error("the gateway contradicts what is stored", extra=lease.about() | answer | {"stored": row["stored"]})


def acting() -> str:
    """Who writes an entry of the audit trail, where no person does: the function's name."""
    return function_name.get() or "payment-service"
