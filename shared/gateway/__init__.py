"""The gateway: whoever moves the money. One protocol, whichever company it is."""

from shared.gateway.protocol import Declined, Gateway, Order, Outcome, Succeeded, Unknown
from shared.settings import SETTINGS, SettingError, stop

__all__ = ["CASH", "Declined", "Gateway", "Order", "Outcome", "Succeeded", "Unknown", "chosen_gateway"]

CASH = "cash"


def chosen_gateway() -> Gateway:
    """The gateway that GATEWAY names. Stops the start where its settings are missing."""
    if SETTINGS.gateway == "stripe":
        from shared.gateway.stripe import Stripe

        if not SETTINGS.stripe_api_key:
            stop("STRIPE_API_KEY is required with GATEWAY=stripe")
        try:
            return Stripe(SETTINGS.stripe_api_key, SETTINGS.stripe_api_base, SETTINGS.gateway_timeout)
        except SettingError as wrong:
            stop(str(wrong))
    from shared.gateway.simulated import Simulated

    return Simulated(SETTINGS.gateway_success_rate, SETTINGS.gateway_timeout)
