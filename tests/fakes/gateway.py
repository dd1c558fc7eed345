"""A gateway of the tests' own, over HTTP: like Stripe's, with its webhooks, and able to fail in every way.

    python tests/fakes/gateway.py --port 8420        or        with StripeLike() as gateway: gateway.url

How it fails is chosen for every request by shares (POST /_control {"lose": 0.1, "seed": 7}, each 0 to 1; {"calm": true}
ends them all), or for one charge by its payment method: `pm_lose` at the first try, `pm_lose_always` at each.
Every choice is drawn from the seed, the idempotency key and how often it came, so the order of requests decides nothing.

    drop          the connection is cut, nothing is done         lose          it is done, then the connection is cut
    refused       400 before any key is looked at, nothing is done or stored
    garbage       it is done, the answer is nonsense             busy          429, nothing is done or stored
    broken        nothing is done, the 500 is stored             broken_after  it is done, a 500 is stored
    slow          `slow_seconds` before or after doing it        hold          nothing is done until `release()`
  for charges:    processing (succeeds after `processing_seconds`), authenticate (requires_action), unpaid
                  (requires_payment_method), meanwhile (requires_action, and paid right after), decline, decline_<code>,
                  late (declined, and paid after `processing_seconds`), revived (cancelled, and paid after those)
  once paid:      dashboard_refund, dispute, inquiry (each `afterwards_seconds` later)
  for refunds:    pending (succeeds after `processing_seconds`), pending_failed (fails after them), failed, canceled,
                  requires_action, comes_back (succeeds, and fails after `processing_seconds`)
  for webhooks:   webhook_lost, webhook_late, webhook_repeated, webhook_reordered, webhook_forged (forged ones beside the true)

A charge by UPI, an intent that is not confirmed, and a payment method `pm_customer...` (`pm_customer_redirect...`: at the
bank's page) wait for their customer; off-session they are declined. What the customer does is a share, or the end of the
payment method (`pm_customer_redirect_soon`): customer_soon, customer_refuses (after `customer_seconds`), customer_late (after
`customer_late_seconds`), customer_races (at the moment of the cancellation, just before it or just after), customer_never.

{"webhook": {"urls": [...], "secrets": [...], "leaked": ..., "retry_seconds": ..., "late_seconds": ...}} has each event sent
there, as Stripe does it. {"act": "customer_confirms", "on": "pi_..."}: what somebody does to one object now; also
customer_refuses, refund_in_dashboard (with "amount"), refund_fails, open_dispute (with "amount", "inquiry"), move_dispute (with
"status"). By a reference of ours too: {"act": ..., "reference": "PAY-..."}. Of the account as a whole: charge_elsewhere (with
"amount", "currency", "metadata"), pay_out (with "amount", "currency"), take_fee; also payout_fails, and in the books change
(with "amount", "status", ... of an object, or the "amount" of a balance transaction) and drop_movement: stripe_elsewhere.py.

Each API key has books of its own where `others` says so: another account knows nothing of the first. `account_ids` says what
GET /v1/account tells each key; nothing to a key that is not in it.
{"limit_every": 10, "retry_after": 1}: each tenth request is answered 429 with that Retry-After. {"exchange": {"usd": ["inr",
83.1]}}: charges in USD come into the account in INR. {"made": {"count": 1000000, "since": ..., "until": ...}} lists so many
balance transactions in place of those that are written: stripe_balance.py; {"made": null} ends it.
Other settings: seed, key_retention, skip (moves the clock on), and those in quotes above, all in seconds; reset.
GET /_ledger: {"charges": {reference: {count, succeeded, amount, ...}}, "refunds": the same, "by_charge": the truth of each,
"keys", "answers", "modes", "webhooks", "to_come", "on_the_way", "balance" (what the account has, in minor units), ...}: see
stripe_books.py.
"""

import argparse
import contextlib
import json
import threading
import time
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler
from itertools import count
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.server import CuttableServer
from tests.fakes.stripe_balance import Made
from tests.fakes.stripe_books import Books
from tests.fakes.stripe_charges import CUSTOMERS
from tests.fakes.stripe_disputes import AFTERWARDS
from tests.fakes.stripe_modes import ALL, OF_CHARGES, OF_REFUNDS, Modes
from tests.fakes.stripe_requests import Fields, Refusal, Thing, check_fields
from tests.fakes.stripe_webhooks import Endpoint, Webhooks

SECONDS = ("processing_seconds", "customer_seconds", "customer_late_seconds", "afterwards_seconds")
ACTS = ("customer_confirms", "customer_refuses", "refund_in_dashboard", "refund_fails", "open_dispute", "move_dispute")
ACTS += ("charge_elsewhere", "pay_out", "payout_fails", "take_fee", "change", "drop_movement")
OF_THE_ACCOUNT = ("charge_elsewhere", "pay_out", "take_fee")
LONGEST_HOLD = 30.0

type_of_answer = tuple[int, dict[str, str], bytes]


class Cut(Exception):
    """The connection ends here, without an answer."""


class StripeLike:
    """The gateway as a server in threads, ready when the constructor returns; a context manager that ends it."""

    def __init__(self, port: int = 0, seed: int = 0) -> None:
        self.drawing = Modes(seed)
        self.slow_seconds = 1.0
        self.books = Books()
        self.others: dict[str, Books] = {}
        self.account_ids: dict[str, str] = {}
        self.requests: deque[tuple[str, str, dict[str, str], Fields]] = deque(maxlen=10000)
        self.script: deque[type_of_answer | None] = deque()
        self.answers: Counter[str] = Counter()
        self.limit_every, self.retry_after = 0, 1.0
        self._asked = count(1)
        self.modes: Counter[str] = Counter()
        self.webhooks = Webhooks(self.drawing, lambda: self.books.catch_up())
        self.released = threading.Event()
        self.holding = threading.Semaphore(0)
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.gateway = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.released.set()
        self.webhooks.stop()
        self._server.shutdown()
        self._server.server_close()
        self._server.cut_all()
        self._thread.join()

    def say(self, status: int, body: Any, **headers: str) -> None:
        """Has the next request answered with this, whatever it asks; nothing is done. Bytes are sent as they are."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.script.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, raw))

    def cut(self) -> None:
        """Has the connection cut at the next request, whatever it asks; nothing is done."""
        self.script.append(None)

    def control(self, wanted: Thing) -> Thing:
        """Changes how it fails from now on. Raises ValueError for what it does not know."""
        wanted = dict(wanted)
        if "act" in wanted:
            return self._act(wanted.pop("act"), wanted)
        for name, value in wanted.items():
            if name in ALL and 0 <= float(value) <= 1:
                self.drawing.shares[name] = float(value)
            elif name == "seed":
                self.drawing.seed = int(value)
            elif name == "slow_seconds":
                self.slow_seconds = float(value)
            elif name == "key_retention":
                self.books.keys.retention = float(value)
            elif name in SECONDS:
                setattr(self.books, name, float(value))
            elif name == "limit_every":
                self.limit_every = int(value)
            elif name == "retry_after":
                self.retry_after = float(value)
            elif name == "exchange":
                self.books.balance.rates = {currency: (into, rate) for currency, (into, rate) in value.items()}
            elif name == "made":
                self.books.balance.made = None if value is None else Made(**value)
            elif name == "skip":
                self.books.skipped += float(value)
            elif name == "webhook":
                self.webhooks.send_to(Endpoint(**value))
                self.books.events.heard = self.webhooks.hear
            elif name == "calm":
                self.drawing.shares = {}
            elif name == "reset":
                self.books, self.others, self.drawing.shares, self.limit_every = Books(), {}, {}, 0
                for seen in (self.requests, self.script, self.answers, self.modes, self.drawing.tries):
                    seen.clear()
            else:
                raise ValueError(f"not a setting of this gateway: {name}")
        return {"seed": self.drawing.seed, "shares": self.drawing.shares}

    def _act(self, act: str, wanted: Thing) -> Thing:
        """What somebody else than us does now: `on` an object, or the newest charge that bears the `reference`. Raises
        ValueError where there is no such act, or it is refused."""
        if act not in ACTS:
            raise ValueError(f"not an act that this gateway knows: {act}")
        with self.books.lock:
            if reference := wanted.pop("reference", None):
                intents = reversed(self.books.intents.values())
                wanted["on"] = next(each["id"] for each in intents if each["metadata"].get("reference") == reference)
            try:
                on = () if act in OF_THE_ACCOUNT else (wanted.pop("on"),)
                done: Thing = getattr(self.books, act)(*on, **wanted)
            except (Refusal, TypeError, StopIteration, KeyError) as refused:
                raise ValueError(f"{act} is refused: {refused!r}") from refused
        return done

    def ledger(self) -> Thing:
        seen = {"answers": dict(self.answers), "modes": dict(self.modes), "webhooks": dict(self.webhooks.answers)}
        ringing = {"on_the_way": self.webhooks.on_the_way, "rung_for": self.webhooks.rung_for}
        return self.books.accounts() | seen | ringing

    def answer(self, method: str, path: str, headers: dict[str, str], fields: Fields) -> type_of_answer:
        """Carries a request out and says what to answer, or raises Cut."""
        self.requests.append((method, path, headers, fields))
        if self.script:
            scripted = self.script.popleft()
            if scripted is None:
                raise Cut
            return scripted
        api_key = headers.get("authorization", "").removeprefix("Bearer ")
        if not api_key.startswith(("sk_", "rk_")):
            return _json(401, Refusal(401, "invalid_request_error").body)
        if path == "/v1/account":
            named = self.account_ids.get(api_key)
            refusal = Refusal(403, "invalid_request_error").body
            return _json(200, {"object": "account", "id": named}) if named else _json(403, refusal)
        books = self.others.get(api_key, self.books)
        key = headers.get("idempotency-key") or f"{method} {path} {fields}"
        modes = self.drawing.choose(key, dict(fields).get("payment_method", ""))
        self.modes.update(modes)
        if "drop" in modes:
            raise Cut
        if self.limit_every and next(self._asked) % self.limit_every == 0:
            status, _, body = _json(429, Refusal(429, "invalid_request_error", "rate_limit").body)
            return status, {"Retry-After": f"{self.retry_after:g}"}, body
        if "busy" in modes:
            return _json(429, Refusal(429, "invalid_request_error", "rate_limit").body)
        try:
            asked = self._get(books, path, fields, modes) if method == "GET" else None
            answer = asked or self._post(books, path, key, fields, modes)
        except Refusal as refusal:
            answer = _json(refusal.status, refusal.body)
        if "lose" in modes:
            raise Cut
        return (200, {}, b"<html>no</html>") if "garbage" in modes else answer

    def _post(self, books: Books, path: str, key: str, fields: Fields, modes: set[str]) -> type_of_answer:
        if "refused" in modes:
            raise Refusal(400, "invalid_request_error", "parameter_unknown")
        if path in ("/v1/payment_intents", "/v1/refunds"):
            check_fields(fields, path)
        stored = books.keys.begin(key, path, fields)
        if stored is not None:
            return _json(*stored, replayed=True)
        try:
            status, body = self._carry_out(books, path, fields, modes)
        except BaseException:
            books.keys.forget(key)
            raise
        books.keys.store(key, status, body)
        return _json(status, body)

    def _carry_out(self, books: Books, path: str, fields: Fields, modes: set[str]) -> tuple[int, Thing]:
        late = "slow" in modes and self.drawing.draw("when", path + str(fields)) < 0.5
        if "hold" in modes:
            self.holding.release()
            self.released.wait(LONGEST_HOLD)
        if "slow" in modes and not late:
            time.sleep(self.slow_seconds)
        wrong = Refusal(500, "api_error").body
        if "broken" in modes:
            return 500, wrong
        try:
            status, body = 200, self._do(books, path, fields, modes)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        if late:
            time.sleep(self.slow_seconds)
        return (500, wrong) if "broken_after" in modes else (status, body)

    def _do(self, books: Books, path: str, fields: Fields, modes: set[str]) -> Thing:
        if path == "/v1/payment_intents":
            chosen = next((mode for mode in sorted(modes) if mode.startswith(OF_CHARGES)), "")
            customer = next((mode for mode in CUSTOMERS if mode in modes), "")
            return books.create_intent(fields, chosen, customer, modes & set(AFTERWARDS))
        if path == "/v1/refunds":
            return books.create_refund(fields, next((mode for mode in OF_REFUNDS if mode in modes), ""))
        if path.startswith("/v1/payment_intents/") and path.endswith("/cancel"):
            return books.cancel_intent(path.split("/")[3])
        raise Refusal(404, "invalid_request_error", "url_invalid")

    def _get(self, books: Books, path: str, query: Fields, modes: set[str]) -> type_of_answer:
        if "slow" in modes:
            time.sleep(self.slow_seconds)
        if modes & {"broken", "broken_after"}:
            raise Refusal(500, "api_error")
        kind, _, thing_id = path.removeprefix("/v1/").partition("/")
        return _json(200, books.read(kind, thing_id, query))


def _json(status: int, body: Thing, *, replayed: bool = False) -> type_of_answer:
    return status, {"Idempotent-Replayed": "true"} if replayed else {}, json.dumps(body).encode()


class _Server(CuttableServer):
    gateway: StripeLike


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._answer(parts.path, parse_qsl(parts.query))

    def do_POST(self) -> None:
        raw = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), 1 << 16)).decode()
        self._answer(self.path, [("", raw)] if self.path == "/_control" else parse_qsl(raw, keep_blank_values=True))

    def _answer(self, path: str, fields: Fields) -> None:
        gateway = self.server.gateway
        if path in ("/_control", "/_ledger"):
            try:
                said = gateway.control(json.loads(fields[0][1])) if path == "/_control" else gateway.ledger()
                self._send(_json(200, said))
            except ValueError as wrong:
                self._send(_json(400, {"error": str(wrong)}))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            answer = gateway.answer(self.command, path, headers, fields)
        except Cut:
            gateway.answers["cut"] += 1
            self.close_connection = True
            return
        gateway.answers[str(answer[0])] += 1
        self._send(answer)

    def _send(self, answer: type_of_answer) -> None:
        status, headers, body = answer
        lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(body)}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)

    def log_message(self, *_: object) -> None:
        """Silent: the ledger says what came."""


def main() -> None:
    parser = argparse.ArgumentParser(description="A gateway like Stripe's, for tests.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with StripeLike(options.port, options.seed) as gateway, contextlib.suppress(KeyboardInterrupt):
        print(f"listening on {gateway.url}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
