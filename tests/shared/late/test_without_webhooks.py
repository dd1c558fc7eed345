"""Where no webhook comes, sweeps get there: the gateway's own list of events rings, and the books follow what is read."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN
from tests.support.cluster import Place
from tests.support.till import Till, shown


@pytest.fixture
def like(till: Till) -> Iterator[StripeLike]:
    """A gateway like Stripe's, over HTTP, which is the till's."""
    with StripeLike() as like:
        till.gateway = Stripe(API_KEY, like.url, 5.0, certain_after=CERTAIN)  # type: ignore[assignment]
        yield like


def pay(till: Till, trip_id: int, token: str = "pm_card") -> dict[str, Any]:
    answer = shown(till.pay(trip_id=trip_id, payment_token=token))
    payment: dict[str, Any] = answer.get("payment", answer)
    return payment


def sweep(till: Till, place: Place) -> tuple[int, int]:
    """A sweep, a minute after the last: how many events nobody had heard, and how many rings it answered."""
    place.sql.run("UPDATE gateway_cursors SET read_after = now(); UPDATE gateway_rings SET ask_after = now()")
    swept = till.sweep()
    return swept["missed"], swept["rings"]


def books(place: Place, payment: dict[str, Any]) -> tuple[Any, ...]:
    columns = "status, refunded_amount, reversed_amount, disputed_amount, late_charge_id IS NOT NULL"
    return tuple(
        place.sql.run(f"SELECT {columns} FROM payments WHERE payment_id = %s", (payment["payment_id"],))[0].values()
    )


def test_charges_refunds_and_disputes_are_followed_by_sweeps_alone(till: Till, place: Place, like: StripeLike) -> None:
    late, refunded, disputed = (pay(till, number, "pm_late" if number == 1 else "pm_card") for number in (1, 2, 3))
    assert (late["status"], refunded["status"], disputed["status"]) == ("FAILED", "SUCCESS", "SUCCESS")
    sweep(till, place)
    names = {row["payment_id"]: row["gateway_id"] for row in place.sql.run("SELECT * FROM payments")}
    like.control({"skip": 3})
    like.books.refund_in_dashboard(names[refunded["payment_id"]], 5000)
    like.books.open_dispute(names[disputed["payment_id"]])
    missed, rings = sweep(till, place)
    assert missed >= rings >= 3
    while place.sql.value("SELECT count(*) FROM gateway_rings"):
        sweep(till, place)
    nothing, whole = Decimal(0), Decimal("150.00")
    assert books(place, late) == ("FAILED", nothing, nothing, nothing, True)
    assert books(place, refunded) == ("SUCCESS", Decimal("50.00"), nothing, nothing, False)
    assert books(place, disputed) == ("SUCCESS", nothing, nothing, whole, False)
    truth = like.ledger()["charges"][late["reference"]]
    assert truth["amount"] == 15000
    gone = place.sql.run("SELECT source, status, amount FROM payment_refunds ORDER BY amount")
    assert [tuple(row.values()) for row in gone] == [
        ("gateway", "REFUNDED", Decimal("50.00")),
        ("late_payment", "REFUNDED", whole),
    ]
    sweep(till, place)  # hears of the refund that was made here
    assert sweep(till, place) == (0, 0), "nothing rings for ever"


def test_what_rang_at_a_gateway_that_is_down_is_answered_once_it_is_back(
    till: Till, place: Place, like: StripeLike
) -> None:
    payment = pay(till, 1)
    gateway_id = place.sql.value("SELECT gateway_id FROM payments")
    like.books.open_dispute(gateway_id)
    sweep(till, place)
    assert books(place, payment)[3] == Decimal("150.00")
    dispute_id = place.sql.value("SELECT gateway_id FROM payment_disputes")
    like.books.move_dispute(dispute_id, "won")
    like.control({"drop": 1})
    sweep(till, place)
    assert books(place, payment)[3] == Decimal("150.00")
    like.control({"calm": True})
    sweep(till, place)
    assert books(place, payment)[3] == Decimal(0)
