"""What a refund is entered as that its gateway has and the books have not: as it was claimed, where they lost it."""

import hashlib

from shared.charging.dependencies import Dependencies
from shared.gateways.facts import RefundFact
from shared.late.ring import Left
from shared.platform.database import Row
from shared.platform.log import correlation_id
from shared.rules.identifiers import is_reference, new_reference


def as_claimed(deps: Dependencies, gateway: str, fact: RefundFact) -> Row | Left:
    """What enter_refund is to write of a refund of ours that the books lost (a restored backup, a standby that was behind), so
    that a repeat of its client is answered with it and gives nothing back again: the gateway was told of its key.

    None for every other: for one that does not bear what this cell told, and where the books know its reference or its key
    otherwise by now; then it went out besides. Why it is to be read again, where somebody entered it meanwhile. Raises
    DatabaseUnavailable.
    """
    key = fact.told and fact.told.key()
    if not key or not is_reference(fact.reference, "REF", deps.settings.cell):
        return None
    key_hash, fingerprint = key
    # The key first: who enters it writes both in one commit, and has the reference too when it is seen.
    known_key = deps.database.one("look", key_hash=key_hash, lease_seconds=deps.settings.idempotency_lock_timeout)
    anywhere = {"gateway": gateway, "gateway_id": None, "charge_id": None}
    known = deps.database.one("refund_read", reference=fact.reference, **anywhere)
    if known and known["gateway_id"] == fact.gateway_id:
        return "it was entered meanwhile"
    if known or known_key:
        return None
    return {
        "source": "client",
        "reference": fact.reference,
        "correlation_id": fact.reference,
        "key_hash": key_hash,
        "fingerprint": fingerprint,
        "reason": "asked for by a client, and lost by the books",
    }


def as_made_elsewhere(deps: Dependencies, fact: RefundFact) -> Row:
    """What enter_refund is to write of a refund that nobody asked us for."""
    key_hash = hashlib.sha256(f"gateway_refund\n{fact.gateway_id}".encode()).digest()
    reference = new_reference("REF", deps.settings.cell)
    return {
        "source": "gateway",
        "reference": reference,
        "correlation_id": correlation_id.get() or reference,
        "key_hash": key_hash,
        "fingerprint": key_hash,
        "reason": "made at the gateway",
    }
