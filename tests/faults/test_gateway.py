"""The gateway charges, and its answer comes late, is cut off, or is garbage."""

from collections.abc import Callable

import pytest

from tests.fakes.gateway import StripeLike
from tests.faults.service import Service, eventually, new_key
from tests.support.cluster import Place


@pytest.mark.parametrize("token", ["pm_lose_always", "pm_garbage_always", "pm_slow_always"])
@pytest.mark.parametrize("mended_by", ["repeat", "sweep"])
def test_a_charge_whose_answer_is_lost_is_202_and_then_found_charged_once(
    serve: Callable[..., Service], place: Place, bank: StripeLike, token: str, mended_by: str
) -> None:
    bank.control({"slow_seconds": 1.2})
    service = serve(place, "create_payment", "sweep")
    key = new_key()
    answer = service.pay(key, token)
    assert (answer.status, answer.json()["status"]) == (202, "PENDING")
    assert answer.asks_for_patience
    assert answer.took < 2, "a wait for the gateway has no bound"
    if mended_by == "sweep":
        eventually(lambda: sweep_without_pause(service) and place.sql.value("SELECT status FROM payments") == "SUCCESS")
    service.one_charge(service.until_final(lambda: service.pay(key, token)), bank)


def test_a_charge_that_the_gateway_carries_out_after_its_time_out_is_made_once(
    serve: Callable[..., Service], place: Place, bank: StripeLike
) -> None:
    service = serve(place, "create_payment")
    key = new_key()
    answer = service.pay(key, "pm_hold")
    assert answer.status == 202
    assert bank.ledger()["charges"] == {}
    again = service.pay(key, "pm_hold")  # the first is still being carried out there
    assert again.status == 202
    bank.released.set()
    service.one_charge(service.until_final(lambda: service.pay(key, "pm_hold")), bank)
    assert all(known["mismatches"] == 0 for known in bank.ledger()["keys"].values())


def sweep_without_pause(service: Service) -> bool:
    """A sweep, as if the pauses between askings were over."""
    service.place.sql.run("UPDATE idempotency_keys SET ask_after = now() WHERE answer_status IS NULL")
    return service.sweep().status == 204
