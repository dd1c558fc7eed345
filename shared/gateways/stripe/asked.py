"""What Stripe is asked with for a charge: the same however often, since its idempotency key is good for one request only."""

from shared.gateways.protocol import GatewayRequest
from shared.gateways.stripe.api import Fields
from shared.gateways.stripe.told import told_fields


def charge_fields(request: GatewayRequest, amount: int) -> Fields:
    """Of `amount` in the unit that Stripe counts the currency in.

    A payment token is charged at once. Without one, the customer is there to give it: the intent is made, and Stripe's form
    in the app confirms it by its secret. A claim that does not say whether the customer is present is of the version before,
    and a repeat of it is the same to the byte.
    """
    token = [("payment_method", request.payment_token or "")]
    confirmed = [] if request.customer_present and request.payment_token is None else [("confirm", "true"), *token]
    fields = [
        ("amount", str(amount)),
        ("currency", request.currency.lower()),
        *confirmed,
        # Apple and Google Pay come as cards (https://docs.stripe.com/apple-pay, https://docs.stripe.com/google-pay).
        ("payment_method_types[]", "upi" if request.method == "UPI" else "card"),
        *metadata(request),
    ]
    if request.payment_customer is not None:
        fields.append(("customer", request.payment_customer))
    if request.description is not None:
        fields.append(("description", request.description))
    if request.customer_present is False:
        fields.append(("off_session", "true"))
    return fields


def metadata(request: GatewayRequest) -> Fields:
    """By which an object of Stripe's is known for ours, and what it is told besides. A claim that tells nothing is of the
    version before."""
    ours = [("metadata[reference]", request.reference), ("metadata[payment_id]", str(request.payment_id))]
    return ours if request.told is None else [*ours, *told_fields(request.told)]
