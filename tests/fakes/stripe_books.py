"""What the tests' own gateway knows and decides: PaymentIntents, Refunds, and what it remembers of idempotency keys.

Written from Stripe's documentation, not from what this service does with it. The HTTP side is in gateway.py.
"""

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Fields = list[tuple[str, str]]
Thing = dict[str, Any]

WAITING = ("requires_action", "requires_payment_method", "requires_confirmation")
INTENT_FIELDS = {
    "amount",
    "currency",
    "confirm",
    "payment_method",
    "payment_method_types[]",
    "metadata[reference]",
    "metadata[payment_id]",
}
OPTIONAL_FIELDS = {"customer", "description"}
REFUND_FIELDS = {"payment_intent", "amount", "metadata[reference]", "metadata[payment_id]"}


class Refusal(Exception):
    """An answer that is an error of Stripe's."""

    def __init__(self, status: int, kind: str, code: str | None = None, **more: Any) -> None:
        super().__init__(code or kind)
        self.status = status
        self.body = {"error": {"type": kind, "message": "The tests' gateway says no.", **more}}
        if code:
            self.body["error"]["code"] = code


@dataclass
class Key:
    """An idempotency key: the request it came with, and the stored answer once there is one."""

    request: tuple[str, Fields]
    since: float
    answer: tuple[int, Thing] | None = None
    seen: int = 1
    mismatches: int = 0


@dataclass
class Books:
    """Every method is one step under one lock; times are seconds since the epoch by this gateway's own clock."""

    key_retention: float = 86400.0
    processing_seconds: float = 1.0
    skipped: float = 0.0
    lock: threading.RLock = field(default_factory=threading.RLock)
    intents: dict[str, Thing] = field(default_factory=dict)
    refunds: dict[str, Thing] = field(default_factory=dict)
    keys: dict[str, Key] = field(default_factory=dict)

    def now(self) -> float:
        return time.time() + self.skipped

    def begin(self, key: str, path: str, fields: Fields) -> tuple[int, Thing] | None:
        """The stored answer of a key, or None where the request is to be carried out now."""
        request = (path, sorted(fields))
        with self.lock:
            known = self.keys.get(key)
            if known is None or known.since + self.key_retention < self.now():
                self.keys[key] = Key(request, self.now())
                return None
            known.seen += 1
            if known.request != request:
                known.mismatches += 1
                raise Refusal(400, "idempotency_error")
            if known.answer is None:
                raise Refusal(409, "invalid_request_error", "idempotency_key_in_use")
            return known.answer

    def store(self, key: str, status: int, body: Thing) -> None:
        with self.lock:
            self.keys[key].answer = (status, body)

    def forget(self, key: str) -> None:
        with self.lock:
            self.keys.pop(key, None)

    def create_intent(self, fields: Fields, mode: str) -> Thing:
        """Creates and confirms. `mode`: what becomes of it; a decline is raised, and its intent stays unpaid."""
        given = dict(fields)
        with self.lock:
            intent = self._new("pi", "payment_intent", given) | {"currency": given["currency"]}
            intent |= {"payment_method": given["payment_method"], "last_payment_error": None, "status": "succeeded"}
            intent |= {name: given.get(name) for name in OPTIONAL_FIELDS}
            self.intents[intent["id"]] = intent
            if mode == "processing":
                intent |= {"status": "processing", "_final_at": self.now() + self.processing_seconds}
            elif mode in ("authenticate", "meanwhile"):
                intent["status"] = "requires_action"
            elif mode == "unpaid":
                intent["status"] = "requires_payment_method"
            elif mode.startswith("decline"):
                code = mode.removeprefix("decline").strip("_") or "generic_decline"
                error = {"type": "card_error", "code": "card_declined", "decline_code": code}
                intent |= {"status": "requires_payment_method", "last_payment_error": error}
                raise Refusal(402, "card_error", "card_declined", decline_code=code, payment_intent=shown(intent))
            answer = shown(intent)
            if mode == "meanwhile":
                intent["status"] = "succeeded"
            return answer

    def cancel_intent(self, intent_id: str) -> Thing:
        with self.lock:
            intent = self.intent(intent_id)
            if intent["status"] not in WAITING:
                raise Refusal(
                    400, "invalid_request_error", "payment_intent_unexpected_state", payment_intent=shown(intent)
                )
            intent["status"] = "canceled"
            return shown(intent)

    def create_refund(self, fields: Fields, mode: str) -> Thing:
        """Gives back part of a charge, never more in all than was charged."""
        given = dict(fields)
        with self.lock:
            intent = self.intents.get(given["payment_intent"])
            if intent is None:
                raise Refusal(404, "invalid_request_error", "resource_missing")
            if self._settled(intent)["status"] != "succeeded":
                raise Refusal(400, "invalid_request_error", "payment_intent_unexpected_state")
            left = intent["amount"] - self._given_back(intent["id"])
            if left == 0:
                raise Refusal(400, "invalid_request_error", "charge_already_refunded")
            if int(given["amount"]) > left:
                raise Refusal(400, "invalid_request_error")
            refund = self._new("re", "refund", given) | {"currency": intent["currency"], "status": "succeeded"}
            refund["payment_intent"] = intent["id"]
            self.refunds[refund["id"]] = refund
            if mode == "pending":
                refund |= {"status": "pending", "_final_at": self.now() + self.processing_seconds}
            elif mode in ("failed", "canceled", "requires_action"):
                refund["status"] = mode
                refund["failure_reason"] = "expired_or_canceled_card" if mode == "failed" else None
            return shown(refund)

    def intent(self, intent_id: str) -> Thing:
        with self.lock:
            return self._found(self.intents, intent_id)

    def refund(self, refund_id: str) -> Thing:
        with self.lock:
            return self._found(self.refunds, refund_id)

    def page(self, things: dict[str, Thing], query: dict[str, str]) -> Thing:
        """One page of a list, newest first; Refusal for a place after an object that is not there (any more)."""
        with self.lock:
            newest_first = list(reversed(things.values()))
            newest_first.sort(key=lambda thing: -thing["created"])
            chosen = [self._settled(thing) for thing in newest_first if _matches(thing, query)]
            if after := query.get("starting_after"):
                if after not in things:
                    raise Refusal(400, "invalid_request_error", "resource_missing", param="starting_after")
                chosen = chosen[[thing["id"] for thing in chosen].index(after) + 1 :]
            limit = int(query.get("limit", "10"))
            return {
                "object": "list",
                "data": [shown(thing) for thing in chosen[:limit]],
                "has_more": len(chosen) > limit,
            }

    def accounts(self) -> Thing:
        """Every charge and refund by our reference, and every key: what a test counts at the end."""
        with self.lock:
            return {
                "charges": _by_reference(map(self._settled, self.intents.values())),
                "refunds": _by_reference(map(self._settled, self.refunds.values())),
                "keys": {
                    key: {"seen": known.seen, "mismatches": known.mismatches, "status": (known.answer or (0,))[0]}
                    for key, known in self.keys.items()
                },
            }

    def _new(self, prefix: str, kind: str, given: dict[str, str]) -> Thing:
        number = len(self.intents) + len(self.refunds) + 1
        names = {name[9:-1]: value for name, value in given.items() if name.startswith("metadata[")}
        return {
            "id": f"{prefix}_{number:012d}",
            "object": kind,
            "amount": int(given["amount"]),
            "created": int(self.now()),
            "metadata": names,
        }

    def _settled(self, thing: Thing) -> Thing:
        if self.now() >= thing.get("_final_at", float("inf")):
            del thing["_final_at"]
            thing["status"] = "succeeded"
        return thing

    def _found(self, things: dict[str, Thing], thing_id: str) -> Thing:
        if thing_id not in things:
            raise Refusal(404, "invalid_request_error", "resource_missing")
        return self._settled(things[thing_id])

    def _given_back(self, intent_id: str) -> int:
        back = (refund for refund in self.refunds.values() if refund["payment_intent"] == intent_id)
        return sum(refund["amount"] for refund in back if refund["status"] not in ("failed", "canceled"))


def check_fields(fields: Fields, allowed: set[str]) -> None:
    """What Stripe checks before anything is carried out or stored: Refusal for an unknown, missing or malformed field."""
    given = dict(fields)
    if unknown := set(given) - allowed - (OPTIONAL_FIELDS if "confirm" in allowed else set()):
        raise Refusal(400, "invalid_request_error", "parameter_unknown", param=min(unknown))
    if missing := allowed - set(given):
        raise Refusal(400, "invalid_request_error", "parameter_missing", param=min(missing))
    if not re.fullmatch("[1-9][0-9]*", given["amount"]):
        raise Refusal(400, "invalid_request_error", "parameter_invalid_integer", param="amount")
    if not re.fullmatch("[a-z]{3}", given.get("currency", "inr")):
        raise Refusal(400, "invalid_request_error", param="currency")
    method = given.get("payment_method", "pm_")
    if not method.startswith("pm_"):
        raise Refusal(400, "invalid_request_error", "resource_missing", param="payment_method")
    if not re.fullmatch("cus_[A-Za-z0-9]+", given.get("customer", "cus_x")):
        raise Refusal(400, "invalid_request_error", "resource_missing", param="customer")
    if method.startswith("pm_saved_by_") and given.get("customer") != method.removeprefix("pm_saved_by_"):
        raise Refusal(400, "invalid_request_error", param="payment_method")  # a customer's: without them of no use
    if not 0 < len(given.get("description", "x")) <= 1000:
        raise Refusal(400, "invalid_request_error", "parameter_invalid_empty", param="description")


def shown(thing: Thing) -> Thing:
    """A copy without what is this gateway's own business."""
    return {name: value for name, value in thing.items() if not name.startswith("_")}


def _matches(thing: Thing, query: dict[str, str]) -> bool:
    created = thing["created"]
    return (
        created >= int(query.get("created[gte]", "0"))
        and created < int(query.get("created[lt]", str(2**62)))
        and query.get("payment_intent", thing.get("payment_intent")) == thing.get("payment_intent")
    )


def _by_reference(things: Iterator[Thing]) -> dict[str, Thing]:
    accounts: dict[str, Thing] = {}
    for thing in things:
        empty: Thing = {
            "count": 0,
            "succeeded": 0,
            "amount": 0,
            "currency": thing["currency"],
            "statuses": [],
            "ids": [],
        }
        account = accounts.setdefault(thing["metadata"].get("reference", ""), empty)
        account["payment_id"] = thing["metadata"].get("payment_id")
        account["payment_intent"] = thing.get("payment_intent")
        account["count"] += 1
        account["statuses"].append(thing["status"])
        account["ids"].append(thing["id"])
        if thing["status"] == "succeeded":
            account["succeeded"] += 1
            account["amount"] += thing["amount"]
    return accounts
