"""The gateways: whoever moves the money. One protocol, whichever company it is, and one registry by name."""

from collections.abc import Callable
from functools import cache

from shared.gateways.cash import Cash
from shared.gateways.protocol import (
    Declined,
    Gateway,
    GatewayRequest,
    Outcome,
    Succeeded,
    Unknown,
    account_name,
    describe,
)
from shared.gateways.simulated import Simulated
from shared.platform.settings import SETTINGS, stop

__all__ = [
    "CASH",
    "Declined",
    "Gateway",
    "GatewayRequest",
    "Outcome",
    "Succeeded",
    "Unknown",
    "account_name",
    "accounts",
    "chosen_gateway",
    "describe",
    "gateway_for",
    "gateway_of",
    "named",
]

CASH = Cash()


@cache
def _stripe_of(api_key: str, api_base: str, timeout: float, account: str) -> Gateway:
    """One for all who ask about its payments: what it found out of its account it remembers."""
    from shared.gateways.stripe.gateway import Stripe  # only where it is used: cold start counts

    return Stripe(api_key, api_base, timeout, account=account)


def _simulated() -> Gateway:
    return Simulated(SETTINGS.gateway_success_rate, SETTINGS.gateway_timeout)


def _stripe() -> Gateway | None:
    if not SETTINGS.stripe_api_key:
        return None
    return _stripe_of(
        SETTINGS.stripe_api_key, SETTINGS.stripe_api_base, SETTINGS.gateway_timeout, SETTINGS.stripe_account
    )


_REGISTRY: dict[str, Callable[[], Gateway | None]] = {
    "cash": lambda: CASH,
    "simulated": _simulated,
    "stripe": _stripe,
}


def named(name: str) -> Gateway | None:
    """The gateway with this name, whichever is chosen: None where its settings are absent."""
    make = _REGISTRY.get(name)
    return make() if make else None


def chosen_gateway() -> Gateway:
    """The gateway that GATEWAY names: where new charges go, but for cash. Stops the start where its settings are missing, or
    where a request might reach any gateway that is set when it no longer remembers the key."""
    for name in _REGISTRY:
        gateway = named(name)
        if gateway and SETTINGS.gateway_key_retention + SETTINGS.idempotency_lock_timeout > gateway.remembers:
            stop(
                "GATEWAY_KEY_RETENTION and IDEMPOTENCY_LOCK_TIMEOUT together must not exceed the"
                f" {gateway.remembers:g} seconds for which {name} remembers a key"
            )
    chosen = named(SETTINGS.gateway)
    if chosen is None:
        stop("STRIPE_API_KEY is required with GATEWAY=stripe")
    if chosen.name == "stripe":
        import shared.gateways.stripe.transport  # noqa: F401 - now, and not while the first passenger waits
    return chosen


def gateway_for(chosen: Gateway, method: str) -> Gateway:
    """The gateway that a new payment of this method goes to."""
    return CASH if method in CASH.methods else chosen


def gateway_of(chosen: Gateway, name: str) -> Gateway | None:
    """The gateway that a payment was claimed with, though another may be chosen now: None where its settings are absent."""
    return chosen if name == chosen.name else named(name)


def accounts(chosen: Gateway) -> dict[str, str]:
    """The name of the account of each gateway that can be asked, by the gateway's name."""
    usable = [gateway for gateway in map(named, _REGISTRY) if gateway] + [chosen]
    return {gateway.name: account_name(gateway.account) for gateway in usable}
