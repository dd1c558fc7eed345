"""Which gateways send webhooks, and how one of each is read."""

import time
from collections.abc import Callable, Mapping

from shared.gateways.facts import Event
from shared.platform.settings import Settings

# The event of a webhook with these headers and this body: None where it is of a type that is not listened to. Raises NotSigned
# where it is not the gateway's, and ValueError where it is no event.
Read = Callable[[Mapping[str, str], bytes], Event | None]


def reader_of(gateway: str, settings: Settings) -> Read | None:
    """How webhooks of the gateway of this name are read: None where it sends none, or its secret is not set."""
    if gateway != "stripe" or not settings.stripe_webhook_secret:
        return None
    from shared.gateways.stripe import webhook

    def read(headers: Mapping[str, str], body: bytes) -> Event | None:
        header = headers.get(webhook.HEADER, "")
        webhook.verify(header, body, settings.stripe_webhook_secret, time.time())
        return webhook.read_event(body)

    return read
