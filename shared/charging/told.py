"""What the gateway is told of a claim beside our reference, so that it can be entered again where the books lose it."""

from shared.gateways.facts import FARE, Told
from shared.platform.database import Row


def told_of(row: Row) -> Told:
    """What is told of the claim in a row that makes a lease. It is all as it was claimed, and the same whenever it is told:
    the gateway compares a repeat with the first request."""
    key_hash, fingerprint = bytes(row["key_hash"]).hex(), bytes(row["fingerprint"]).hex()
    if row["refund_id"] is not None:
        return Told(row["payment_id"], key_hash, fingerprint)
    return Told(
        row["payment_id"],
        key_hash,
        fingerprint,
        trip_id=row["trip_id"],
        method=row["method"],
        fare=None if row["base_fare"] is None else {name: row[name] for name in FARE},
        driver_id=row["driver_id"],
        commission=row["commission"],
    )
