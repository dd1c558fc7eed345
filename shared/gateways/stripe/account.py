"""Which account of Stripe's an API key is of."""

import hashlib
from urllib.parse import quote

from shared.gateways.stripe.api import Api, Deadline, StripeObject, code_or_id
from shared.platform.log import log

# What Stripe's own pages show are charges of Stripe's own servers; a stand-in has none.
SERVERS = "https://api.stripe.com"
PAGES = "https://dashboard.stripe.com"


class Account:
    """The account of an API key: `named` is what the settings call it (acct_...), so that a new key of the same account is
    known for what it is; empty where they do not say."""

    def __init__(self, api: Api, named: str) -> None:
        self._api = api
        self._named = named
        self._confirmed = False

    def recorded(self) -> str:
        """What claims are recorded with: a fingerprint of the key, which gives nothing of it away; before it the account that
        the settings name, with the key's mode, since live and test see nothing of each other."""
        fingerprint = "key-" + hashlib.sha256(f"{self._api.key} {self._api.base}".encode()).hexdigest()[:16]
        return f"{self._named}/{self._api.key.split('_')[1]}#{fingerprint}" if self._named else fingerprint

    def dashboard(self, charge_id: str) -> str | None:
        """Where Stripe's pages show a charge: those of test keys have a place of their own."""
        if self._api.base != SERVERS:
            return None
        mode = "test/" if self._api.key.split("_")[1] == "test" else ""
        return f"{PAGES}/{mode}payments/{quote(charge_id, safe='')}"

    def confirmed(self, deadline: Deadline) -> bool:
        """Whether Stripe says that the key is of the account that the settings name. Only a yes is remembered. A key that may
        not see its account confirms nothing."""
        if not self._confirmed:
            answer = self._api.get("/v1/account", (), deadline)
            shown = code_or_id(answer.fields.get("id")) if isinstance(answer, StripeObject) else None
            self._confirmed = shown == self._named
            if shown is not None and not self._confirmed:
                log.error("STRIPE_API_KEY is not of STRIPE_ACCOUNT", extra={"account": shown})
        return self._confirmed
