"""Stripe: PaymentIntents, confirmed as they are created or by the customer, and Refunds.

https://docs.stripe.com/api/payment_intents, https://docs.stripe.com/api/refunds,
https://docs.stripe.com/error-low-level (what is repeated, and what an idempotency key remembers).
"""

import uuid
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any
from urllib.parse import quote

from shared.gateways.abilities import ABILITIES
from shared.gateways.facts import ChargePage, EventPage, Fact, Kind, MovementPage
from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown
from shared.gateways.stripe import charges, events, facts, listing, movements
from shared.gateways.stripe.account import Account
from shared.gateways.stripe.api import Api, Deadline, Refused, StripeObject, code_or_id
from shared.gateways.stripe.asked import charge_fields, metadata
from shared.gateways.stripe.money import minor_units
from shared.gateways.stripe.objects import has_reference, ours, refunded
from shared.gateways.stripe.waiting import STANDS_STILL, waiting, waits, why_not_paid

REFUNDS = "/v1/refunds"
NOT_EXPRESSIBLE = "amount_not_expressible"
# No money is in an intent of these, and none comes without somebody who is not there.
_EMPTY = ("requires_payment_method", "canceled")


class Stripe:
    """Charges and refunds over Stripe's HTTP API. The request's reference is the idempotency key, and in the metadata.

    `timeout` bounds each call as a whole, in seconds, whatever it takes: repeats, a cancellation, reading page after page.
    `certain_after` is how old, in seconds, a claim must be before what is not found counts as absent: nobody asks for it
    any more, and nothing that was asked can still be under way. Everything is asked while the gateway remembers the key,
    goes out within a lease, and Stripe gets as long again to finish. `account` is the name of the key's account (acct_...), or
    empty; `methods` are those that it has. `sends_webhooks`: Stripe is told where to, so that only what it could not deliver is
    looked for in its list of events.
    """

    name = "stripe"

    def __init__(
        self,
        api_key: str,
        api_base: str,
        timeout: float,
        *,
        account: str = "",
        certain_after: float,
        methods: Collection[str] = ABILITIES["stripe"].methods,
        sends_webhooks: bool = False,
    ) -> None:
        self._sends_webhooks = sends_webhooks
        self.abilities = ABILITIES["stripe"].only(methods)
        self._api = Api(api_base.rstrip("/"), api_key)
        self._timeout = timeout
        self._certain_after = certain_after
        self._account = Account(self._api, account)
        self.account = self._account.recorded()

    def confirms_account(self) -> bool:
        return self._account.confirmed(Deadline(self._timeout))

    def charge(self, request: GatewayRequest) -> Outcome:
        """Asks for a charge, unless Stripe has a name for it already: then it is read, since a refusal to make it once more
        would say nothing of the one that is. Money that Stripe cannot express in the request's currency is never asked for.
        """
        deadline = Deadline(self._timeout)
        if request.gateway_id is not None:
            return self._read_charge(request, request.gateway_id, deadline)
        amount = minor_units(request.amount, request.currency)
        if amount is None:
            return self._refused(request, Refused(NOT_EXPRESSIBLE), self._search_charge, deadline)
        answer = self._api.post(facts.INTENTS, charge_fields(request, amount), request.reference, deadline)
        if not isinstance(answer, Refused):
            return self._charged(request, answer, deadline)
        if answer.intent is not None:
            return self._refused_with_intent(request, answer, answer.intent, deadline)
        return self._refused(request, answer, self._search_charge, deadline)

    def refund(self, request: GatewayRequest) -> Outcome:
        """Asks for a refund, unless Stripe has a name for it already. Of a charge without a name nothing is given back."""
        deadline = Deadline(self._timeout)
        if request.gateway_id is not None:
            return self._read_refund(request, request.gateway_id, deadline)
        amount = minor_units(request.amount, request.currency)
        if amount is None or request.charge_id is None:
            code = NOT_EXPRESSIBLE if amount is None else "charge_unknown"
            return self._refused(request, Refused(code), self._search_refund, deadline)
        fields = [("payment_intent", request.charge_id), ("amount", str(amount)), *metadata(request)]
        answer = self._api.post(REFUNDS, fields, request.reference, deadline)
        if isinstance(answer, Refused):
            return self._refused(request, answer, self._search_refund, deadline)
        return refunded(request, answer)

    def find_charge(self, request: GatewayRequest) -> Outcome | None:
        deadline = Deadline(self._timeout)
        if request.gateway_id is not None:
            return self._read_charge(request, request.gateway_id, deadline)
        return self._search_charge(request, deadline)

    def find_refund(self, request: GatewayRequest) -> Outcome | None:
        deadline = Deadline(self._timeout)
        if request.gateway_id is not None:
            return self._read_refund(request, request.gateway_id, deadline)
        return self._search_refund(request, deadline)

    def read(self, kind: Kind, gateway_id: str, timeout: float) -> Fact | Unknown | None:
        return facts.read(self._api, kind, gateway_id, Deadline(timeout))

    def list_events(self, since: datetime, after: str | None, timeout: float) -> EventPage | Unknown:
        return events.read(self._api, since, after, Deadline(timeout), undelivered=self._sends_webhooks)

    def list_movements(
        self, since: datetime, until: datetime, after: str | None, timeout: float
    ) -> MovementPage | Unknown:
        return movements.read(self._api, since, until, after, Deadline(timeout))

    def list_charges(self, since: datetime, until: datetime, after: str | None, timeout: float) -> ChargePage | Unknown:
        return charges.read(self._api, since, until, after, Deadline(timeout))

    def dashboard(self, gateway_id: str) -> str | None:
        return self._account.dashboard(gateway_id)

    def _refused(
        self,
        request: GatewayRequest,
        refused: Refused,
        search: Callable[[GatewayRequest, Deadline], Outcome | None],
        deadline: Deadline,
    ) -> Outcome:
        """What a refusal says of a charge or refund.

        Stripe decides most refusals before it looks at the idempotency key (a field that it does not take, a key or account
        without the right, a payment method that is gone). Of the first request that may have reached it such a refusal is
        the whole truth, and so is a replay, which Stripe stored when it carried the request out. Of any later request it
        says nothing of those before: only what Stripe has under our reference does.
        """
        if refused.replayed or (request.asked == 1 and not refused.repeated):
            return Declined(refused.code)
        found = search(request, deadline)
        if found is None:
            return Declined(refused.code)
        if isinstance(found, Unknown):
            why = f"a repeat was refused ({refused.code}), which says nothing: {found.why}"
            return found._replace(why=why, answered=True)
        return found

    def _refused_with_intent(
        self, request: GatewayRequest, refused: Refused, intent: dict[str, Any], deadline: Deadline
    ) -> Outcome:
        """What a refusal says that carries an intent: what the intent says.

        A card that is declined on a repeat, and not as a replay, was tried by this very request: Stripe found nothing stored
        under the key, which it remembers (nobody asks later), in the account of the claim (nobody asks another). So nothing
        came of the requests before, and the decline is believed, but only where it carries its proof: an intent with
        our reference and no money in it. Any other is read, by its id.
        """
        is_ours = has_reference(intent, request.reference)
        if is_ours and intent.get("status") in _EMPTY:
            return Declined(refused.code, code_or_id(intent.get("id")))
        if is_ours and "status" in intent:
            return self._charged(request, StripeObject(intent), deadline)
        gateway_id = code_or_id(intent.get("id"))
        if gateway_id is None:
            return self._refused(request, refused, self._search_charge, deadline)
        return self._read_charge(request, gateway_id, deadline)

    def _search_charge(self, request: GatewayRequest, deadline: Deadline) -> Outcome | None:
        cursor = self._cursor(request)
        queries = listing.windows(request, cursor.until)
        found = listing.find(self._api, facts.INTENTS, queries, cursor, request.reference, deadline)
        if isinstance(found, dict):
            return self._charged(request, StripeObject(found), deadline)
        return found or self._absent(cursor)

    def _search_refund(self, request: GatewayRequest, deadline: Deadline) -> Outcome | None:
        """A charge has few refunds, and Stripe lists them by charge: no windows in time are needed. Of a charge without a name
        no refund was ever asked for."""
        if request.charge_id is None:
            return None
        cursor, of_charge = self._cursor(request), [[("payment_intent", request.charge_id)]]
        found = listing.find(self._api, REFUNDS, of_charge, cursor, request.reference, deadline)
        if isinstance(found, dict):
            return refunded(request, StripeObject(found))
        return found or self._absent(cursor)

    def _cursor(self, request: GatewayRequest) -> listing.Cursor:
        return listing.Cursor.of(request, self.account, self._certain_after)

    def _absent(self, cursor: listing.Cursor) -> Unknown | None:
        """What it says that every page was read and nothing was found."""
        if cursor.is_certain(self._certain_after):
            return None
        return Unknown("Stripe has nothing under the reference so far", search_cursor=listing.FROM_THE_START)

    def _read_charge(
        self, request: GatewayRequest, gateway_id: str, deadline: Deadline, *, cancel: bool = True
    ) -> Outcome:
        return self._charged(request, self._read(facts.INTENTS, gateway_id, deadline), deadline, cancel=cancel)

    def _read_refund(self, request: GatewayRequest, gateway_id: str, deadline: Deadline) -> Outcome:
        return refunded(request, self._read(REFUNDS, gateway_id, deadline))

    def _read(self, path: str, gateway_id: str, deadline: Deadline) -> StripeObject | Unknown:
        """One object by its id. That Stripe does not know it says nothing of the money: we have its name from Stripe."""
        answer = self._api.get(f"{path}/{quote(gateway_id, safe='')}", (), deadline)
        return Unknown(f"Stripe does not show it: {answer.code}") if isinstance(answer, Refused) else answer

    def _charged(
        self, request: GatewayRequest, answer: StripeObject | Unknown, deadline: Deadline, *, cancel: bool = True
    ) -> Outcome:
        intent = ours(request, "payment_intent", answer)
        if isinstance(intent, Unknown):
            return intent
        gateway_id, status = intent["id"], intent.get("status")
        if status == "succeeded":
            return Succeeded(gateway_id)
        if status == "canceled":
            return Declined(why_not_paid(request, intent), gateway_id)
        if status in STANDS_STILL and cancel:
            if waits(request, intent):
                return waiting(intent)
            return self._cancel(request._replace(gateway_id=gateway_id), gateway_id, deadline)
        return Unknown(f"the intent is {code_or_id(status)}", gateway_id)

    def _cancel(self, request: GatewayRequest, gateway_id: str, deadline: Deadline) -> Outcome:
        """Cancels an intent that waits for somebody, and says what became of it: it may have succeeded meanwhile, or the
        answer that made us cancel was an old one, replayed.

        The key is new every time: cancelling twice does no harm, and a stored 500 must not stand in the way for a day.
        """
        key = f"{request.reference}-cancel-{uuid.uuid4()}"
        answer = self._api.post(f"{facts.INTENTS}/{quote(gateway_id, safe='')}/cancel", (), key, deadline)
        if isinstance(answer, StripeObject):
            outcome = self._charged(request, answer, deadline, cancel=False)
            if not isinstance(outcome, Unknown):
                return outcome
        return self._read_charge(request, gateway_id, deadline, cancel=False)
