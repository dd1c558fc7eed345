"""What an intent that goes no further says: whether its customer is waited for, what they are to do, and why it ended.

https://docs.stripe.com/payments/paymentintents/lifecycle, https://docs.stripe.com/api/payment_intents/object
"""

import re
from typing import Any

from shared.gateways.protocol import GatewayRequest, NextAction, Unknown, Waiting
from shared.gateways.stripe.api import code_or_id, moment

# Asked for, and going no further without the customer.
STANDS_STILL = ("requires_action", "requires_payment_method", "requires_confirmation")
AUTHENTICATION = "authentication_required"
EXPIRED = "authentication_expired"


def waits(request: GatewayRequest, intent: dict[str, Any]) -> bool:
    """Whether an intent that stands still is left to its customer: one who is present and not late, and has refused nothing.
    Without a payment token they are still to say what they pay with."""
    if not request.customer_present or request.customer_is_late:
        return False
    unconfirmed = request.payment_token is None and intent.get("last_payment_error") is None
    return unconfirmed or intent.get("status") == "requires_action"


def waiting(intent: dict[str, Any]) -> Waiting | Unknown:
    """What the customer is to do. What this does not know is left to Stripe's own library, which needs the secret only."""
    secret = code_or_id(intent.get("client_secret"))
    if secret is None:
        return Unknown("the intent waits for its customer without a secret", intent["id"])
    action = intent.get("next_action")
    kind = code_or_id(action.get("type")) if isinstance(action, dict) else None
    details = action.get(kind) if isinstance(action, dict) else None
    return Waiting(_next_action(kind or "", details if isinstance(details, dict) else {}, secret), intent["id"])


def _next_action(kind: str, details: dict[str, Any], secret: str) -> NextAction:
    if kind == "redirect_to_url" and (url := _url(details.get("url"))):
        return NextAction("redirect", client_secret=secret, url=url)
    if kind.startswith("upi_"):  # upi_handle_redirect_or_display_qr_code; upi_await_notification has nothing to show
        code = details.get("qr_code")
        code = code if isinstance(code, dict) else {}
        return NextAction(
            "upi",
            client_secret=secret,
            url=_url(details.get("hosted_instructions_url")),
            qr_code_url=_url(code.get("image_url_png")),
            expires_at=moment(code.get("expires_at")),
        )
    return NextAction("confirm", client_secret=secret)


def why_not_paid(request: GatewayRequest, intent: dict[str, Any]) -> str:
    """Why an intent was called off. Of a customer who was present: why they were refused, or that they were too late."""
    error = intent.get("last_payment_error")
    error = error if isinstance(error, dict) else {}
    kind = code_or_id(error.get("type"))
    code = code_or_id(error.get("decline_code")) or code_or_id(error.get("code"))
    if not request.customer_present:
        return (code if kind == "card_error" else None) or AUTHENTICATION
    return code or kind or (EXPIRED if request.customer_is_late else AUTHENTICATION)


def _url(value: object) -> str | None:
    """An address that an app may open."""
    return value if isinstance(value, str) and re.fullmatch(r"https://[!-~]{1,5000}", value) else None
