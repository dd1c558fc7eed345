"""What Stripe is told of a claim, and shows again: within its limits, the same to the byte, and distrusted when it is read."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.gateways.facts import ChargeFact, RefundFact, Told
from shared.gateways.protocol import Succeeded
from shared.gateways.stripe.gateway import Stripe
from shared.gateways.stripe.told import told_fields, told_in
from shared.rules.money import GREATEST
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.requests_of_ours import a_charge, a_refund

HASH, PRINT = "0123456789abcdef" * 4, "fedcba9876543210" * 4
FARE = {
    "base_fare": Decimal("5.00"),
    "distance_km": Decimal("10.5"),
    "rate_per_km": Decimal("2.50"),
    "surge_multiplier": Decimal("1.2"),
}
TOLD = Told(7, HASH, PRINT, trip_id=101, method="CARD", fare=FARE, driver_id="driver-7", commission=Decimal("7.30"))
METADATA = {
    "key_hash": HASH,
    "fingerprint": PRINT,
    "trip_id": "101",
    "method": "CARD",
    "fare": '{"base_fare":5.00,"distance_km":10.5,"rate_per_km":2.50,"surge_multiplier":1.2}',
    "driver_id": "driver-7",
    "commission": "7.30",
}
PRICES = st.decimals(min_value=0, max_value=GREATEST, places=2)
NUMBERS = st.decimals(min_value=0, max_value=10**20, allow_nan=False, allow_infinity=False)
FARES = st.fixed_dictionaries(dict.fromkeys(FARE, NUMBERS))
TOLDS = st.builds(
    Told,
    st.integers(1, 2**63 - 1),
    st.just(HASH),
    st.just(PRINT),
    trip_id=st.integers(1, 2**63 - 1),
    method=st.sampled_from(["CARD", "UPI", "WALLET"]),
    fare=st.none() | FARES,
    driver_id=st.none() | st.from_regex("[A-Za-z0-9._:-]{1,64}", fullmatch=True),
    commission=st.none() | PRICES,
    understood=st.just(True),
)


def shown(told: Told) -> dict[str, str]:
    """As Stripe shows what it was told."""
    fields = {name.removeprefix("metadata[").removesuffix("]"): value for name, value in told_fields(told)}
    return {"payment_id": str(told.payment_id)} | fields


def test_each_thing_is_told_under_its_own_name() -> None:
    assert shown(TOLD) == METADATA | {"payment_id": "7"}
    assert shown(Told(7, HASH, PRINT)) == {"payment_id": "7", "key_hash": HASH, "fingerprint": PRINT}


@given(TOLDS)
@example(TOLD)
@example(TOLD._replace(commission=GREATEST))
def test_what_is_told_fits_and_is_read_back_as_it_was(told: Told) -> None:
    metadata = shown(told)
    assert len(metadata) <= 10
    assert all(len(name) <= 40 and 0 < len(value) <= 500 for name, value in metadata.items())
    assert told_in({"metadata": metadata}) == told
    again = told_in({"metadata": metadata})
    assert again is not None
    assert shown(again) == metadata, "to the byte"


def test_of_a_fare_that_does_not_fit_it_is_told_that_there_was_one() -> None:
    longest = TOLD._replace(
        fare=FARE | {"distance_km": Decimal(1).scaleb(-324), "surge_multiplier": Decimal(10) ** 308}
    )
    assert shown(longest) == METADATA | {"payment_id": "7", "fare": "{}"}
    assert told_in({"metadata": shown(longest)}) == TOLD._replace(fare=None, understood=False)


NONSENSE = [
    "",
    "x",
    "-1",
    "0",
    "007",
    "NaN",
    "9" * 30,
    "A" * 64,
    "{}",
    "[]",
    "null",
    "é",
    "\x00",
    "7.3",
    "1e3",
    7,
    None,
    ["7"],
]


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_what_we_do_not_tell_is_read_as_nothing(nonsense: Any) -> None:
    told = told_in({"metadata": dict.fromkeys([*METADATA, "payment_id"], nonsense)})
    assert told is not None
    assert told._replace(driver_id=None) == Told(None, None, None, understood=False)
    assert told.driver_id in (None, nonsense), "any short word may be a driver's id"


@pytest.mark.parametrize(
    "fare",
    [
        METADATA["fare"].replace("10.5", "-10.5"),
        METADATA["fare"].replace("10.5", '"10.5"'),
        METADATA["fare"].replace("10.5", "true"),
        METADATA["fare"].replace("10.5", "1e999"),
        METADATA["fare"].replace("distance_km", "distance"),
        METADATA["fare"].replace("}", ',"tip":1}'),
        METADATA["fare"].replace("}", ',"base_fare":1}'),
    ],
)
def test_a_fare_is_read_whole_or_not_at_all(fare: str) -> None:
    told = told_in({"metadata": METADATA | {"fare": fare}})
    assert told == TOLD._replace(payment_id=None, fare=None, understood=False)


@pytest.mark.parametrize("metadata", [{}, None, [], "x", {"reference": "PAY-1", "payment_id": "7"}])
def test_what_bears_nobodys_key_was_told_nothing(metadata: Any) -> None:
    assert told_in({"metadata": metadata}) is None
    assert told_in({}) is None


def test_a_charge_and_a_refund_of_it_show_what_they_were_told_and_when_they_were_made(
    gateway: StripeLike, stripe: Stripe
) -> None:
    asked_for = a_charge(told=TOLD, payment_id=7)
    charged = stripe.charge(asked_for)
    assert isinstance(charged, Succeeded)
    assert charged.gateway_id
    charge = stripe.read("charge", charged.gateway_id, 5.0)
    assert isinstance(charge, ChargeFact)
    assert (charge.told, charge.reference) == (TOLD, asked_for.reference)
    told = Told(7, PRINT, HASH)
    given_back = stripe.refund(a_refund(charged.gateway_id, told=told, payment_id=7))
    assert isinstance(given_back, Succeeded)
    assert given_back.gateway_id
    refund = stripe.read("refund", given_back.gateway_id, 5.0)
    assert isinstance(refund, RefundFact)
    assert refund.told == told
    for fact in (charge, refund):
        assert fact.created_at is not None
        assert abs((datetime.now(UTC) - fact.created_at).total_seconds()) < 60


def test_a_repeat_tells_the_same(gateway: StripeLike, stripe: Stripe) -> None:
    asked_for = a_charge(told=TOLD, customer_present=False)
    assert stripe.charge(asked_for) == stripe.charge(asked_for._replace(asked=2, age=80.0))
    first, again = (fields for method, _, _, fields in gateway.requests if method == "POST")
    assert first == again
    assert dict(first).items() >= {f"metadata[{name}]": value for name, value in METADATA.items()}.items()
