"""Orders as the service makes them, for the tests of the gateways."""

import time
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from shared.gateways.protocol import GatewayRequest
from tests.support.settings import SETTINGS

# Seconds after a claim from which on what is not found is absent.
CERTAIN = SETTINGS.gateway_key_retention + 2 * SETTINGS.idempotency_lock_timeout

_numbers = count(1)


def a_charge(**differently: Any) -> GatewayRequest:
    """A charge of 36.50 INR that was claimed just now."""
    number = next(_numbers)
    usual: dict[str, Any] = {
        "reference": f"PAY-20261122-{number:016d}",
        "payment_id": number,
        "amount": Decimal("36.50"),
        "currency": "INR",
        "created_at": datetime.now(UTC),
        "age": 0.0,
        "payment_token": "pm_card",
        "description": "Trip 101",
    }
    return GatewayRequest(**(usual | differently))


def a_refund(charge_id: str | None, **differently: Any) -> GatewayRequest:
    """A refund of 10.00 INR of a charge, claimed just now."""
    reference = f"REF-20261122-{next(_numbers):016d}"
    return a_charge(**({"reference": reference, "amount": Decimal("10.00"), "charge_id": charge_id} | differently))


def claimed_ago(seconds: float) -> dict[str, Any]:
    """The times of a request that was claimed so long ago."""
    return {"created_at": datetime.fromtimestamp(time.time() - seconds, UTC), "age": seconds}
