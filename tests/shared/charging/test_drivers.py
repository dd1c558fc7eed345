"""Who drove, and what of it is theirs: as the request or the Trip Service says, decided at the claim, and told the gateway."""

import json
from decimal import Decimal
from typing import Any

import pytest

from shared.charging.idempotency import fingerprint, hash_key
from shared.charging.lease import take_over
from shared.gateways.facts import Told
from shared.gateways.protocol import Declined, Unknown
from shared.web.problems import Problem
from shared.web.requests import content, read_payment
from tests.fakes.trips import COMPLETED, Says, TripServer
from tests.sql.rows import a_key, a_payment, a_refund
from tests.support.cluster import Place
from tests.support.gateway import Lost
from tests.support.till import Till, a_caller, shown

STORED = "SELECT driver_id, commission FROM payments"


def stored(place: Place) -> tuple[str | None, Decimal | None]:
    [row] = place.sql.run(STORED)
    return row["driver_id"], row["commission"]


@pytest.mark.parametrize("method", ["CARD", "CASH"])
@pytest.mark.parametrize("amount", ["150.00", None])
def test_the_driver_is_the_requests_or_else_the_trips_and_the_trip_is_asked_once(
    till: Till, place: Place, trips: TripServer, amount: str | None, method: str
) -> None:
    trips.says(101, COMPLETED | {"driver_id": "of-the-trip"})
    assert shown(till.pay(amount=amount, method=method))["driver_id"] == "of-the-trip"
    assert len(trips.asked) == 1
    trips.says(102, COMPLETED | {"driverId": 7})
    named = shown(till.pay(trip_id=102, amount=amount, method=method, driver_id="of-the-request"))
    assert (named["driver_id"], len(trips.asked)) == ("of-the-request", 2)
    trips.says(103, COMPLETED | {"driverId": 7})
    assert shown(till.pay(trip_id=103, amount=amount, method=method))["driver_id"] == "7"
    assert place.sql.value("SELECT count(*) FROM payments WHERE commission IS NULL") == 3, "without a rule"


def test_without_a_driver_nothing_is_shown_of_one_and_there_is_no_commission(till: Till, place: Place) -> None:
    till.change(commission_rate=Decimal("0.2"))
    answer = till.pay()
    assert "driver_id" not in answer.body
    assert stored(place) == (None, None)


@pytest.mark.parametrize("method", ["CARD", "CASH"])
@pytest.mark.parametrize(
    ("amount", "rate", "currency", "commission"),
    [
        ("150.00", "0.2", "INR", "30.00"),
        ("0.05", "0.1", "INR", "0.01"),
        ("0.04", "0.1", "INR", "0.00"),
        ("25", "0.1", "JPY", "3.00"),
        ("150.00", "0", "INR", "0.00"),
        ("150.00", "1", "INR", "150.00"),
        (None, "0.25", "INR", "9.13"),
    ],
)
def test_the_commission_is_decided_at_the_claim(
    till: Till, place: Place, amount: str | None, rate: str, currency: str, commission: str, method: str
) -> None:
    till.change(commission_rate=Decimal(rate), currency=currency)
    till.pay(amount=amount, method=method, driver_id="driver-7")
    assert [str(each) for each in stored(place)] == ["driver-7", commission]


def test_a_driver_counts_in_what_makes_a_request_the_same_only_where_one_is_given() -> None:
    bare = {"trip_id": 101, "method": "CARD"}

    def printed(**given: Any) -> bytes:
        return fingerprint("/payments", content(read_payment(bare | given)))

    assert printed() == printed(driver_id=None)
    assert printed(driver_id="7") == printed(driver_id=7) == printed(driver_id=Decimal("7.0"))
    assert len({printed(), printed(driver_id="7"), printed(driver_id="8")}) == 3


def test_a_key_with_another_driver_is_another_request(till: Till) -> None:
    first = till.pay(key="k", driver_id=7)
    assert till.pay(key="k", driver_id="7") == first.replayed()
    for other in ({}, {"driver_id": "8"}):
        with pytest.raises(Problem, match="idempotency_key_reused"):
            till.pay(key="k", **other)


@pytest.mark.parametrize(
    "wrong",
    ["", "a" * 65, "driver 7", "d/7", "é", "7\n", "\x00", True, -1, 7.5, 2**63, Decimal("7.5"), [], {"id": "7"}],
)
def test_what_is_no_driver_is_400_and_names_the_field(till: Till, wrong: object) -> None:
    with pytest.raises(Problem) as refused:
        till.pay(driver_id=wrong)
    assert (refused.value.status, [field for field, _ in refused.value.errors]) == (400, ["driver_id"])


@pytest.mark.parametrize("amount", ["150.00", None])
def test_what_the_trip_service_takes_for_a_driver_refuses_nobody(
    till: Till, place: Place, trips: TripServer, amount: str | None
) -> None:
    for trip_id, wrong in enumerate(["asha k", {"id": 7}, -7], start=1):
        trips.says(trip_id, COMPLETED | {"driver_id": wrong})
        assert till.pay(trip_id=trip_id, amount=amount).status == 201
    assert place.sql.value("SELECT count(driver_id) FROM payments") == 0


@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_a_replay_shows_the_same_driver_whatever_the_trip_says_since(
    till: Till, trips: TripServer, method: str
) -> None:
    trips.says(101, COMPLETED | {"driver_id": "driver-7"})
    first = till.pay(key="k", method=method)
    trips.says(101, Says(500))
    assert till.pay(key="k", method=method) == first.replayed()
    assert first.body.endswith(',"driver_id":"driver-7"}')


def test_every_event_says_who_drove(till: Till, place: Place) -> None:
    paid = shown(till.pay(driver_id="driver-7"))
    till.refund(paid["payment_id"])
    till.gateway.next(Declined("card_declined"))
    declined = till.pay(driver_id="driver-7", caller=a_caller("kiosk"))
    assert json.loads(declined.body)["payment"]["driver_id"] == "driver-7"
    till.pay(driver_id="driver-7", method="CASH")
    told = [json.loads(row["data"]) for row in place.sql.run("SELECT data::text AS data FROM outbox")]
    assert [each["driver_id"] for each in told] == ["driver-7"] * 4


def test_the_gateway_is_told_what_the_charge_was_claimed_with(till: Till) -> None:
    till.change(commission_rate=Decimal("0.2"))
    given: dict[str, Any] = {"trip_id": 101, "method": "CARD", "driver_id": "driver-7"}
    payment = shown(till.pay(key="k", amount=None, **given))
    [(_, request)] = till.gateway.calls
    assert request.told == Told(
        payment["payment_id"],
        hash_key("k", None, "").hex(),
        fingerprint("/payments", content(read_payment(given))).hex(),
        trip_id=101,
        method="CARD",
        fare={name: payment["fare"][name] for name in payment["fare"] if name != "total"},
        driver_id="driver-7",
        commission=Decimal("7.30"),
    )
    till.pay(key="l")
    [_, (_, request)] = till.gateway.calls
    assert request.told is not None
    assert request.told[3:-1] == (101, "CARD", None, None, None)


def test_of_a_refund_the_gateway_is_told_whose_key_it_is_and_no_more(till: Till) -> None:
    payment_id = shown(till.pay(driver_id="driver-7"))["payment_id"]
    till.refund(payment_id, key="r")
    [_, (_, request)] = till.gateway.calls
    printed = fingerprint(f"/payments/{payment_id}/refunds", {"metadata": {}}).hex()
    assert request.told == Told(payment_id, hash_key("r", None, "").hex(), printed)


@pytest.mark.parametrize("distance", ["10.5", "1e1", '"00010.500"', "1e-7"])
@pytest.mark.parametrize("by", ["repeat", "sweep"])
def test_whoever_asks_again_tells_the_same_to_the_letter(
    till: Till, place: Place, trips: TripServer, distance: str, by: str
) -> None:
    till.change(commission_rate=Decimal("0.15"))
    trip = f'{{"status":"COMPLETED","distance":{distance},"driver_id":7}}'
    trips.says(101, Says(body=trip.encode()))
    till.gateway.next(Lost())
    till.pay(key="k", amount=None)
    till.change(commission_rate=Decimal("0.3"), base_fare=Decimal(9))
    if by == "sweep":
        place.sql.run("UPDATE idempotency_keys SET ask_after = now()")
        assert till.sweep()["settled"] == 1
    else:
        till.pay(key="k", amount=None)
    first, again = (request.told for _, request in till.gateway.calls)
    assert first is not None
    assert again is not None
    assert first == again
    assert first.fare is not None
    assert again.fare is not None
    # As it is written: 1E+1 is 10.
    assert [f"{each:f}" for each in first.fare.values()] == [f"{each:f}" for each in again.fare.values()]
    assert str(first.commission) == str(again.commission)


def test_a_refund_that_is_asked_for_again_tells_the_same(till: Till) -> None:
    payment_id = shown(till.pay())["payment_id"]
    till.gateway.next(Unknown("time-out"))
    till.refund(payment_id, key="r")
    till.refund(payment_id, key="r")
    first, again = (request.told for verb, request in till.gateway.calls if verb == "refund")
    assert first is not None
    assert first == again


def test_of_what_the_version_before_claimed_and_of_refunds_of_our_own_nothing_is_told(till: Till, place: Place) -> None:
    old = a_payment(place.sql, status="PENDING")
    refund_id = a_refund(place.sql, a_payment(place.sql), status="PENDING", source="gateway", gateway_id="re_1")
    for lease in (
        take_over(till.deps, a_key(place.sql, old)),
        take_over(till.deps, a_key(place.sql, old + 1, refund_id=refund_id)),
    ):
        assert lease is not None
        assert lease.request.told is None
