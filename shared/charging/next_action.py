"""What a customer is to do before a charge goes on, as its client is told it."""

from datetime import UTC, datetime

from shared.gateways.protocol import NextAction
from shared.platform import json_text


def written(action: NextAction, act_by: datetime) -> str:
    """Its JSON text: `kind`, `expires_at` and what else the app needs. It ends at `act_by`, when the customer is waited for no
    longer, or where the gateway ends it before."""
    expires_at = min(act_by, action.expires_at or act_by).astimezone(UTC)
    told = {
        "kind": action.kind,
        "expires_at": expires_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "client_secret": action.client_secret,
        "url": action.url,
        "qr_code_url": action.qr_code_url,
    }
    return json_text.write({name: value for name, value in told.items() if value is not None})
