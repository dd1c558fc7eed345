"""The simulated gateway: the same answer however often it is asked, and the outcomes that a client may force."""

import time
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shared.gateways.protocol import Declined, GatewayRequest, Succeeded, Unknown, Waiting
from shared.gateways.simulated import Simulated
from shared.rules.identifiers import new_reference


def request(reference: str = "PAY-1", age: float = 0.0, simulate: str | None = None) -> GatewayRequest:
    return GatewayRequest(reference, 1, Decimal("10.00"), "INR", datetime.now(UTC), age, simulate=simulate)


def test_by_default_everything_succeeds() -> None:
    gateway = Simulated(1.0, 10)
    for _ in range(200):
        asked = request(new_reference("PAY", 0))
        assert gateway.charge(asked) == Succeeded(f"sim_{asked.reference}")


def test_it_decides_from_the_reference_alone() -> None:
    references = [new_reference("PAY", 0) for _ in range(300)]
    first, second = Simulated(0.5, 10), Simulated(0.5, 10)
    for reference in references:
        said = first.charge(request(reference))
        assert said == second.charge(request(reference, age=100.0)) == first.find_charge(request(reference))


@pytest.mark.parametrize("rate", [0.0, 0.25, 0.9])
def test_the_success_rate_is_the_share_of_charges_that_succeed(rate: float) -> None:
    gateway = Simulated(rate, 10)
    outcomes = Counter(type(gateway.charge(request(f"PAY-{number}"))) for number in range(4000))
    assert outcomes[Succeeded] / 4000 == pytest.approx(rate, abs=0.03)
    assert outcomes[Succeeded] + outcomes[Declined] == 4000


def test_refunds_succeed_whatever_the_rate() -> None:
    assert isinstance(Simulated(0.0, 10).refund(request("REF-1")), Succeeded)


def test_decline_declines_charges_and_refunds() -> None:
    gateway, asked = Simulated(1.0, 10), request(simulate="decline")
    for said in (gateway.charge(asked), gateway.refund(asked), gateway.find_charge(asked), gateway.find_refund(asked)):
        assert said == Declined("card_declined")


@pytest.mark.parametrize("verb", ["charge", "refund", "find_charge", "find_refund"])
def test_timeout_is_unknown_at_once_until_five_seconds_after_the_claim(verb: str) -> None:
    ask = getattr(Simulated(1.0, 10), verb)
    assert isinstance(ask(request(simulate="timeout")), Unknown)
    assert isinstance(ask(request(simulate="timeout", age=4.9)), Unknown)
    assert isinstance(ask(request(simulate="timeout", age=5.0)), Succeeded)


def test_slow_takes_two_seconds_but_never_longer_than_the_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert isinstance(Simulated(1.0, 10).charge(request(simulate="slow")), Succeeded)
    assert isinstance(Simulated(1.0, 0.5).charge(request(simulate="slow")), Unknown)
    assert slept == [2.0, 0.5]


def of_the_present(simulate: str, age: float, waits: float = 600.0) -> GatewayRequest:
    return request(age=age, simulate=simulate)._replace(customer_present=True, waits=waits)


def test_a_customer_answers_three_seconds_after_the_claim() -> None:
    gateway = Simulated(1.0, 10)
    for simulate, answer in [
        ("customer", Succeeded("sim_PAY-1")),
        ("customer_refuses", Declined("authentication_failed", "sim_PAY-1")),
    ]:
        assert isinstance(gateway.charge(of_the_present(simulate, 2.9)), Waiting)
        assert gateway.charge(of_the_present(simulate, 3.0)) == answer
        assert gateway.find_charge(of_the_present(simulate, 1e6)) == answer


@pytest.mark.parametrize("simulate", ["customer", "customer_refuses", "customer_absent"])
def test_a_customer_who_is_late_by_then_stays_late(simulate: str) -> None:
    gateway = Simulated(1.0, 10)
    assert isinstance(gateway.charge(of_the_present(simulate, 1.9, waits=2.0)), Waiting)
    for age in (2.0, 3.0, 1e6):
        expired = Declined("authentication_expired", "sim_PAY-1")
        assert gateway.charge(of_the_present(simulate, age, waits=2.0)) == expired


@pytest.mark.parametrize("simulate", ["customer", "customer_refuses", "customer_absent"])
def test_nobody_needs_a_customer_to_be_given_money_back(simulate: str) -> None:
    gateway = Simulated(1.0, 10)
    for refunded in (gateway.refund(request(simulate=simulate)), gateway.find_refund(request(simulate=simulate))):
        assert isinstance(refunded, Succeeded)


def test_another_word_forces_nothing() -> None:
    assert isinstance(Simulated(1.0, 10).charge(request(simulate="DROP TABLE payments")), Succeeded)
