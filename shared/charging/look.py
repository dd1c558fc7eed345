"""The look: what is known of a key before anything is written."""

from shared.charging.answers import final_answer
from shared.charging.lease import take_over
from shared.charging.processor import Processor
from shared.charging.settle import attempt
from shared.platform.settings import SETTINGS
from shared.web.answers import Answer
from shared.web.problems import Problem

# How often a request that loses a race looks again before it asks its client to repeat.
RACES = 5


def look(processor: Processor, key_hash: bytes, fingerprint: bytes) -> Answer | None:
    """None for a key that was never used; otherwise the answer that its request has, or now gets.

    The fingerprint comes first, always. Raises Problem idempotency_key_reused for another request, and
    idempotency_in_progress while somebody holds the lease. Raises DatabaseUnavailable.
    """
    known = processor.database.one("look", key_hash=key_hash, lease_seconds=SETTINGS.idempotency_lock_timeout)
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
    lease = None if known["leased"] else take_over(processor.database, key_hash)
    if lease is None:
        raise in_progress()
    return attempt(processor.database, processor.gateway, processor.publisher, lease)


def in_progress() -> Problem:
    """The refusal while another request with the same key is being worked on."""
    return Problem(
        "idempotency_in_progress",
        "A request with this Idempotency-Key is being worked on; repeat it.",
        retry_after=1,
    )
