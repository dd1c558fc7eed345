"""What Stripe is told of a claim, in the metadata of its objects, and what it shows of that again."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.gateways.facts import FARE, Told
from shared.gateways.stripe.api import Fields
from shared.platform import json_text
from shared.rules.identifiers import GREATEST_ID, driver_id
from shared.rules.states import METHODS

# Characters of a value: https://docs.stripe.com/metadata#data
_LONGEST = 500


def told_fields(told: Told) -> Fields:
    """The metadata that tells it, beside what every object of ours bears. Of a fare of more digits than there is room for only
    that there was one."""
    told_as = {
        "key_hash": told.key_hash,
        "fingerprint": told.fingerprint,
        "trip_id": told.trip_id,
        "method": told.method,
        "fare": told.fare and _fare_text(told.fare),
        "driver_id": told.driver_id,
        "commission": told.commission,
    }
    return [(f"metadata[{name}]", str(value)) for name, value in told_as.items() if value is not None]


def told_in(found: Mapping[str, Any]) -> Told | None:
    """What an object of ours shows again: each field None where it was not told, or is not what we tell, and then it is not
    understood as a whole. None where it was not told whose key it was claimed with, as by the version before."""
    metadata = found.get("metadata")
    if not isinstance(metadata, dict) or "key_hash" not in metadata:
        return None
    told = {name: value for name, value in metadata.items() if isinstance(value, str) and len(value) <= _LONGEST}
    method = told.get("method")
    read = Told(
        payment_id=_id(told.get("payment_id", "")),
        key_hash=_hash(told.get("key_hash", "")),
        fingerprint=_hash(told.get("fingerprint", "")),
        trip_id=_id(told.get("trip_id", "")),
        method=method if method in METHODS else None,
        fare=_fare(told.get("fare", "")),
        driver_id=driver_id(told.get("driver_id")),
        commission=_money(told.get("commission", "")),
    )
    return read._replace(
        understood=not any(name in metadata for name, value in read._asdict().items() if value is None)
    )


def _fare_text(fare: Mapping[str, Decimal]) -> str:
    text = "{" + ",".join(f'"{name}":{fare[name]:f}' for name in FARE) + "}"
    return text if len(text) <= _LONGEST else "{}"


def _id(text: str) -> int | None:
    return int(text) if re.fullmatch("[1-9][0-9]{0,18}", text) and int(text) <= GREATEST_ID else None


def _hash(text: str) -> str | None:
    return text if re.fullmatch("[0-9a-f]{64}", text) else None


def _money(text: str) -> Decimal | None:
    return Decimal(text) if re.fullmatch(r"[0-9]{1,10}\.[0-9]{2}", text) else None


def _fare(text: str) -> dict[str, Decimal] | None:
    """The numbers that a fare was made of, all four or none: exactly as they were told."""
    try:
        fare = json_text.read(text.encode())
    except json_text.JsonError:
        return None
    if not isinstance(fare, dict) or fare.keys() != set(FARE):
        return None
    numbers = {name: Decimal(fare[name]) for name in FARE if _is_a_number(fare[name])}
    return numbers if len(numbers) == len(FARE) else None


def _is_a_number(value: object) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value >= 0
