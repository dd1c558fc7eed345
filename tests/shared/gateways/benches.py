"""Each gateway on a bench: how a charge of it is had to succeed, to be declined, and to need its customer; and the customer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from shared.gateways.abilities import ABILITIES
from shared.gateways.cash import Cash
from shared.gateways.protocol import Gateway, GatewayRequest
from shared.gateways.simulated import ANSWERS_AFTER, Simulated
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge

WAITS = 600.0


class Bench:
    """`declined` and `needs_customer`: what a claim bears that comes to that; None where nothing does."""

    declined: Mapping[str, Any] | None = None
    needs_customer: Mapping[str, Any] | None = None

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def claim(self, **differently: Any) -> GatewayRequest:
        """A charge, claimed just now, without the customer."""
        return a_charge(**({"customer_present": False, "waits": WAITS} | differently))

    def confirm(self, waiting: GatewayRequest) -> GatewayRequest:
        """The customer does what is asked for; the request as it is asked for after that."""
        raise NotImplementedError

    def refuse(self, waiting: GatewayRequest) -> GatewayRequest:
        """The customer is refused; the request as it is asked for after that."""
        raise NotImplementedError


class SimulatedBench(Bench):
    declined = MappingProxyType({"simulate": "decline"})
    needs_customer = MappingProxyType({"simulate": "customer"})

    def confirm(self, waiting: GatewayRequest) -> GatewayRequest:
        return waiting._replace(age=ANSWERS_AFTER)

    def refuse(self, waiting: GatewayRequest) -> GatewayRequest:
        return waiting._replace(age=ANSWERS_AFTER, simulate="customer_refuses")


class StripeBench(Bench):
    declined = MappingProxyType({"payment_token": "pm_decline_lost_card"})
    needs_customer = MappingProxyType({"payment_token": "pm_customer"})

    def __init__(self, like: StripeLike) -> None:
        super().__init__(Stripe("sk_test_1", like.url, 5.0, certain_after=CERTAIN))
        self._books = like.books

    def confirm(self, waiting: GatewayRequest) -> GatewayRequest:
        return self._answered(self._books.customer_confirms, waiting)

    def refuse(self, waiting: GatewayRequest) -> GatewayRequest:
        return self._answered(self._books.customer_refuses, waiting)

    def _answered(self, does: Callable[[str], object], waiting: GatewayRequest) -> GatewayRequest:
        assert waiting.gateway_id is not None
        does(waiting.gateway_id)
        return waiting


@contextmanager
def benches() -> Iterator[Mapping[str, Bench]]:
    """One for each row of the table."""
    with StripeLike() as like:
        every = {"cash": Bench(Cash()), "simulated": SimulatedBench(Simulated(1.0, 10)), "stripe": StripeBench(like)}
        assert every.keys() == ABILITIES.keys(), "each row of the table has a gateway that is put to the test"
        yield every
