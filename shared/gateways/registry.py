"""The registry: every gateway whose settings are present, by name, and which of them a new payment goes to."""

from collections.abc import Iterable, Iterator
from typing import Self

from shared.gateways.cash import Cash
from shared.gateways.protocol import Gateway, account_name
from shared.gateways.simulated import Simulated
from shared.platform.settings import Settings, stop


class Gateways:
    """`chosen` is where new payments go, unless another settles their method at once, as cash does; what was claimed with
    another gateway is still carried to its end there."""

    def __init__(self, chosen: Gateway, others: Iterable[Gateway]) -> None:
        self.chosen = chosen
        self._by_name = {gateway.name: gateway for gateway in (*others, chosen)}

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The gateways that the settings describe. Stops the start where those of the chosen one are missing, or where a
        request might reach any of them when it has forgotten the key."""
        usable = {gateway.name: gateway for gateway in present(settings)}
        for gateway in usable.values():
            if settings.gateway_key_retention + settings.idempotency_lock_timeout > gateway.abilities.remembers:
                stop(
                    "GATEWAY_KEY_RETENTION and IDEMPOTENCY_LOCK_TIMEOUT together must not exceed the"
                    f" {gateway.abilities.remembers:g} seconds for which {gateway.name} remembers a key"
                )
        chosen = usable.get(settings.gateway)
        if chosen is None:
            stop("STRIPE_API_KEY is required with GATEWAY=stripe")
        if chosen.name == "stripe":
            import shared.gateways.stripe.session  # noqa: F401 - here, and not while the first passenger waits
        return cls(chosen, usable.values())

    def named(self, name: str) -> Gateway | None:
        """The gateway with this name, whichever is chosen: None where its settings are absent."""
        return self._by_name.get(name)

    def for_method(self, method: str) -> Gateway:
        """The gateway that a new payment of this method goes to."""
        every = self._by_name.values()
        able = (each for each in every if each.abilities.settles_at_once and method in each.abilities.methods)
        return next(able, self.chosen)

    def that_ring(self) -> list[Gateway]:
        """Every gateway that rings when something becomes of its objects."""
        return [gateway for gateway in self._by_name.values() if gateway.abilities.webhooks]

    def that_keep_books(self) -> list[Gateway]:
        """Every gateway that lists what it moved."""
        return [gateway for gateway in self._by_name.values() if gateway.abilities.keeps_books]

    def accounts(self) -> dict[str, str]:
        """The name of the account of each gateway that can be asked, by the gateway's name."""
        return {name: account_name(gateway.account) for name, gateway in self._by_name.items()}


def present(settings: Settings) -> Iterator[Gateway]:
    """Every gateway whose settings are there."""
    yield Cash()
    yield Simulated(settings.gateway_success_rate, settings.gateway_timeout)
    if settings.stripe_api_key:
        from shared.gateways.stripe.gateway import Stripe  # only where it is used: cold start counts

        yield Stripe(
            settings.stripe_api_key,
            settings.stripe_api_base,
            settings.gateway_timeout,
            account=settings.stripe_account,
            methods=settings.stripe_methods,
            sends_webhooks=bool(settings.stripe_webhook_secret),
            certain_after=settings.gateway_key_retention + 2 * settings.idempotency_lock_timeout,
        )
