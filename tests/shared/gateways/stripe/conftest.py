from collections.abc import Iterator

import pytest

from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN

API_KEY = "sk_test_4eC39HqLyjWDarjtT1zdp7dc"


@pytest.fixture
def gateway() -> Iterator[StripeLike]:
    """A gateway like Stripe's, with nothing in its books."""
    with StripeLike() as gateway:
        yield gateway


@pytest.fixture
def stripe(gateway: StripeLike) -> Stripe:
    return Stripe(API_KEY, gateway.url, 5.0, certain_after=CERTAIN)


@pytest.fixture
def hasty(gateway: StripeLike) -> Stripe:
    """Gives up so soon that a test may wait for it."""
    return Stripe(API_KEY, gateway.url, 0.4, certain_after=CERTAIN)
