"""Identifiers: ids, and references, by which a payment or refund is known to the gateway and on a receipt."""

import secrets
from datetime import UTC, datetime

# The greatest that the database counts to (bigint).
GREATEST_ID = 2**63 - 1

# Crockford's base 32: no I, L, O or U, so that it can be read aloud.
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference(prefix: str) -> str:
    """`prefix`-YYYYMMDD-, then 80 random bits as sixteen base-32 digits.

    At ten million a day, the chance that any two of one day are alike is below 1 in 20 billion (n²/2^81); the database's
    unique index catches even that.
    """
    bits = secrets.randbits(80)
    digits = "".join(_DIGITS[bits >> shift & 31] for shift in range(75, -1, -5))
    return f"{prefix}-{datetime.now(UTC):%Y%m%d}-{digits}"
