"""Webhooks of the tests' own gateway: each event goes to an endpoint, signed, until it is taken (https://docs.stripe.com/webhooks).

Late, repeated, out of order, or not at all, as the modes draw it; and forged ones beside them.
"""

import hashlib
import heapq
import hmac
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import count
from urllib.parse import urlsplit

from tests.fakes.stripe_forgeries import forged
from tests.fakes.stripe_modes import Modes
from tests.fakes.stripe_requests import Thing

SENDERS = 4
ANSWERED_WITHIN = 10.0
LONGEST_PAUSE = 8.0
TYPES = (
    *(
        f"payment_intent.{what}"
        for what in ("succeeded", "payment_failed", "canceled", "processing", "requires_action")
    ),
    *(f"refund.{what}" for what in ("created", "updated", "failed")),
    *(f"charge.dispute.{what}" for what in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")),
)


@dataclass
class Endpoint:
    """Where events go: to one of `urls`, of the `types`, signed with all `secrets`. `retry_seconds` is the pause after a first
    try in vain, which grows; `late_seconds` bounds how late an event is that is late. `leaked` is a secret that others have."""

    urls: list[str]
    secrets: list[str]
    types: tuple[str, ...] = TYPES
    retry_seconds: float = 0.5
    late_seconds: float = 3.0
    leaked: str | None = None


@dataclass(order=True)
class Letter:
    """An event on its way. `signed_at` is what its signature says, in seconds since the epoch; None: when it is sent."""

    at: float
    number: int
    kind: str
    event: Thing
    secrets: list[str]
    signed_at: int | None = None
    tries: int = 0


class Webhooks:
    """`answers` counts how each kind of letter was answered: `event 204`, `forged signature 400`."""

    def __init__(self, modes: Modes, tick: Callable[[], object]) -> None:
        self.endpoint: Endpoint | None = None
        self.answers: Counter[str] = Counter()
        self._modes = modes
        self._tick = tick
        self._numbers = count(1)
        self._letters: list[Letter] = []
        self._under_way = 0
        self._seen: list[Thing] = []
        self._something = threading.Condition()
        self._over = False
        self._threads: list[threading.Thread] = []

    def send_to(self, endpoint: Endpoint) -> None:
        """From now on. What waits by itself to happen is done meanwhile, whether anybody asks or not."""
        self.endpoint = endpoint
        if not self._threads:
            works = [self._keep_time, *[self._send_letters] * SENDERS]
            self._threads = [threading.Thread(target=work, daemon=True) for work in works]
            for thread in self._threads:
                thread.start()

    def stop(self) -> None:
        with self._something:
            self._over = True
            self._something.notify_all()
        for thread in self._threads:
            thread.join()

    @property
    def on_the_way(self) -> int:
        """How many letters are still to be taken."""
        with self._something:
            return len(self._letters) + self._under_way

    @property
    def rung_for(self) -> list[str]:
        """The ids of all events that were to be sent."""
        return [event["id"] for event in self._seen]

    def hear(self, event: Thing) -> None:
        """An event was written."""
        endpoint = self.endpoint
        if endpoint is None or event["type"] not in endpoint.types:
            event["pending_webhooks"] = 0
            return
        modes = self._modes.drawn(event["id"])
        self._seen.append(event)
        if "webhook_lost" in modes:
            self.answers["event lost"] += 1
        else:
            late = endpoint.late_seconds if "webhook_late" in modes else min(endpoint.late_seconds, 0.5)
            wait = late * self._modes.draw("wait", event["id"]) if modes & {"webhook_late", "webhook_reordered"} else 0
            self._post(Letter(time.time() + wait, 0, "event", event, endpoint.secrets))
            if "webhook_repeated" in modes:
                again = time.time() + wait + self._modes.draw("again", event["id"])
                self._post(Letter(again, 0, "repeat", event, endpoint.secrets))
        if "webhook_forged" in modes:
            for kind, content, secret, signed_at in forged(event, self._seen, endpoint.leaked):
                self._post(Letter(time.time(), 0, kind, content, [secret], signed_at))

    def _post(self, letter: Letter) -> None:
        with self._something:
            letter.number = next(self._numbers)
            heapq.heappush(self._letters, letter)
            self._something.notify()

    def _keep_time(self) -> None:
        while not self._over:
            self._tick()
            time.sleep(0.02)

    def _send_letters(self) -> None:
        while (letter := self._next()) is not None:
            status = self._send(letter)
            self.answers[f"{letter.kind} {status or 'not answered'}"] += 1
            taken = status is not None and 200 <= status < 300
            if taken and letter.kind == "event":
                letter.event["pending_webhooks"] = 0
            if not taken and letter.kind in ("event", "repeat") and self.endpoint is not None:
                pause = min(self.endpoint.retry_seconds * 2**letter.tries, LONGEST_PAUSE)
                letter.at, letter.tries = time.time() + pause, letter.tries + 1
                self._post(letter)
            with self._something:
                self._under_way -= 1

    def _next(self) -> Letter | None:
        """The next letter whose time has come; None at the end."""
        with self._something:
            while not self._over:
                wait = self._letters[0].at - time.time() if self._letters else None
                if wait is not None and wait <= 0:
                    self._under_way += 1
                    return heapq.heappop(self._letters)
                self._something.wait(wait)
            return None

    def _send(self, letter: Letter) -> int | None:
        """The status of the answer, or None where there was none."""
        assert self.endpoint is not None
        body = json.dumps(letter.event, indent=2).encode()
        signature = sign(body, letter.secrets, int(time.time()) if letter.signed_at is None else letter.signed_at)
        urls = self.endpoint.urls
        url = urlsplit(urls[int(len(urls) * self._modes.draw("url", f"{letter.number}|{letter.tries}"))])
        connection = HTTPConnection(url.hostname or "", url.port, timeout=ANSWERED_WITHIN)
        headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}
        with suppress(OSError, HTTPException):
            connection.request("POST", url.path, body, headers)
            response = connection.getresponse()
            response.read()
            connection.close()
            return response.status
        connection.close()
        return None


def sign(body: bytes, secrets: list[str], at: int) -> str:
    """The header Stripe-Signature, with a signature by each secret (https://docs.stripe.com/webhooks#verify-manually);
    Stripe adds one of a scheme of its tests, which proves nothing."""

    def signature(secret: str) -> str:
        return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()

    return ",".join([f"t={at}", *(f"v1={signature(secret)}" for secret in secrets), f"v0={signature('test')}"])
