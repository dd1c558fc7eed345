"""The look: what is known of a key before anything is written."""

from dataclasses import dataclass

from shared.answer import Answer, final_answer
from shared.database import Database
from shared.gateway import Gateway
from shared.lease import take_over
from shared.problems import Problem
from shared.publisher import Publisher
from shared.settings import SETTINGS
from shared.settle import carry_out

# How often a request that loses a race looks again before it asks its client to repeat.
RACES = 5


@dataclass(frozen=True)
class Ledger:
    """What a charge, a refund and a sweep work with."""

    database: Database
    gateway: Gateway
    publisher: Publisher


def answer_if_known(ledger: Ledger, key_hash: bytes, fingerprint: bytes) -> Answer | None:
    """None for a key that was never used; otherwise the answer that its request has, or now gets.

    The fingerprint comes first, always. Raises Problem idempotency_key_reused for another request, and
    idempotency_in_progress while somebody holds the lease. Raises DatabaseUnavailable.
    """
    known = ledger.database.one("look", key_hash=key_hash, lock_timeout=SETTINGS.idempotency_lock_timeout)
    if known is None:
        return None
    if bytes(known["fingerprint"]) != fingerprint:
        raise Problem(
            "idempotency_key_reused",
            "This Idempotency-Key came before, with other content or on another path.",
        )
    if known["answer_status"] is not None:
        return final_answer(
            known["answer_status"],
            known["answer"],
            known["payment_id"],
            known["refund_id"],
            known["correlation_id"],
        ).replayed()
    lease = None if known["leased"] else take_over(ledger.database, key_hash)
    if lease is None:
        raise in_progress()
    return carry_out(ledger.database, ledger.gateway, ledger.publisher, lease)


def in_progress() -> Problem:
    """The refusal while another request with the same key is being worked on."""
    return Problem(
        "idempotency_in_progress",
        "A request with this Idempotency-Key is being worked on; repeat it.",
        retry_after=1,
    )
