"""A stand-in for the Notification Service: `PORT=8083 python -m local.notification_service`.

POST /v1/notifications takes a notification once for each Idempotency-Key; GET /v1/notifications shows the latest, newest last.
"""

import json
import threading
from collections import deque

from local.stand_in import JsonHandler, serve

SHOWN = 1_000
REMEMBERED = 100_000


class Inbox:
    """The latest notifications and the latest keys, both bounded, for any number of threads."""

    def __init__(self, shown: int = SHOWN, remembered: int = REMEMBERED) -> None:
        self._lock = threading.Lock()
        self._latest: deque[dict[str, object]] = deque(maxlen=shown)
        self._keys: dict[str, None] = {}  # in order of arrival
        self._remembered = remembered

    def take(self, key: str, content: object) -> bool:
        """Takes it in, or drops it where the key came before; says which."""
        with self._lock:
            if key in self._keys:
                return False
            self._keys[key] = None
            if len(self._keys) > self._remembered:
                del self._keys[next(iter(self._keys))]
            self._latest.append({"id": key, "content": content})
            return True

    def latest(self) -> list[dict[str, object]]:
        """What came last, newest last."""
        with self._lock:
            return list(self._latest)


INBOX = Inbox()


class Handler(JsonHandler):
    def do_GET(self) -> None:  # noqa: N802 - the name is the base class's
        if self.path == "/v1/notifications":
            self.reply(200, {"data": INBOX.latest()})
        else:
            self.reply(404, {"error": "no such address"})

    def do_POST(self) -> None:  # noqa: N802 - the same
        body, key = self.body(), self.headers.get("Idempotency-Key")
        if self.path != "/v1/notifications":
            self.reply(404, {"error": "no such address"})
        elif not key:
            self.reply(400, {"error": "Idempotency-Key is missing"})
        else:
            try:
                content = json.loads(body)
            except ValueError:
                self.reply(400, {"error": "the body is not JSON"})
                return
            self.reply(202, {"id": key, "repeated": not INBOX.take(key, content)})


if __name__ == "__main__":
    serve(Handler)
