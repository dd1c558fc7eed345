"""The gateway rings: what was not known is settled soon after, with no sweep and nobody who asks again."""

import time
from collections.abc import Callable

from tests.fakes.gateway import StripeLike
from tests.faults.service import Service, eventually, new_key
from tests.support.cluster import Place

SECRETS = ["whsec_new_secret", "whsec_old_secret"]
LATER = 3600.0
SOON = 2.0


def test_what_is_not_known_is_settled_within_two_seconds_of_the_gateways_word(
    serve: Callable[..., Service], place: Place, bank: StripeLike
) -> None:
    functions = ("create_payment", "create_refund", "gateway_webhook")
    service = serve(place, *functions, STRIPE_WEBHOOK_SECRET=",".join(SECRETS))
    hook = f"{service.functions.url('gateway_webhook')}/webhooks/stripe"
    bank.control({"webhook": {"urls": [hook], "secrets": SECRETS}, "processing_seconds": LATER})

    def settles_soon(count: str, what_the_gateway_does: Callable[[], object]) -> None:
        began = time.monotonic()
        what_the_gateway_does()
        eventually(lambda: place.sql.value(count) == 1)
        assert time.monotonic() - began < SOON

    charges = "SELECT count(*) FROM payments WHERE status = 'SUCCESS' AND trip_id = "
    processing = service.pay(new_key(), "pm_processing", trip_id=1)
    assert (processing.status, processing.json()["status"]) == (202, "PENDING")
    settles_soon(charges + "1", lambda: bank.control({"skip": LATER}))

    customer = service.pay(new_key(), "pm_customer", trip_id=2, customer_present=True)
    assert (customer.status, customer.json()["next_action"]["kind"]) == (202, "confirm")
    reference = customer.json()["reference"]
    settles_soon(charges + "2", lambda: bank.control({"act": "customer_confirms", "reference": reference}))

    settles_soon(charges + "3", lambda: service.pay(new_key(), "pm_lose_always", trip_id=3))

    bank.control({"pending": 1})
    refund = service.ask("create_refund", f"/payments/{processing.json()['payment_id']}/refunds", {}, new_key())
    assert (refund.status, refund.json()["status"]) == (202, "PENDING")
    settled = "SELECT count(*) FROM payment_refunds WHERE status = 'REFUNDED'"
    settles_soon(settled, lambda: bank.control({"skip": LATER}))
