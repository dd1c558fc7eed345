"""The model's gateway: a request's fate is decided once, its answers get lost, and after a while it forgets its keys."""

from dataclasses import dataclass
from decimal import Decimal

from shared.gateways.abilities import ABILITIES
from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown
from tests.support.till import Died

# What the next request meets. The first four decide what becomes of it, if it was never carried out; the others lose it.
FATES = ("well", "declined", "processing", "stored error")
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


@dataclass
class Moved:
    """Money that moved, or will at `final_at` (the gateway's clock, seconds)."""

    amount: Decimal
    final_at: float


class Bank:
    """A Gateway. `moved` has every movement of money by reference: more than one is a double charge."""

    name = "bank"
    account = "acct_bank"
    abilities = ABILITIES["simulated"]._replace(remembers=REMEMBERS)

    def __init__(self) -> None:
        self.now = 0.0
        self.mood = "well"
        self.moved: dict[str, list[Moved]] = {}
        self.declined: set[str] = set()
        self.wrong: list[str] = []
        self._known: dict[str, Known] = {}

    def charge(self, request: GatewayRequest) -> Outcome:
        return self._ask("charge", request)

    def refund(self, request: GatewayRequest) -> Outcome:
        return self._ask("refund", request)

    def find_charge(self, request: GatewayRequest) -> Outcome | None:
        return self._find(request)

    def find_refund(self, request: GatewayRequest) -> Outcome | None:
        return self._find(request)

    def final(self, reference: str) -> list[Decimal]:
        """The amounts that moved by now under a reference."""
        return [each.amount for each in self.moved.get(reference, []) if each.final_at <= self.now]

    def _ask(self, verb: str, request: GatewayRequest) -> Outcome:
        mood, self.mood = self.mood, "well"
        if mood == "lost before":
            return Unknown("it never came")
        if mood == "worker dies before":
            raise Died("before asking")
        answer = self._carry_out(verb, request, mood)
        if mood == "worker dies after":
            raise Died("after asking")
        if mood == "bug":
            raise ValueError("a defect of the adapter")
        return Unknown("the answer was lost") if mood == "lost after" else answer

    def _carry_out(self, verb: str, request: GatewayRequest, mood: str) -> Outcome:
        asked_with = (
            request.amount,
            request.currency,
            request.payment_token,
            request.payment_customer,
            request.description,
        )
        parameters = (verb, *asked_with, request.payment_id, request.charge_id)
        known = self._known.get(request.reference)
        if known is None or known.since + REMEMBERS < self.now:
            known = Known(self.now, parameters, self._decide(request, mood))
            self._known[request.reference] = known
        elif known.parameters != parameters:
            self.wrong.append(f"{request.reference}: {known.parameters}, then {parameters}")
        return known.answer

    def _decide(self, request: GatewayRequest, mood: str) -> Outcome:
        gateway_id = f"bank_{request.reference}"
        if mood == "declined":
            self.declined.add(request.reference)
            return Declined("card_declined")
        if mood == "stored error":
            return Unknown("a stored 500")
        final_at = self.now + (PROCESSING if mood == "processing" else 0)
        self.moved.setdefault(request.reference, []).append(Moved(request.amount, final_at))
        return Unknown("it is processing", gateway_id) if mood == "processing" else Succeeded(gateway_id)

    def _find(self, request: GatewayRequest) -> Outcome | None:
        if request.reference in self.declined:
            return Declined("card_declined")
        if request.reference not in self.moved:
            return None
        gateway_id = f"bank_{request.reference}"
        return Succeeded(gateway_id) if self.final(request.reference) else Unknown("it is processing", gateway_id)
