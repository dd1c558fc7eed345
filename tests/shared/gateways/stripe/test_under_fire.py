"""Everything fails at once, and every outcome is still the truth."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge, a_refund

EVERYTHING = {
    "lose": 0.2,
    "drop": 0.2,
    "garbage": 0.1,
    "busy": 0.2,
    "refused": 0.1,
    "broken": 0.1,
    "broken_after": 0.1,
    "processing": 0.1,
    "authenticate": 0.1,
    "meanwhile": 0.05,
    "decline": 0.1,
    "pending": 0.2,
    "failed": 0.1,
}
REFUSED = Declined("parameter_unknown")
TRIES = 6
TWO_DAYS = 2 * 86400.0


def carried_to_its_end(
    request: GatewayRequest,
    ask: Callable[[GatewayRequest], Outcome],
    find: Callable[[GatewayRequest], Outcome | None],
    gateway: StripeLike,
    shares: dict[str, float],
) -> Succeeded | Declined | None:
    """What the service does: ask, then read; and two days later, when all is well, only read."""
    gateway.control(shares)
    for asked in range(1, TRIES + 1):
        for step in (ask, find):
            outcome = step(request._replace(asked=asked))
            if isinstance(outcome, Succeeded | Declined):
                return outcome
            if isinstance(outcome, Unknown) and outcome.gateway_id:
                request = request._replace(gateway_id=outcome.gateway_id)
    gateway.control({"calm": True, "skip": TWO_DAYS})
    outcome = find(request._replace(age=TWO_DAYS))
    assert not isinstance(outcome, Unknown)
    return outcome


@pytest.mark.parametrize("seed", range(3))
def test_every_outcome_is_the_truth_whatever_fails(seed: int) -> None:
    with StripeLike(seed=seed) as gateway:
        stripe = Stripe(API_KEY, gateway.url, 0.3, certain_after=CERTAIN)
        for _ in range(8):
            charge = a_charge(created_at=datetime.fromtimestamp(gateway.books.now(), UTC))
            charged = carried_to_its_end(charge, stripe.charge, stripe.find_charge, gateway, EVERYTHING)
            account = gateway.ledger()["charges"].get(charge.reference, {"count": 0, "succeeded": 0})
            assert account["count"] <= 1
            assert account["succeeded"] == isinstance(charged, Succeeded)
            # Never made: it was never heard of, or its first asking was refused before anything was done.
            assert (charged in (None, REFUSED)) == (account["count"] == 0)
            if isinstance(charged, Succeeded):
                refund = a_refund(charged.gateway_id)
                refunded = carried_to_its_end(refund, stripe.refund, stripe.find_refund, gateway, EVERYTHING)
                account = gateway.ledger()["refunds"].get(refund.reference, {"count": 0, "succeeded": 0})
                assert account["count"] <= 1
                assert account["succeeded"] == isinstance(refunded, Succeeded)
