"""Workers that die or freeze in the middle of a charge, and everybody who mends it at the same instant."""

import signal
import time
from collections.abc import Callable
from threading import Barrier

import pytest

from tests.fakes.gateway import StripeLike
from tests.faults.service import AT_LAST, WAITING, Answer, Service, eventually, new_key
from tests.support.cluster import Place
from tests.support.functions import AsInTheImage, Functions


def test_two_sweeps_and_a_clients_repeat_at_the_same_instant_settle_an_abandoned_payment_once(
    serve: Callable[..., Service], place: Place, bank: StripeLike
) -> None:
    service, other, third = serve(place, "create_payment"), serve(place, "sweep"), serve(place, "sweep")
    key = new_key()
    service.later(service.pay, key, "pm_hold")
    assert bank.holding.acquire(timeout=5)
    service.functions.kill("create_payment")
    bank.released.set()
    eventually(lambda: bank.ledger()["charges"])
    service.functions.restart("create_payment")
    service.lease_is_old()
    place.sql.run("UPDATE idempotency_keys SET ask_after = now()")
    at_once = Barrier(3)

    def together(work: Callable[[], Answer]) -> Answer:
        at_once.wait()
        return work()

    sweeps = [each.later(together, each.sweep) for each in (other, third)]
    repeat = service.later(together, lambda: service.pay(key, "pm_hold"))
    assert [sweep.result().status for sweep in sweeps] == [204, 204]
    assert repeat.result().status in (201, 409)
    service.one_charge(service.until_final(lambda: service.pay(key, "pm_hold")), bank)


@pytest.mark.parametrize("mended_by", ["repeat elsewhere", "sweep"])
def test_a_worker_frozen_in_the_gateways_answer_past_its_lease_changes_nothing_when_it_wakes(
    serve: Callable[..., Service], place: Place, bank: StripeLike, mended_by: str
) -> None:
    frozen, awake = serve(place, "create_payment"), serve(place, "create_payment", "sweep")
    key = new_key()
    first = frozen.later(frozen.pay, key, "pm_hold")
    assert bank.holding.acquire(timeout=5)
    frozen.functions.kill("create_payment", signal.SIGSTOP)
    bank.released.set()
    frozen.lease_is_old()
    final = mend(awake, mended_by, key, "pm_hold")
    awake.one_charge(final, bank)
    frozen.functions.kill("create_payment", signal.SIGCONT)
    late = first.result()
    assert late.status in (201, 202), late
    awake.one_charge(frozen.until_final(lambda: frozen.pay(key, "pm_hold")), bank)
    assert frozen.pay(key, "pm_hold").body == final.body


@pytest.mark.parametrize("mended_by", ["repeat elsewhere", "sweep"])
def test_a_worker_frozen_between_its_claim_and_the_gateway_does_not_ask_when_it_wakes_past_its_lease(
    serve: Callable[..., Service], place: Place, bank: StripeLike, mended_by: str
) -> None:
    awake = serve(place, "create_payment", "sweep")
    frozen = serve(place, "create_payment", DB_STATEMENT_TIMEOUT="20")
    key = new_key()
    with place.connection() as other:
        other.run("BEGIN")
        other.run("LOCK TABLE payments IN SHARE MODE")  # the claim waits for it
        first = frozen.later(frozen.pay, key)
        eventually(lambda: place.sql.value(WAITING))
        frozen.functions.kill("create_payment", signal.SIGSTOP)
        other.run("COMMIT")
    eventually(lambda: place.sql.value("SELECT count(*) FROM payments") == 1)
    frozen.lease_is_old()
    final = mend(awake, mended_by, key, "pm_card_visa")
    heard_before = len(bank.requests)
    frozen.functions.kill("create_payment", signal.SIGCONT)
    late = first.result()
    assert len(bank.requests) == heard_before, "it asked the gateway without a lease"
    assert (late.status, late.json()["payment_id"]) == (202, final.json()["payment_id"])
    awake.one_charge(awake.pay(key), bank)
    assert awake.pay(key).body == final.body


@pytest.mark.parametrize("by", [Functions, AsInTheImage])
def test_a_worker_that_is_told_to_stop_answers_the_charge_that_runs_and_leaves_no_lease(
    serve: Callable[..., Service], place: Place, bank: StripeLike, by: type[Functions]
) -> None:
    service = serve(place, "create_payment", by=by, GATEWAY_TIMEOUT="8", IDEMPOTENCY_LOCK_TIMEOUT="")
    first = service.later(service.pay, new_key(), "pm_hold")
    assert bank.holding.acquire(timeout=5)
    service.functions.kill("create_payment", signal.SIGTERM)
    eventually(lambda: not service.takes_requests("create_payment"))
    assert not first.done()
    bank.released.set()
    service.one_charge(first.result(), bank)  # which looks for a lease too
    assert service.functions.process("create_payment").wait(AT_LAST) == 0


def test_where_a_worker_was_killed_its_client_s_repeat_is_answered_when_the_lease_ends(
    serve: Callable[..., Service], place: Place, bank: StripeLike
) -> None:
    short = {"IDEMPOTENCY_LOCK_TIMEOUT": "", "GATEWAY_TIMEOUT": "0.7", "DB_STATEMENT_TIMEOUT": "1"}
    lease = 0.7 + 0.7 + 1
    killed, other = serve(place, "create_payment", **short), serve(place, "create_payment", **short)
    key, began = new_key(), time.monotonic()
    killed.later(killed.pay, key, "pm_hold")
    assert bank.holding.acquire(timeout=5)
    killed.functions.kill("create_payment")
    bank.released.set()
    early = other.pay(key, "pm_hold")
    assert (early.status, early.json()["code"]) == (409, "idempotency_in_progress")
    final = other.until_final(lambda: other.pay(key, "pm_hold"))
    assert lease < time.monotonic() - began < lease + 3
    other.one_charge(final, bank)


def mend(service: Service, how: str, key: str, token: str) -> Answer:
    """The abandoned payment is settled, by the client's repeat at another instance or by a sweep; the final answer."""
    if how == "sweep":
        service.place.sql.run("UPDATE idempotency_keys SET ask_after = now()")
        assert service.sweep().status == 204
        assert service.place.sql.value("SELECT status FROM payments") == "SUCCESS"
    return service.until_final(lambda: service.pay(key, token))
