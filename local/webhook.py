"""What Stripe would send: signs an event with the first secret of STRIPE_WEBHOOK_SECRET, sends it, and says what was answered.
`make webhook ID=pi_... [TYPE=payment_intent.succeeded] [CHARGE=pi_...] [URL=http://localhost:8082/webhooks/stripe]`"""

import argparse
import json
import os
import sys
import time
import uuid

from shared.gateways.stripe.webhook import HEADER, KINDS, SUCCEEDED, signed
from shared.platform import http_client
from shared.platform.setting_values import webhook_secrets
from shared.platform.terminal import printable

OBJECTS = {"charge": "payment_intent", "refund": "refund", "dispute": "dispute"}
PATIENCE = 15.0  # seconds; Stripe's own is not much longer


def event(type_: str, object_id: str, charge_id: str | None) -> bytes:
    """The body of a webhook. It says no more than the service reads of one: what is true, it asks Stripe."""
    about = {"id": object_id, "object": OBJECTS[KINDS.get(type_) or "charge"]}
    if charge_id:
        about["payment_intent"] = charge_id
    said = {"id": f"evt_local{uuid.uuid4().hex}", "object": "event", "created": int(time.time()), "type": type_}
    return json.dumps(said | {"data": {"object": about}}).encode()


def main() -> None:
    parser = argparse.ArgumentParser(prog="make webhook", description="Sends an event as Stripe would.")
    parser.add_argument("--type", default=SUCCEEDED, help=", ".join(KINDS))
    parser.add_argument("--id", required=True, help="what Stripe calls the object: pi_..., re_..., du_...")
    parser.add_argument("--charge", help="the charge of a refund or dispute: pi_...")
    door = f"http://localhost:{os.environ.get('SERVICE_PORT') or 8082}"
    parser.add_argument("--url", default=f"{door}/webhooks/stripe", help="where to (%(default)s)")
    arguments = parser.parse_args()
    if not arguments.id:
        sys.exit("ID is not set: what Stripe calls the object, pi_..., re_... or du_...")
    try:
        secrets = webhook_secrets(os.environ.get("STRIPE_WEBHOOK_SECRET", ""))
    except ValueError as wrong:
        sys.exit(f"STRIPE_WEBHOOK_SECRET must be {wrong}")
    if not secrets:
        sys.exit("STRIPE_WEBHOOK_SECRET is not set: set the one that the service has")
    body = event(arguments.type, arguments.id, arguments.charge)
    headers = {"Content-Type": "application/json", HEADER: signed(secrets[0], int(time.time()), body)}
    try:
        reply = http_client.request("POST", arguments.url, timeout=PATIENCE, headers=headers, body=body)
    except http_client.NoResponse as failure:
        sys.exit(f"{arguments.url} does not answer: {failure}")
    print(printable(f"{reply.status} {reply.body.decode('utf-8', 'replace')}".rstrip()))
    sys.exit(0 if 200 <= reply.status < 300 else 1)


if __name__ == "__main__":
    main()
