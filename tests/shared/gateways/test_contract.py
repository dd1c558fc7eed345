"""What every gateway promises, and that each does what its row of the table says: one suite for all of them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.gateways.abilities import ABILITIES
from shared.gateways.facts import ChargePage, MovementPage
from shared.gateways.protocol import Declined, GatewayRequest, NextAction, Outcome, Succeeded, Waiting
from tests.shared.gateways.benches import WAITS, Bench, benches
from tests.shared.gateways.stripe.requests_of_ours import a_refund

OFF_SESSION = [(name, each) for name, row in ABILITIES.items() for each, how in row.methods.items() if how.off_session]
OF_THE_PRESENT = [(name, each) for name, row in ABILITIES.items() for each, how in row.methods.items() if row.waits]
THAT_WAIT = [name for name, row in ABILITIES.items() if row.waits]


@pytest.fixture(scope="module")
def every() -> Iterator[Mapping[str, Bench]]:
    with benches() as every:
        yield every


@pytest.fixture
def bench(every: Mapping[str, Bench], name: str) -> Bench:
    return every[name]


def known(request: GatewayRequest, outcome: Outcome | None) -> GatewayRequest:
    """The request as it is asked for once the gateway's name for it is kept."""
    assert outcome is not None
    return request._replace(gateway_id=outcome.gateway_id, asked=2)


def waits(bench: Bench, **claim: Any) -> tuple[GatewayRequest, NextAction]:
    """A charge that waits for its customer, and what they are to do."""
    assert bench.needs_customer is not None
    request = bench.claim(**(bench.needs_customer | {"customer_present": True} | claim))
    outcome = bench.gateway.charge(request)
    assert isinstance(outcome, Waiting)
    return known(request, outcome), outcome.next_action


@pytest.mark.parametrize(("name", "method"), OFF_SESSION)
def test_each_method_that_needs_no_customer_is_charged_without_one_once_however_often_it_is_asked(
    bench: Bench, method: str
) -> None:
    request = bench.claim(method=method)
    charged = bench.gateway.charge(request)
    assert isinstance(charged, Succeeded)
    assert bench.gateway.charge(request._replace(asked=2)) == charged
    assert bench.gateway.charge(known(request, charged)) == charged
    assert bench.gateway.find_charge(request) == bench.gateway.find_charge(known(request, charged)) == charged


@pytest.mark.parametrize("name", ABILITIES)
def test_a_charge_is_given_back_once_however_often_it_is_asked(bench: Bench) -> None:
    charged = bench.gateway.charge(bench.claim(method=next(iter(ABILITIES[bench.gateway.name].methods))))
    request = a_refund(charged.gateway_id)
    refunded = bench.gateway.refund(request)
    assert isinstance(refunded, Succeeded)
    assert bench.gateway.refund(request._replace(asked=2)) == refunded
    assert bench.gateway.find_refund(request) == bench.gateway.find_refund(known(request, refunded)) == refunded


@pytest.mark.parametrize("name", ABILITIES)
def test_only_who_has_nobody_to_ask_never_declines(bench: Bench) -> None:
    assert (bench.declined is None) == ABILITIES[bench.gateway.name].settles_at_once
    if bench.declined is None:
        return
    request = bench.claim(**bench.declined)
    declined = bench.gateway.charge(request)
    assert isinstance(declined, Declined)
    assert bench.gateway.charge(request) == declined


@pytest.mark.parametrize("name", ABILITIES)
def test_who_rings_shows_its_objects_and_nobody_else_does(bench: Bench) -> None:
    charged = bench.gateway.charge(bench.claim(method=next(iter(ABILITIES[bench.gateway.name].methods))))
    shown = bench.gateway.read("charge", charged.gateway_id or "none", 5.0)
    assert (shown is not None) == ABILITIES[bench.gateway.name].webhooks


@pytest.mark.parametrize("name", ABILITIES)
def test_who_keeps_books_lists_what_it_moved_and_every_charge_and_nobody_else_does(bench: Bench) -> None:
    begun, hour = datetime.now(UTC), timedelta(hours=1)
    request = bench.claim(method=next(iter(ABILITIES[bench.gateway.name].methods)))
    charged = bench.gateway.charge(request)
    refunded = bench.gateway.refund(a_refund(charged.gateway_id))
    moved = bench.gateway.list_movements(begun - hour, begun + hour, None, 5.0)
    charges = bench.gateway.list_charges(begun - hour, begun + hour, None, 5.0)
    assert isinstance(moved, MovementPage)
    assert isinstance(charges, ChargePage)
    if not ABILITIES[bench.gateway.name].keeps_books:
        assert (moved, charges) == (MovementPage((), None), ChargePage((), None))
        return
    assert [(each.kind, each.object_id, each.amount) for each in moved.movements[:2]] == [
        ("refund", refunded.gateway_id, Decimal("-10.00")),
        ("charge", charged.gateway_id, request.amount),
    ]
    assert {each.charge_id for each in moved.movements[:2]} == {charged.gateway_id}
    assert charges.charges[0].reference == moved.movements[1].reference == request.reference


@pytest.mark.parametrize("name", ABILITIES)
def test_a_charge_that_needs_its_customer_is_declined_without_one(bench: Bench) -> None:
    assert (bench.needs_customer is not None) == ABILITIES[bench.gateway.name].waits
    if bench.needs_customer is None:
        return
    request = bench.claim(**bench.needs_customer)
    declined = bench.gateway.charge(request)
    assert isinstance(declined, Declined)
    assert declined.code == "authentication_required"
    assert bench.gateway.charge(request) == declined


@pytest.mark.parametrize(("name", "method"), OF_THE_PRESENT)
def test_each_method_waits_for_a_customer_who_is_present_until_they_confirm(bench: Bench, method: str) -> None:
    request, wanted = waits(bench, method=method)
    assert {"confirm": wanted.client_secret, "redirect": wanted.url, "upi": wanted.url}[wanted.kind]
    assert (wanted.kind == "upi") == (method == "UPI")
    still = Waiting(wanted, request.gateway_id or "")
    first = request._replace(gateway_id=None)
    assert bench.gateway.charge(first) == bench.gateway.charge(request) == still
    assert bench.gateway.find_charge(first) == bench.gateway.find_charge(request) == still
    confirmed = bench.confirm(request)
    assert bench.gateway.find_charge(confirmed) == bench.gateway.charge(confirmed) == Succeeded(request.gateway_id)
    late = confirmed._replace(age=WAITS + 1)
    assert bench.gateway.charge(late) == Succeeded(request.gateway_id)


@pytest.mark.parametrize("name", THAT_WAIT)
def test_a_customer_who_is_refused_is_declined_for_good(bench: Bench) -> None:
    request, _ = waits(bench)
    refused = bench.refuse(request)
    declined = bench.gateway.charge(refused)
    assert isinstance(declined, Declined)
    assert declined.code not in ("authentication_required", "authentication_expired")
    assert bench.gateway.find_charge(refused) == bench.gateway.charge(refused._replace(age=WAITS + 1)) == declined


@pytest.mark.parametrize("name", THAT_WAIT)
@pytest.mark.parametrize("verb", ["charge", "find_charge"])
def test_a_customer_who_is_late_is_waited_for_until_then_and_no_longer(bench: Bench, verb: str) -> None:
    absent = {"simulate": "customer_absent"} if bench.gateway.name == "simulated" else {}
    request, _ = waits(bench, **absent)
    ask = getattr(bench.gateway, verb)
    assert isinstance(ask(request._replace(age=WAITS - 1)), Waiting)
    expired = ask(request._replace(age=WAITS))
    assert expired == Declined("authentication_expired", request.gateway_id)
    assert ask(request._replace(age=WAITS + 1)) == expired


@pytest.mark.parametrize("name", [name for name, row in ABILITIES.items() if row.needs_token])
@pytest.mark.parametrize("method", ["CARD", "UPI", "WALLET"])
def test_where_a_token_is_needed_a_customer_who_is_present_may_give_it_later(bench: Bench, method: str) -> None:
    request, wanted = waits(bench, payment_token=None, method=method)
    assert wanted.kind == "confirm"
    assert bench.gateway.charge(bench.confirm(request)) == Succeeded(request.gateway_id)
