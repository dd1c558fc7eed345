"""Stripe: PaymentIntents, created and confirmed in one call, and Refunds.

https://docs.stripe.com/api/payment_intents, https://docs.stripe.com/api/refunds,
https://docs.stripe.com/error-low-level (what is repeated, and what an idempotency key remembers).
"""

import re
import uuid
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from shared.gateway import stripe_listing
from shared.gateway.protocol import Declined, Order, Outcome, Succeeded, Unknown
from shared.gateway.stripe_http import Answer, Api, Deadline, Fields, Refused, Said, word
from shared.gateway.stripe_money import minor_units
from shared.log import log
from shared.settings import SETTINGS, SettingError

INTENTS = "/v1/payment_intents"
REFUNDS = "/v1/refunds"
NOT_EXPRESSIBLE = "amount_not_expressible"
AUTHENTICATION = "authentication_required"
# Asked for, and going no further without somebody who is not there.
_WAITING = ("requires_action", "requires_payment_method", "requires_confirmation")


class Stripe:
    """Charges and refunds over Stripe's HTTP API. The order's reference is the idempotency key, and in the metadata.

    `timeout` bounds each call as a whole, in seconds, whatever it takes: repeats, a cancellation, reading every page.
    `certain_after` is how old, in seconds, a claim must be before what is not found counts as absent: nobody asks for it
    any more, and nothing that was asked can still be under way. Everything is asked while the gateway remembers the key,
    goes out within a lease, and Stripe gets as long again to finish.
    """

    name = "stripe"
    needs_token = True

    def __init__(
        self,
        api_key: str,
        api_base: str,
        timeout: float,
        *,
        certain_after: float = SETTINGS.gateway_key_retention + 2 * SETTINGS.idempotency_lock_timeout,
    ) -> None:
        if not re.fullmatch(r"[!-~]+", api_key):
            raise SettingError("STRIPE_API_KEY must be visible ASCII characters, without spaces or line breaks")
        self._api = Api(api_base.rstrip("/"), api_key)
        self._timeout = timeout
        self._certain_after = certain_after

    def charge(self, order: Order) -> Outcome:
        """Asks for a charge, unless Stripe has a name for it already: then it is read, since a refusal to make it once more
        would say nothing of the one that is. Money that Stripe cannot express in the order's currency is never asked for.
        """
        if order.gateway_id is not None:
            return self._read_charge(order, order.gateway_id, Deadline(self._timeout))
        amount = minor_units(order.amount, order.currency)
        if amount is None:
            return Declined(NOT_EXPRESSIBLE)
        fields = [
            ("amount", str(amount)),
            ("currency", order.currency.lower()),
            ("confirm", "true"),
            ("payment_method", order.payment_token or ""),
            ("payment_method_types[]", "card"),
            *_metadata(order),
        ]
        deadline = Deadline(self._timeout)
        return self._charged(order, self._api.post(INTENTS, fields, order.reference, deadline), deadline)

    def refund(self, order: Order) -> Outcome:
        """Asks for a refund, unless Stripe has a name for it already. Of a charge without a name nothing is given back."""
        if order.gateway_id is not None:
            return self._read_refund(order, order.gateway_id)
        amount = minor_units(order.amount, order.currency)
        if amount is None:
            return Declined(NOT_EXPRESSIBLE)
        if order.charge_id is None:
            return Declined("charge_unknown")
        fields = [("payment_intent", order.charge_id), ("amount", str(amount)), *_metadata(order)]
        return _refunded(order, self._api.post(REFUNDS, fields, order.reference, Deadline(self._timeout)))

    def find_charge(self, order: Order) -> Outcome | None:
        if order.gateway_id is not None:
            return self._read_charge(order, order.gateway_id, Deadline(self._timeout))
        deadline = Deadline(self._timeout)
        for window in stripe_listing.windows(order, self._certain_after):
            found = stripe_listing.find(self._api, INTENTS, window, order.reference, deadline)
            if isinstance(found, Unknown):
                return found
            if found is not None:
                return self._charged(order, Said(found), deadline)
        return self._absent(order)

    def find_refund(self, order: Order) -> Outcome | None:
        """As the protocol says. A charge has few refunds, and Stripe lists them by charge: no window in time is needed."""
        if order.gateway_id is not None:
            return self._read_refund(order, order.gateway_id)
        if order.charge_id is None:
            return None
        deadline = Deadline(self._timeout)
        of_charge: Fields = [("payment_intent", order.charge_id)]
        found = stripe_listing.find(self._api, REFUNDS, of_charge, order.reference, deadline)
        if isinstance(found, Unknown):
            return found
        return self._absent(order) if found is None else _refunded(order, Said(found))

    def _read_charge(self, order: Order, gateway_id: str, deadline: Deadline, *, cancel: bool = True) -> Outcome:
        return self._charged(order, self._read(INTENTS, gateway_id, deadline), deadline, cancel=cancel)

    def _read_refund(self, order: Order, gateway_id: str) -> Outcome:
        return _refunded(order, self._read(REFUNDS, gateway_id, Deadline(self._timeout)))

    def _read(self, path: str, gateway_id: str, deadline: Deadline) -> Answer:
        """One object by its id. That Stripe does not know it says nothing of the money: we have its name from Stripe."""
        answer = self._api.get(f"{path}/{quote(gateway_id, safe='')}", (), deadline)
        return Unknown(f"Stripe does not show it: {answer.code}") if isinstance(answer, Refused) else answer

    def _absent(self, order: Order) -> Unknown | None:
        if order.age >= self._certain_after:
            return None
        return Unknown("Stripe has nothing under the reference so far")

    def _charged(self, order: Order, answer: Answer, deadline: Deadline, *, cancel: bool = True) -> Outcome:
        if isinstance(answer, Refused):
            return Declined(answer.code, answer.intent_id)
        intent = _ours(order, "payment_intent", answer)
        if isinstance(intent, Unknown):
            return intent
        gateway_id, status = intent["id"], intent.get("status")
        if status == "succeeded":
            return Succeeded(gateway_id)
        if status == "canceled":
            return Declined(_last_decline(intent) or AUTHENTICATION, gateway_id)
        if status in _WAITING and cancel:
            return self._call_off(replace(order, gateway_id=gateway_id), gateway_id, deadline)
        return Unknown(f"the intent is {word(status)}", gateway_id)

    def _call_off(self, order: Order, gateway_id: str, deadline: Deadline) -> Outcome:
        """Cancels an intent that waits for somebody, and says what became of it: it may have succeeded meanwhile, or the
        answer that made us cancel was an old one, replayed.

        The key is new every time: cancelling twice does no harm, and a stored 500 must not stand in the way for a day.
        """
        key = f"{order.reference}-cancel-{uuid.uuid4()}"
        answer = self._api.post(f"{INTENTS}/{quote(gateway_id, safe='')}/cancel", (), key, deadline)
        if isinstance(answer, Said):
            outcome = self._charged(order, answer, deadline, cancel=False)
            if not isinstance(outcome, Unknown):
                return outcome
        return self._read_charge(order, gateway_id, deadline, cancel=False)


def _refunded(order: Order, answer: Answer) -> Outcome:
    """What an answer about a refund says.

    `pending` is not the end: Stripe holds a refund back while our balance there does not cover it, or while the charge
    itself is not settled, and it may still fail, and then the money is ours again. Taken for done it would show a passenger
    money that never came; it is read again by its id until it is final. (One that succeeded may be sent back by the
    passenger's bank weeks later. That is a new movement of money, which no answer to this request can tell of.)
    """
    if isinstance(answer, Refused):
        return Declined(answer.code)
    refund = _ours(order, "refund", answer)
    if isinstance(refund, Unknown):
        return refund
    gateway_id, status = refund["id"], refund.get("status")
    if status == "succeeded":
        return Succeeded(gateway_id)
    if status == "failed":
        return Declined(word(refund.get("failure_reason")) or "refund_failed", gateway_id)
    if status == "canceled":
        return Declined("refund_canceled", gateway_id)
    return Unknown(f"the refund is {word(status)}", gateway_id)


def _ours(order: Order, kind: str, answer: Said | Unknown) -> dict[str, Any] | Unknown:
    """The object in an answer, if it is what was asked for; what the order knows of its id is kept in any case."""
    if isinstance(answer, Unknown):
        return replace(answer, gateway_id=answer.gateway_id or order.gateway_id)
    said = answer.object
    if said.get("object") != kind or word(said.get("id")) is None or not stripe_listing.bears(said, order.reference):
        return Unknown(f"Stripe answered with something that is not our {kind}", order.gateway_id)
    asked = (minor_units(order.amount, order.currency), order.currency.lower())
    if (said.get("amount"), said.get("currency")) != asked:
        log.error(
            "Stripe has another amount than ours", extra={"payment_id": order.payment_id, "gateway_id": said["id"]}
        )
        return Unknown("Stripe has another amount than ours", said["id"])
    return said


def _last_decline(intent: dict[str, Any]) -> str | None:
    """Why the card was declined, where that is why the intent waits for another."""
    error = intent.get("last_payment_error")
    if not isinstance(error, dict) or error.get("type") != "card_error":
        return None
    return word(error.get("decline_code")) or word(error.get("code"))


def _metadata(order: Order) -> list[tuple[str, str]]:
    return [("metadata[reference]", order.reference), ("metadata[payment_id]", str(order.payment_id))]
