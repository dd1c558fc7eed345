"""The clock that a cluster has: calls `sweep` every 5 seconds with a CloudEvent. `FUNCTION_URL=... python -m local.timer`.

It says who it is with the token in EVENT_TOKEN_FILE, where that is set. With `--once` it calls the function now, and ends with
1 unless that did it: what CronJobs run for sweep and reconcile where there is no Knative Eventing.
"""

import os
import signal
import sys
import time
import uuid
from datetime import UTC, datetime

from shared.platform import http_client
from shared.platform.bearer import NoToken, bearer
from shared.platform.log import function_name, log, set_cell, set_level
from shared.platform.settings import read_settings

INTERVAL = 5.0  # seconds
# Seconds: a sweep, or a call of reconcile, answers within 50, after a cold start of 4; and a CronJob's turn is over after 58.
PATIENCE = 56.0


def tick(url: str, token_file: str = "") -> str | None:
    """POSTs one CloudEvent in binary mode, as a Knative PingSource does. Gives why it was not done, if it was not."""
    headers = {
        "ce-specversion": "1.0",
        "ce-type": "dev.knative.sources.ping",
        "ce-source": "/payment-service/timer",
        "ce-id": str(uuid.uuid4()),
        "ce-time": datetime.now(UTC).isoformat(),
        "Content-Type": "application/json",
    }
    try:
        headers |= bearer(token_file)
        reply = http_client.request("POST", url, timeout=PATIENCE, headers=headers, body=b"{}")
    except (http_client.NoResponse, NoToken) as failure:
        return str(failure)
    return None if 200 <= reply.status < 300 else f"it answered {reply.status}"


def main() -> None:
    function_name.set("timer")
    settings = read_settings()
    set_level(settings.log_level)
    set_cell(settings.cell_label)
    if sys.argv[1:] == ["--once"]:
        sys.exit(0 if _called(settings.event_token_file) else 1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    while True:
        time.sleep(INTERVAL)
        _called(settings.event_token_file)


def _called(token_file: str) -> bool:
    url = os.environ["FUNCTION_URL"]
    refused = tick(url, token_file)
    if refused:
        log.warning("a function did not do what its clock called it for", extra={"url": url, "reason": refused})
    return not refused


if __name__ == "__main__":
    main()
