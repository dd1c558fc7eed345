"""The model's gateway: an order's fate is decided once, its answers get lost, and after a while it forgets its keys."""

from dataclasses import dataclass
from decimal import Decimal

from shared.gateways.protocol import Declined, Order, Outcome, Succeeded, Unknown
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
    methods = frozenset({"CARD", "UPI", "WALLET"})
    needs_token = False
    remembers = REMEMBERS

    def __init__(self) -> None:
        self.now = 0.0
        self.mood = "well"
        self.moved: dict[str, list[Moved]] = {}
        self.declined: set[str] = set()
        self.wrong: list[str] = []
        self._known: dict[str, Known] = {}

    def charge(self, order: Order) -> Outcome:
        return self._ask("charge", order)

    def refund(self, order: Order) -> Outcome:
        return self._ask("refund", order)

    def find_charge(self, order: Order) -> Outcome | None:
        return self._find(order)

    def find_refund(self, order: Order) -> Outcome | None:
        return self._find(order)

    def final(self, reference: str) -> list[Decimal]:
        """The amounts that moved by now under a reference."""
        return [each.amount for each in self.moved.get(reference, []) if each.final_at <= self.now]

    def _ask(self, verb: str, order: Order) -> Outcome:
        mood, self.mood = self.mood, "well"
        if mood == "lost before":
            return Unknown("it never came")
        if mood == "worker dies before":
            raise Died("before asking")
        answer = self._carry_out(verb, order, mood)
        if mood == "worker dies after":
            raise Died("after asking")
        if mood == "bug":
            raise ValueError("a defect of the adapter")
        return Unknown("the answer was lost") if mood == "lost after" else answer

    def _carry_out(self, verb: str, order: Order, mood: str) -> Outcome:
        asked_with = (order.amount, order.currency, order.payment_token, order.payment_customer, order.description)
        parameters = (verb, *asked_with, order.payment_id, order.charge_id)
        known = self._known.get(order.reference)
        if known is None or known.since + REMEMBERS < self.now:
            known = Known(self.now, parameters, self._decide(order, mood))
            self._known[order.reference] = known
        elif known.parameters != parameters:
            self.wrong.append(f"{order.reference}: {known.parameters}, then {parameters}")
        return known.answer

    def _decide(self, order: Order, mood: str) -> Outcome:
        gateway_id = f"bank_{order.reference}"
        if mood == "declined":
            self.declined.add(order.reference)
            return Declined("card_declined")
        if mood == "stored error":
            return Unknown("a stored 500")
        final_at = self.now + (PROCESSING if mood == "processing" else 0)
        self.moved.setdefault(order.reference, []).append(Moved(order.amount, final_at))
        return Unknown("it is processing", gateway_id) if mood == "processing" else Succeeded(gateway_id)

    def _find(self, order: Order) -> Outcome | None:
        if order.reference in self.declined:
            return Declined("card_declined")
        if order.reference not in self.moved:
            return None
        gateway_id = f"bank_{order.reference}"
        return Succeeded(gateway_id) if self.final(order.reference) else Unknown("it is processing", gateway_id)
