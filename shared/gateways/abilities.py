"""What each gateway can do: one row each, and the only place that says so."""

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple, Self


class Method(NamedTuple):
    """How a method is charged: in which `currencies` (None: in every one), and whether `off_session` too, without the customer,
    who is not there to be asked."""

    currencies: frozenset[str] | None = None
    off_session: bool = True


class Abilities(NamedTuple):
    """A gateway's row. `methods`: those that it charges. `waits`: a charge may wait for a customer who is present.
    `needs_token`: a charge without the customer is made with a payment token. `settles_at_once`: there is nobody to ask, so
    a charge is done when it is written down. `webhooks`: it rings when something becomes of its objects, and shows them by
    their id. `keeps_books`: it lists what it moved, with its fees. `remembers`: for how many seconds it knows a reference
    again."""

    methods: Mapping[str, Method]
    waits: bool
    needs_token: bool
    settles_at_once: bool
    webhooks: bool
    keeps_books: bool
    remembers: float

    def only(self, methods: Collection[str]) -> Self:
        """The same, of a gateway whose account has these methods alone."""
        return self._replace(methods={name: how for name, how in self.methods.items() if name in methods})

    def why_not(self, method: str, currency: str, *, customer_present: bool) -> str | None:
        """Why a method cannot be charged in a currency, with or without the customer, as the end of a sentence that begins with
        the gateway: None where it can."""
        how = self.methods.get(method)
        if how is None:
            return f"cannot charge {method}"
        if how.currencies is not None and currency not in how.currencies:
            return f"charges {method} in {', '.join(sorted(how.currencies))} only, not in {currency}"
        if not how.off_session and not customer_present:
            return f"charges {method} only where the customer approves it (customer_present)"
        return None


ABILITIES: Mapping[str, Abilities] = {
    "cash": Abilities(
        methods={"CASH": Method()},
        waits=False,
        needs_token=False,
        settles_at_once=True,
        webhooks=False,
        keeps_books=False,
        remembers=math.inf,
    ),
    "simulated": Abilities(
        methods={"CARD": Method(), "UPI": Method(), "WALLET": Method()},
        waits=True,
        needs_token=False,
        settles_at_once=False,
        webhooks=False,
        keeps_books=False,
        remembers=math.inf,
    ),
    "stripe": Abilities(
        # https://docs.stripe.com/payments/upi: in INR, and approved by the customer each time. Apple and Google Pay are cards.
        methods={"CARD": Method(), "UPI": Method(frozenset({"INR"}), off_session=False), "WALLET": Method()},
        waits=True,
        needs_token=True,
        settles_at_once=False,
        webhooks=True,
        keeps_books=True,
        remembers=86400.0,  # https://docs.stripe.com/api/idempotent_requests: at least 24 hours
    ),
}
