"""The model's gateway: a request's fate is decided once, its answers get lost, and after a while it forgets its keys."""

import threading
from dataclasses import dataclass
from datetime import datetime

from shared.gateways.abilities import ABILITIES
from shared.gateways.facts import ChargePage, EventPage, Fact, Kind, MovementPage
from shared.gateways.protocol import Declined, GatewayRequest, NextAction, Outcome, Succeeded, Unknown, Waiting
from tests.model.truth import Charge, Refund, Truth
from tests.support.till import Died

# What the next request meets. The first decide what becomes of it, if it was never carried out; the others lose it.
FATES = ("well", "declined", "processing", "stored error", "waits")
LOSSES = ("lost before", "lost after", "worker dies before", "worker dies after", "bug")
MOODS = FATES + LOSSES
REMEMBERS = 120.0  # seconds for which it knows a key again
PROCESSING = 5.0


@dataclass
class Known:
    """What it remembers under an idempotency key."""

    since: float
    parameters: tuple[object, ...]
    answer: Outcome


class Bank:
    """A Gateway. `truth` has every object of it, and what is done to them without us."""

    name = "bank"
    account = "acct_bank"
    abilities = ABILITIES["stripe"]._replace(
        methods=ABILITIES["simulated"].methods, needs_token=False, keeps_books=False, remembers=REMEMBERS
    )

    def __init__(self) -> None:
        self.truth = Truth()
        self.mood = "well"
        self.wrong: list[str] = []
        self._known: dict[str, Known] = {}
        self._lock = threading.RLock()

    def confirms_account(self) -> bool:
        return True

    def charge(self, request: GatewayRequest) -> Outcome:
        return self._ask("charge", request)

    def refund(self, request: GatewayRequest) -> Outcome:
        return self._ask("refund", request)

    def find_charge(self, request: GatewayRequest) -> Outcome | None:
        return self._find("charge", request)

    def find_refund(self, request: GatewayRequest) -> Outcome | None:
        return self._find("refund", request)

    def read(self, kind: Kind, gateway_id: str, timeout: float) -> Fact | Unknown | None:
        mood = self._next_mood()
        if mood in ("lost before", "lost after"):
            return Unknown("it is not there", answered=False)
        if mood.startswith("worker dies"):
            raise Died("reading")
        if mood == "bug":
            raise ValueError("a defect of the adapter")
        return self.truth.read(kind, gateway_id)

    def list_events(self, since: datetime, after: str | None, timeout: float) -> EventPage | Unknown:
        return EventPage(self.truth.events[::-1], None)

    def list_movements(self, since: datetime, until: datetime, after: str | None, timeout: float) -> MovementPage:
        return MovementPage((), None)

    def list_charges(self, since: datetime, until: datetime, after: str | None, timeout: float) -> ChargePage:
        return ChargePage((), None)

    def dashboard(self, gateway_id: str) -> str | None:
        return None

    def _next_mood(self) -> str:
        with self._lock:
            mood, self.mood = self.mood, "well"
            return mood

    def _ask(self, verb: Kind, request: GatewayRequest) -> Outcome:
        mood = self._next_mood()
        if mood == "lost before":
            return Unknown("it never came", answered=False)
        if mood == "worker dies before":
            raise Died("before asking")
        with self._lock:
            named = request.gateway_id is not None
            answer = self._find(verb, request) if named else self._carry_out(verb, request, mood)
        if mood == "worker dies after":
            raise Died("after asking")
        if mood == "bug":
            raise ValueError("a defect of the adapter")
        lost = mood == "lost after" or answer is None
        return Unknown("the answer was lost", answered=False) if lost or answer is None else answer

    def _carry_out(self, verb: Kind, request: GatewayRequest, mood: str) -> Outcome:
        asked_with = (
            request.amount,
            request.currency,
            request.payment_token,
            request.payment_customer,
            request.description,
            request.customer_present,
        )
        parameters = (verb, *asked_with, request.payment_id, request.charge_id)
        known = self._known.get(request.reference)
        if known is None or known.since + REMEMBERS < self.truth.now:
            known = Known(self.truth.now, parameters, self._decide(verb, request, mood))
            self._known[request.reference] = known
        elif known.parameters != parameters:
            self.wrong.append(f"{request.reference}: {known.parameters}, then {parameters}")
        if isinstance(known.answer, Waiting):  # an old answer, replayed: it is read
            return self._find(verb, request) or known.answer
        return known.answer

    def _decide(self, verb: Kind, request: GatewayRequest, mood: str) -> Outcome:
        if mood == "stored error":
            return Unknown("a stored 500")
        refused = verb == "refund" and self.truth.refuses_refund(request.charge_id, request.amount)
        if refused or mood == "declined":
            self.truth.make(verb, request, "failed" if verb == "refund" else "declined")
        elif mood == "processing":
            self.truth.make(verb, request, "processing", self.truth.now + PROCESSING)
        elif mood == "waits" and verb == "charge":
            self.truth.make(verb, request, "waiting")
        else:
            self.truth.make(verb, request, "succeeded")
        outcome = self._find(verb, request)
        assert outcome is not None
        return outcome

    def _find(self, verb: Kind, request: GatewayRequest) -> Outcome | None:
        with self._lock:
            found = self.truth.found(verb, request.gateway_id, request.reference)
            if isinstance(found, Charge):
                return self._charged(found, request)
            return _refunded(found) if isinstance(found, Refund) else None

    def _charged(self, charge: Charge, request: GatewayRequest) -> Outcome:
        if charge.status in ("waiting", "refused"):
            if charge.status == "waiting" and request.customer_present and not request.customer_is_late:
                return Waiting(NextAction("confirm", client_secret=f"{charge.id}_secret"), charge.id)
            charge.code = charge.code or "authentication_expired"
            self.truth.move(charge, "canceled")
        if charge.status == "succeeded":
            return Succeeded(charge.id)
        if charge.status == "processing":
            return Unknown("it is processing", charge.id)
        return Declined(charge.code or "card_declined", charge.id)


def _refunded(refund: Refund) -> Outcome:
    match refund.status:
        case "succeeded":
            return Succeeded(refund.id)
        case "failed":
            return Declined("refund_failed", refund.id)
    return Unknown("it is processing", refund.id)
