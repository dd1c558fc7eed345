"""The look: what is known of a key before anything is written."""

from shared.charging.attempt import attempt
from shared.charging.dependencies import Dependencies
from shared.charging.idempotency import IdempotencyKey
from shared.charging.lease import take_over
from shared.charging.payment_answers import final_answer
from shared.web.answers import Answer
from shared.web.problems import Problem

# How often a request that loses a race looks again before it asks its client to repeat. Each loss means that another request
# committed meanwhile, so two looks nearly always find it.
RACES = 5


def look(deps: Dependencies, idempotency_key: IdempotencyKey) -> Answer | None:
    """None for a key that was never used; otherwise the answer that its request has, or gets by this attempt.

    The fingerprint comes first, always. Raises Problem idempotency_key_reused for another request, and
    idempotency_in_progress while somebody holds the lease. Raises DatabaseUnavailable.
    """
    seconds = deps.settings.idempotency_lock_timeout
    stored = deps.database.one("look", key_hash=idempotency_key.key_hash, lease_seconds=seconds)
    if stored is None:
        return None
    if bytes(stored["fingerprint"]) != idempotency_key.fingerprint:
        raise Problem(
            "idempotency_key_reused",
            "This Idempotency-Key came before, with other content or on another path.",
        )
    if stored["answer_status"] is not None:
        return final_answer(stored).replayed()
    lease = None if stored["leased"] else take_over(deps, idempotency_key.key_hash)
    if lease is None:
        raise in_progress()
    return attempt(deps, lease)


def in_progress() -> Problem:
    """The refusal while another request with the same key is being worked on."""
    return Problem(
        "idempotency_in_progress",
        "A request with this Idempotency-Key is being worked on; repeat it.",
        retry_after=1,
    )
