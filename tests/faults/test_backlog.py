"""What an outage of the gateway left behind is settled soon after its end, by the sweep that waited for it."""

from collections.abc import Callable

from local.ports import HOST, pick
from tests.fakes.gateway import StripeLike
from tests.faults.service import Service, eventually
from tests.sql.rows import abandoned_charges
from tests.support.cluster import Place

PENDING = "SELECT count(*) FROM payments WHERE status = 'PENDING'"
PUT_OFF = "SELECT count(*) FROM idempotency_keys WHERE ask_after > now()"
CLAIMS = 400


def test_hundreds_of_abandoned_charges_are_settled_seconds_after_the_gateways_return(
    serve: Callable[..., Service], place: Place
) -> None:
    """Each takes the gateway a tenth of a second. It refuses connections at first: that must put off a few only, and those not
    for long. benchmarks/backlog.py measures the same with ten thousand."""
    abandoned_charges(place.sql, CLAIMS)
    (port,) = pick(1)
    service = serve(place, "sweep", STRIPE_API_BASE=f"http://{HOST}:{port}", DB_POOL_SIZE="8")
    sweeping = service.later(service.ask, "sweep", "/", {}, patience=60)
    eventually(lambda: service.functions.log("sweep").count("no answer from Stripe") >= 4)
    with StripeLike(port) as bank:
        bank.control({"slow": 1, "slow_seconds": 0.1})
        eventually(lambda: place.sql.value(PENDING) <= place.sql.value(PUT_OFF) < CLAIMS / 10, seconds=15)
        assert sweeping.result().status == 204
        assert place.sql.value(
            "SELECT max(ask_after) - now() < '31 s' FROM idempotency_keys WHERE locked_at IS NULL"
        ) in (True, None)
        place.sql.run("UPDATE idempotency_keys SET ask_after = now() WHERE answer_status IS NULL")
        eventually(lambda: service.sweep().status == 204 and place.sql.value(PENDING) == 0)
        charges = bank.ledger()["charges"]
    assert len(charges) == CLAIMS
    assert {(charge["count"], charge["succeeded"]) for charge in charges.values()} == {(1, 1)}
