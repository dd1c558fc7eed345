"""A key belongs to whoever sends it; and whoever asked is stored with what was asked for."""

import pytest
from psycopg2 import errors

from shared.web.access.caller import Caller
from shared.web.problems import Problem
from tests.sql.rows import PAYMENT, a_payment, insert
from tests.support.cluster import Place
from tests.support.gateway import Lost
from tests.support.till import Till, a_caller, shown

TRIPS, KIOSK = a_caller("trips"), a_caller("kiosk")
ELSEWHERE = a_caller("trips", "https://other.example")
CALLERS = [TRIPS, KIOSK, ELSEWHERE, None]


@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_equal_keys_of_different_callers_are_different_payments(till: Till, method: str) -> None:
    paid = {shown(till.pay(key="k", method=method, caller=caller))["payment_id"] for caller in CALLERS}
    assert len(paid) == len(CALLERS)
    again = [till.pay(key="k", method=method, caller=caller) for caller in CALLERS]
    assert {shown(answer)["payment_id"] for answer in again} == paid
    assert all(answer.headers["Idempotent-Replayed"] == "true" for answer in again)


def test_equal_keys_of_different_callers_are_different_refunds(till: Till) -> None:
    payment_id = shown(till.pay())["payment_id"]
    given = {shown(till.refund(payment_id, "10.00", key="k", caller=caller))["refund_id"] for caller in CALLERS}
    assert len(given) == len(CALLERS)
    assert {shown(till.refund(payment_id, "10.00", key="k", caller=each))["refund_id"] for each in CALLERS} == given


def test_another_s_key_with_other_content_is_no_reuse(till: Till) -> None:
    till.pay(key="k", amount="10.00", caller=TRIPS)
    assert till.pay(key="k", amount="20.00", caller=KIOSK).status == 201
    with pytest.raises(Problem, match="before") as refused:
        till.pay(key="k", amount="20.00", caller=TRIPS)
    assert refused.value.code == "idempotency_key_reused"


def test_whose_request_is_being_worked_on_is_told_nobody_else(till: Till) -> None:
    till.gateway.next(Lost())
    assert till.pay(key="k", caller=TRIPS).status == 202
    till.gateway.next(Lost())
    assert shown(till.pay(key="k", caller=KIOSK))["payment_id"] != 1
    assert shown(till.pay(key="k", caller=TRIPS))["payment_id"] == 1


@pytest.mark.parametrize("named", ["trips", TRIPS.name])
def test_a_key_of_the_time_without_authentication_is_that_of_the_caller_that_is_named(till: Till, named: str) -> None:
    """And so is one of the time with it, on the way back, and while functions of both run."""
    before = till.pay(key="k")
    payment_id = shown(before)["payment_id"]
    refund = till.refund(payment_id, "10.00", key="r")
    till.change(auth_open_keys=named)
    assert till.pay(key="k", caller=TRIPS) == before.replayed()
    assert till.refund(payment_id, "10.00", key="r", caller=TRIPS) == refund.replayed()
    assert shown(till.pay(key="k", caller=KIOSK))["payment_id"] != payment_id
    since = till.pay(key="since", caller=TRIPS)
    assert till.pay(key="since") == since.replayed()


def test_where_nobody_is_named_it_is_nobody_s(till: Till) -> None:
    till.pay(key="k")
    assert len({shown(till.pay(key="k", caller=caller))["payment_id"] for caller in CALLERS}) == len(CALLERS)


def test_whoever_asked_is_stored_with_the_payment_the_refund_and_the_events(till: Till, place: Place) -> None:
    payment_id = shown(till.pay(caller=TRIPS))["payment_id"]
    till.refund(payment_id, "10.00", caller=KIOSK)
    till.pay(method="CASH", caller=ELSEWHERE)
    till.pay()
    stored = {
        table: [row["caller"] for row in place.sql.run(f"SELECT caller FROM {table} ORDER BY created_at")]
        for table in ("payments", "payment_refunds", "outbox")
    }
    assert stored == {
        "payments": [TRIPS.name, ELSEWHERE.name, None],
        "payment_refunds": [KIOSK.name],
        "outbox": [TRIPS.name, KIOSK.name, ELSEWHERE.name, None],
    }
    ids = "SELECT count(*) FROM {} JOIN idempotency_keys k USING (correlation_id)"
    assert place.sql.value(ids.format("payments p")) == 3
    assert place.sql.value(ids.format("payment_refunds r")) == 1


def test_a_caller_s_name_is_stored_whole(till: Till, place: Place) -> None:
    longest = Caller("https://" + "i" * 248, "ü" * 256, frozenset())
    till.pay(caller=longest)
    assert place.sql.value("SELECT caller FROM outbox") == longest.name


@pytest.mark.parametrize("name", ["x" * 514, "two\nlines", "\x1b[31m", "\x7f"])
def test_a_name_that_no_token_may_have_is_refused(place: Place, name: str) -> None:
    with pytest.raises(errors.CheckViolation, match="payments_caller_check"):
        insert(place.sql, "payments", PAYMENT | {"reference": "PAY-1", "status": "PENDING", "caller": name})
    refund = {"payment_id": a_payment(place.sql), "amount": 1, "status": "PENDING", "reference": "REF-1"}
    with pytest.raises(errors.CheckViolation, match="payment_refunds_caller_check"):
        insert(place.sql, "payment_refunds", refund | {"caller": name})


@pytest.mark.parametrize("caller", [None, TRIPS])
def test_a_charge_is_look_claim_and_settle_whoever_asks(till: Till, caller: Caller | None) -> None:
    till.change(auth_open_keys="kiosk")
    till.pay(caller=caller)
    assert till.database.ran == ["look", "claim_payment", "settle_payment"]
