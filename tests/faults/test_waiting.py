"""Customers at a gateway over HTTP who confirm, refuse, never come, or act at the very moment at which they are too late."""

from collections.abc import Callable

from tests.fakes.gateway import StripeLike
from tests.faults.service import Service, eventually, new_key
from tests.support.cluster import Place

CUSTOMERS = ("soon", "refuses", "never", *["races"] * 6)
PENDING = "SELECT count(*) FROM payments WHERE status = 'PENDING'"


def test_whatever_a_customer_does_the_books_are_those_of_the_gateway(
    serve: Callable[..., Service], place: Place, bank: StripeLike
) -> None:
    bank.control({"customer_seconds": 0.3})
    service = serve(place, "create_payment", "sweep", NEXT_ACTION_TIMEOUT="1.5")
    asked = [
        (customer, service.pay(new_key(), f"pm_customer_{customer}", trip_id=number + 1, customer_present=True))
        for number, customer in enumerate(CUSTOMERS)
    ]
    for _, answer in asked:
        assert (answer.status, answer.json()["next_action"]["kind"]) == (202, "confirm")
        assert answer.asks_for_patience
    eventually(lambda: service.sweep().status == 204 and place.sql.value(PENDING) == 0)
    rows = place.sql.run("SELECT reference, status, failure_code, next_action FROM payments")
    ended = {row["reference"]: row for row in rows}
    charges = bank.ledger()["charges"]
    for customer, answer in asked:
        reference = answer.json()["reference"]
        paid = ended[reference]["status"] == "SUCCESS"
        assert (charges[reference]["count"], charges[reference]["succeeded"]) == (1, int(paid)), customer
        assert ended[reference]["next_action"] is None
        if customer != "races":
            assert paid == (customer == "soon")
        if customer == "never":
            assert ended[reference]["failure_code"] == "authentication_expired"
