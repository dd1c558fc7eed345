"""The clock that a cluster has: calls `sweep` every 5 seconds with a CloudEvent. `SWEEP_URL=... python -m local.timer`."""

import json
import os
import signal
import threading
import uuid
from datetime import UTC, datetime
from http.client import HTTPException
from urllib.error import URLError
from urllib.request import Request, urlopen

INTERVAL = 5.0  # seconds
PATIENCE = 60.0  # seconds: a sweep is bounded, and the next waits for it


def tick(url: str) -> None:
    """POSTs one CloudEvent in binary mode, as a Knative PingSource does. Raises OSError or HTTPException."""
    headers = {
        "ce-specversion": "1.0",
        "ce-type": "dev.knative.sources.ping",
        "ce-source": "/local/timer",
        "ce-id": str(uuid.uuid4()),
        "ce-time": datetime.now(UTC).isoformat(),
        "Content-Type": "application/json",
    }
    with urlopen(Request(url, b"{}", headers), timeout=PATIENCE):  # noqa: S310 - our own function's address
        pass


def main() -> None:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    while not stopped.wait(INTERVAL):
        try:
            tick(os.environ["SWEEP_URL"])
        except (URLError, HTTPException, OSError) as refused:
            line = {"level": "WARNING", "message": "sweep did not answer", "reason": str(refused), "function": "timer"}
            print(json.dumps({"timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"), **line}), flush=True)


if __name__ == "__main__":
    main()
