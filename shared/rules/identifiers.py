"""Identifiers: ids, those of drivers too; and references, by which a payment or refund is known to the gateway and on a
receipt."""

import re
import secrets
from datetime import UTC, datetime
from decimal import Decimal

from shared.rules.cells import GREATEST_CELL

# The greatest that the database counts to (bigint).
GREATEST_ID = 2**63 - 1
DRIVER_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

# Crockford's base 32: no I, L, O or U, so that it can be read aloud. Eight times over, so that each value of a byte has one,
# and each of them is as likely as any other.
_DIGITS = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ" * 8
_REFERENCE = re.compile("([A-Z]{3})-[0-9]{8}-[0-9A-HJKMNP-TV-Z]{16}(?:-([1-9][0-9]{0,3}))?")


def new_reference(prefix: str, cell: int) -> str:
    """`prefix`-YYYYMMDD-, then 80 random bits as sixteen base-32 digits; and -`cell` after that, but for cell 0.

    At ten million a day, the chance that any two of one day are alike is below 1 in 20 billion (n²/2^81); the database's
    unique index catches even that.
    """
    digits = secrets.token_bytes(16).translate(_DIGITS).decode()
    return f"{prefix}-{datetime.now(UTC):%Y%m%d}-{digits}" + (f"-{cell}" if cell else "")


def is_reference(text: str | None, prefix: str, cell: int) -> bool:
    """Whether a text is a reference of this cell's with this prefix, or looks like one: others write references too."""
    return (text or "").startswith(f"{prefix}-") and cell_of_reference(text) == cell


def cell_of_reference(text: str | None) -> int | None:
    """The number of the cell that a reference is of, or looks like; None for what is no reference of any cell's."""
    found = _REFERENCE.fullmatch(text or "")
    cell = int(found[2] or 0) if found else None
    return cell if cell is not None and cell <= GREATEST_CELL else None


def driver_id(value: object) -> str | None:
    """The id of a driver as it is stored: a string of DRIVER_ID; an integer from 0 to GREATEST_ID, also one that is written
    as 7.0, is its digits. None for what is none."""
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= GREATEST_ID:
        return str(value)
    return value if isinstance(value, str) and DRIVER_ID.fullmatch(value) else None
