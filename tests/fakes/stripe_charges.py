"""PaymentIntents of the tests' own gateway, and the customers whom some of them need.

https://docs.stripe.com/payments/paymentintents/lifecycle, https://docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action
"""

import hashlib
from collections.abc import Collection, Iterable

from tests.fakes.stripe_balance import fee_of
from tests.fakes.stripe_ground import Ground, metadata
from tests.fakes.stripe_requests import Refusal, Thing, shown

WAITING = ("requires_action", "requires_payment_method", "requires_confirmation")
# What a customer does who is waited for: at the moment of a cancellation, just before it or just after it, where it races.
CUSTOMERS = ("customer_soon", "customer_late", "customer_never", "customer_refuses", "customer_races")
PAGES = "https://pages.gateway.test"
QR_CODE_SECONDS = 300
NEEDS_CUSTOMER = {"type": "card_error", "code": "authentication_required", "decline_code": "authentication_required"}
CUSTOMER_REFUSED = {"type": "invalid_request_error", "code": "payment_intent_authentication_failure"}


class Charges(Ground):
    """`mode` is what becomes of an intent, `customer` what its customer does, `afterwards` what happens to it once paid."""

    def create_intent(
        self, given_fields: list[tuple[str, str]], mode: str, customer: str = "", afterwards: Iterable[str] = ()
    ) -> Thing:
        """Creates, and confirms where that is asked for; a decline is raised, and its intent stays unpaid."""
        given = dict(given_fields)
        with self.lock:
            intent = self.new("pi", "payment_intent", int(given["amount"]), given["currency"], metadata(given))
            secret = hashlib.sha256(intent["id"].encode()).hexdigest()[:24]
            intent |= {
                "amount_received": 0,
                "cancellation_reason": None,
                "client_secret": f"{intent['id']}_secret_{secret}",
                "customer": given.get("customer"),
                "description": given.get("description"),
                "last_payment_error": None,
                "latest_charge": None,
                "next_action": None,
                "payment_method": given.get("payment_method"),
                "payment_method_types": [value for name, value in given_fields if name == "payment_method_types[]"],
                "status": "requires_confirmation" if "payment_method" in given else "requires_payment_method",
                "_customer": customer,
                "_afterwards": tuple(afterwards),
            }
            self.intents[intent["id"]] = intent
            self.events.write("payment_intent.created", intent)
            if given.get("confirm") != "true":
                self._await_customer(intent)
                return shown(intent)
            return self._confirm(intent, mode, given)

    def _confirm(self, intent: Thing, mode: str, given: dict[str, str]) -> Thing:
        token = given.get("payment_method", "")
        waits = mode in ("authenticate", "meanwhile") or token.startswith("pm_customer")
        waits = waits or intent["payment_method_types"] == ["upi"]
        if waits and given.get("off_session") == "true":
            raise self._declined(intent, NEEDS_CUSTOMER)
        if mode == "processing":
            self.move(intent, "processing", "payment_intent.processing")
            self.later(self.processing_seconds, lambda: self._pay(intent))
        elif mode == "unpaid":
            self.move(intent, "requires_payment_method")
        elif mode == "late":
            self.later(self.processing_seconds, lambda: self._pay(intent))
            raise self._declined(intent, {"type": "card_error", "code": "processing_error"})
        elif mode.startswith("decline"):
            code = mode.removeprefix("decline").strip("_") or "generic_decline"
            raise self._declined(intent, {"type": "card_error", "code": "card_declined", "decline_code": code})
        elif waits:
            action = _next_action(intent, token, given.get("return_url"), int(self.now()) + QR_CODE_SECONDS)
            self.move(intent, "requires_action", "payment_intent.requires_action", next_action=action)
            self._await_customer(intent)
        else:
            self._pay(intent)
        answer = shown(intent)
        if mode == "meanwhile":
            self._pay(intent)
        return answer

    def _await_customer(self, intent: Thing) -> None:
        """Has the customer do what this one does, if anything."""
        token = intent["payment_method"] or ""
        customer = next((each for each in CUSTOMERS if token.endswith(each[8:])), intent["_customer"])
        intent["_customer"] = customer
        if customer == "customer_soon":
            self.later(self.customer_seconds, lambda: self.customer_confirms(intent["id"]))
        elif customer == "customer_late":
            self.later(self.customer_late_seconds, lambda: self.customer_confirms(intent["id"]))
        elif customer == "customer_refuses":
            self.later(self.customer_seconds, lambda: self.customer_refuses(intent["id"]))

    def customer_confirms(self, intent_id: str) -> Thing:
        """The customer does what is asked for, and the charge is made; Refusal where it is too late."""
        with self.lock:
            intent = self._waiting(intent_id)
            self._pay(intent)
            return shown(intent)

    def customer_refuses(self, intent_id: str) -> Thing:
        """The customer, or their bank, says no; Refusal where it is too late."""
        with self.lock:
            intent = self._waiting(intent_id)
            self._fail(intent, CUSTOMER_REFUSED)
            return shown(intent)

    def cancel_intent(self, intent_id: str) -> Thing:
        with self.lock:
            intent = self.found(self.intents, intent_id)
            races = intent["_customer"] == "customer_races"
            if races and intent["status"] in WAITING and _comes_first(intent_id):
                self._pay(intent)
            self._waiting(intent_id)
            canceled = {"cancellation_reason": None, "canceled_at": int(self.now()), "next_action": None}
            self.move(intent, "canceled", "payment_intent.canceled", **canceled)
            if races:
                self.later(0, lambda: self.customer_confirms(intent_id))
            if "revived" in intent["_afterwards"]:
                self.later(self.processing_seconds, lambda: self._pay(intent))
            return shown(intent)

    def intent(self, intent_id: str) -> Thing:
        return self.found(self.intents, intent_id)

    def _waiting(self, intent_id: str) -> Thing:
        intent = self.found(self.intents, intent_id)
        if intent["status"] not in WAITING:
            code = "payment_intent_unexpected_state"
            raise Refusal(400, "invalid_request_error", code, payment_intent=shown(intent))
        return intent

    def _pay(self, intent: Thing) -> None:
        if intent["status"] == "succeeded":
            return
        charge = self._charge_of(intent)
        self.charges[charge["id"]] = charge
        paid = {"amount_received": intent["amount"], "latest_charge": charge["id"], "next_action": None}
        self.move(intent, "succeeded", "payment_intent.succeeded", **paid)
        by_card = intent["payment_method_types"] == ["card"]
        self.balance.write("charge" if by_card else "payment", charge, intent["amount"], fee_of(intent["amount"]))
        self.happens_afterwards(intent, intent["_afterwards"])

    def _charge_of(self, intent: Thing) -> Thing:
        """The charge that an intent makes once it is paid, with a copy of what the intent bears."""
        copied = {name: intent[name] for name in ("amount", "currency", "customer", "description", "livemode")}
        return copied | {
            "id": f"ch_{intent['id'][3:]}",
            "object": "charge",
            "amount_captured": intent["amount"],
            "captured": True,
            "created": int(self.now()),
            "metadata": dict(intent["metadata"]),
            "paid": True,
            "payment_intent": intent["id"],
            "status": "succeeded",
        }

    def _fail(self, intent: Thing, error: Thing) -> None:
        failed = {"last_payment_error": error, "next_action": None}
        self.move(intent, "requires_payment_method", "payment_intent.payment_failed", **failed)

    def _declined(self, intent: Thing, error: Thing) -> Refusal:
        self._fail(intent, error)
        more = {name: value for name, value in error.items() if name == "decline_code"}
        return Refusal(402, error["type"], error["code"], payment_intent=shown(intent), **more)

    def happens_afterwards(self, intent: Thing, what: Collection[str]) -> None:
        """What is drawn for a charge to come after it was paid."""
        raise NotImplementedError


def _next_action(intent: Thing, token: str, return_url: str | None, code_expires_at: int) -> Thing:
    """What the customer is to do: by UPI's page or code, at the bank's page, or as Stripe's library says."""
    page = f"{PAGES}/{intent['id']}"
    if intent["payment_method_types"] == ["upi"]:
        code = {"expires_at": code_expires_at, "image_url_png": f"{page}/qr.png", "image_url_svg": f"{page}/qr.svg"}
        name = "upi_handle_redirect_or_display_qr_code"
        return {"type": name, name: {"hosted_instructions_url": f"{page}/upi", "qr_code": code}}
    if "redirect" in token or return_url:
        return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": f"{page}/3ds"}}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": f"{page}/js"}}


def _comes_first(intent_id: str) -> bool:
    """Of a customer who acts at the moment of the cancellation: whether just before it."""
    return hashlib.sha256(intent_id.encode()).digest()[0] < 128
