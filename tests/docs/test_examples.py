"""What a page shows of a command's words is what they are."""

from local.place import CHECKOUT
from local.ports import HOST, pick
from shared.gateways.protocol import describe
from shared.gateways.stripe.gateway import Stripe
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge


def test_what_make_pending_shows_where_nobody_answers_for_stripe() -> None:
    stripe = Stripe("sk_test_nobody", f"http://{HOST}:{pick(1)[0]}", 1.0, certain_after=CERTAIN)
    said = describe(stripe.find_charge(a_charge()))
    assert f"stripe: {said}" in (CHECKOUT / "docs" / "operations.md").read_text(encoding="utf-8")
