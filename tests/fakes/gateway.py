"""A gateway of the tests' own, over HTTP: like Stripe's PaymentIntents and Refunds, and able to fail in every way.

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
                  (requires_payment_method), meanwhile (requires_action, and paid right after), decline, decline_<code>
  for refunds:    pending (succeeds after `processing_seconds`), failed, canceled, requires_action

Each API key has books of its own where `others` says so: another account knows nothing of the first. `account_ids` says what
GET /v1/account tells each key; nothing to a key that is not in it.
Other settings: seed, slow_seconds, processing_seconds, key_retention, skip (moves the clock on), all in seconds; reset.
GET /_ledger: {"charges": {reference: {count, succeeded, amount, ...}}, "refunds": the same, "keys", "answers", "modes"}.
"""

import argparse
import contextlib
import hashlib
import json
import threading
import time
from collections import Counter, deque
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.fakes.server import CuttableServer
from tests.fakes.stripe_books import INTENT_FIELDS, REFUND_FIELDS, Books, Fields, Refusal, Thing, check_fields, shown

DELIVERY = ("drop", "lose", "garbage", "busy", "refused", "broken", "broken_after", "slow", "hold")
OF_CHARGES = ("processing", "authenticate", "unpaid", "meanwhile", "decline")
OF_REFUNDS = ("pending", "failed", "canceled", "requires_action")
LONGEST_HOLD = 30.0

type_of_answer = tuple[int, dict[str, str], bytes]


class Cut(Exception):
    """The connection ends here, without an answer."""


class StripeLike:
    """The gateway as a server in threads, ready when the constructor returns; a context manager that ends it."""

    def __init__(self, port: int = 0, seed: int = 0) -> None:
        self.seed = seed
        self.slow_seconds = 1.0
        self.shares: dict[str, float] = {}
        self.books = Books()
        self.others: dict[str, Books] = {}
        self.account_ids: dict[str, str] = {}
        self.requests: deque[tuple[str, str, dict[str, str], Fields]] = deque(maxlen=10000)
        self.script: deque[type_of_answer | None] = deque()
        self.answers: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()
        self.tries: Counter[str] = Counter()
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
        for name, value in wanted.items():
            if name in DELIVERY + OF_CHARGES + OF_REFUNDS and 0 <= float(value) <= 1:
                self.shares[name] = float(value)
            elif name in ("seed", "slow_seconds"):
                setattr(self, name, type(getattr(self, name))(value))
            elif name in ("key_retention", "processing_seconds"):
                setattr(self.books, name, float(value))
            elif name == "skip":
                self.books.skipped += float(value)
            elif name == "calm":
                self.shares = {}
            elif name == "reset":
                self.books, self.others, self.shares = Books(), {}, {}
                for seen in (self.requests, self.script, self.answers, self.modes, self.tries):
                    seen.clear()
            else:
                raise ValueError(f"not a setting of this gateway: {name}")
        return {"seed": self.seed, "shares": self.shares}

    def ledger(self) -> Thing:
        return self.books.accounts() | {"answers": dict(self.answers), "modes": dict(self.modes)}

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
        modes = self._choose(key, dict(fields).get("payment_method", ""))
        self.modes.update(modes)
        if "drop" in modes:
            raise Cut
        if "busy" in modes:
            return _json(429, Refusal(429, "invalid_request_error", "rate_limit").body)
        try:
            if method == "POST":
                answer = self._post(books, path, key, fields, modes)
            else:
                answer = self._get(books, path, dict(fields), modes)
        except Refusal as refusal:
            answer = _json(refusal.status, refusal.body)
        if "lose" in modes:
            raise Cut
        return (200, {}, b"<html>no</html>") if "garbage" in modes else answer

    def _post(self, books: Books, path: str, key: str, fields: Fields, modes: set[str]) -> type_of_answer:
        if "refused" in modes:
            raise Refusal(400, "invalid_request_error", "parameter_unknown")
        if path in ("/v1/payment_intents", "/v1/refunds"):
            check_fields(fields, INTENT_FIELDS if path == "/v1/payment_intents" else REFUND_FIELDS)
        stored = books.begin(key, path, fields)
        if stored is not None:
            return _json(*stored, replayed=True)
        try:
            status, body = self._carry_out(books, path, fields, modes)
        except BaseException:
            books.forget(key)
            raise
        books.store(key, status, body)
        return _json(status, body)

    def _carry_out(self, books: Books, path: str, fields: Fields, modes: set[str]) -> tuple[int, Thing]:
        late = "slow" in modes and self._draw("when", path + str(fields)) < 0.5
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
            return books.create_intent(fields, chosen)
        if path == "/v1/refunds":
            return books.create_refund(fields, next((mode for mode in OF_REFUNDS if mode in modes), ""))
        if path.startswith("/v1/payment_intents/") and path.endswith("/cancel"):
            return books.cancel_intent(path.split("/")[3])
        raise Refusal(404, "invalid_request_error", "url_invalid")

    def _get(self, books: Books, path: str, query: dict[str, str], modes: set[str]) -> type_of_answer:
        if "slow" in modes:
            time.sleep(self.slow_seconds)
        if modes & {"broken", "broken_after"}:
            raise Refusal(500, "api_error")
        kind, _, thing_id = path.removeprefix("/v1/").partition("/")
        if kind not in ("payment_intents", "refunds"):
            raise Refusal(404, "invalid_request_error", "url_invalid")
        things = books.intents if kind == "payment_intents" else books.refunds
        if not thing_id:
            return _json(200, books.page(things, query))
        return _json(200, shown(books.intent(thing_id) if kind == "payment_intents" else books.refund(thing_id)))

    def _choose(self, key: str, token: str) -> set[str]:
        """The modes that this request gets: those of its token, and those that its number draws."""
        self.tries[key] += 1
        number = self.tries[key]
        modes = {mode for mode, share in self.shares.items() if self._draw(mode, f"{key}|{_try(mode, number)}") < share}
        named = token.removeprefix("pm_").removesuffix("_always")
        known = named in DELIVERY + OF_CHARGES or named.startswith("decline_")
        if known and (number == 1 or token.endswith("_always") or named not in DELIVERY):
            modes.add(named)
        return modes

    def _draw(self, what: str, about: str) -> float:
        return int.from_bytes(hashlib.sha256(f"{self.seed}|{what}|{about}".encode()).digest()[:8]) / 2**64


def _try(mode: str, number: int) -> int:
    """What becomes of a charge is drawn once; what becomes of its answer, at each try."""
    return number if mode in DELIVERY else 0


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
