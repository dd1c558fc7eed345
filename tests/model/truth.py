"""What the model's gateway has: charges, refunds and disputes, an event of each change, and who else moves them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

from shared.gateways.facts import ChargeFact, DisputeFact, DisputeStatus, Event, Fact, Kind, RefundFact
from shared.gateways.protocol import GatewayRequest
from shared.rules.states import DISPUTE_MOVES

CURRENCY = "INR"
HELD = ("OPEN", "LOST")


@dataclass
class Charge:
    """`status`: processing, succeeded, declined, waiting, refused (by its customer) or canceled. `late`: it was called declined
    or canceled before it was paid."""

    id: str
    reference: str
    amount: Decimal
    status: str
    final_at: float = 0.0
    code: str | None = None
    late: bool = False
    kind: Kind = "charge"


@dataclass
class Refund:
    """`status`: processing, succeeded or failed. `came_back`: it had succeeded before it failed. Without a reference it was
    made in the gateway's own pages."""

    id: str
    reference: str | None
    charge_id: str | None
    amount: Decimal
    status: str
    final_at: float = 0.0
    came_back: bool = False
    kind: Kind = "refund"


@dataclass
class Dispute:
    id: str
    charge_id: str
    amount: Decimal
    status: DisputeStatus
    kind: Kind = "dispute"


Thing = Charge | Refund | Dispute


class Truth:
    """`now` is its own clock, in seconds. What is processing has succeeded from its `final_at` on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.things: dict[str, Thing] = {}
        self.events: list[Event] = []
        self._numbers = count(1)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for thing in list(self.things.values()):
            if not isinstance(thing, Dispute) and thing.status == "processing" and thing.final_at <= self.now:
                self.move(thing, "succeeded")

    @property
    def charges(self) -> list[Charge]:
        return [thing for thing in self.things.values() if isinstance(thing, Charge)]

    @property
    def refunds(self) -> list[Refund]:
        return [thing for thing in self.things.values() if isinstance(thing, Refund)]

    @property
    def disputes(self) -> list[Dispute]:
        return [thing for thing in self.things.values() if isinstance(thing, Dispute)]

    def found(self, kind: Kind, thing_id: str | None, reference: str | None) -> Thing | None:
        """By the name that the gateway gave it, else by our reference."""
        for thing in self.things.values():
            its_own = None if isinstance(thing, Dispute) else thing.reference
            if thing.kind == kind and (thing.id == thing_id if thing_id else its_own == reference):
                return thing
        return None

    def make(self, kind: Kind, request: GatewayRequest, status: str, final_at: float = 0.0) -> None:
        name = f"{kind}_{request.reference}"
        if kind == "charge":
            self._add(Charge(name, request.reference, request.amount, status, final_at))
        else:
            self._add(Refund(name, request.reference, request.charge_id, request.amount, status, final_at))

    def move(self, thing: Charge | Refund, status: str) -> None:
        thing.status = status
        self._tell(thing)

    def refuses_refund(self, charge_id: str | None, amount: Decimal) -> bool:
        """Whether a charge has no such money to give back: it was given back already, or a bank holds it."""
        charge = self.things.get(charge_id or "")
        if not isinstance(charge, Charge) or charge.status != "succeeded" or self.held(charge.id):
            return True
        return amount > self.left(charge)

    def left(self, charge: Charge) -> Decimal:
        return charge.amount - sum(each.amount for each in self._refunds_of(charge.id) if each.status != "failed")

    def given_back(self, charge_id: str) -> Decimal:
        back = (each.amount for each in self._refunds_of(charge_id) if each.status == "succeeded")
        return sum(back, Decimal(0))

    def held(self, charge_id: str) -> Decimal:
        """What banks hold of a charge, or took."""
        mine = (each for each in self.disputes if each.charge_id == charge_id and each.status in HELD)
        return sum((each.amount for each in mine), Decimal(0))

    def customer_acts(self, charge: Charge, *, confirms: bool) -> None:
        """Too late where it was cancelled."""
        if charge.status == "waiting":
            charge.code = None if confirms else "authentication_failed"
            self.move(charge, "succeeded" if confirms else "refused")

    def turns_out_paid(self, charge: Charge) -> None:
        if charge.status in ("declined", "canceled"):
            charge.late = True
            self.move(charge, "succeeded")

    def comes_back(self, refund: Refund) -> None:
        if refund.status == "succeeded":
            refund.came_back = True
            self.move(refund, "failed")

    def refund_in_dashboard(self, charge: Charge, amount: Decimal) -> None:
        amount = min(amount, self.left(charge))
        if charge.status == "succeeded" and amount > 0 and not self.held(charge.id):
            self._add(Refund(f"dashboard_{next(self._numbers)}", None, charge.id, amount, "succeeded"))

    def open_dispute(self, charge: Charge, amount: Decimal, *, inquiry: bool) -> None:
        if charge.status == "succeeded":
            status: DisputeStatus = "INQUIRY" if inquiry else "OPEN"
            self._add(Dispute(f"dispute_{next(self._numbers)}", charge.id, min(amount, charge.amount), status))

    def move_dispute(self, dispute: Dispute, status: DisputeStatus) -> None:
        if any((move.source, move.target) == (dispute.status, status) for move in DISPUTE_MOVES):
            dispute.status = status
            self._tell(dispute)

    def read(self, kind: Kind, thing_id: str) -> Fact | None:
        thing = self.things.get(thing_id)
        if thing is None or thing.kind != kind:
            return None
        said = {"id": thing.id, "status": thing.status}
        if isinstance(thing, Charge):
            final = thing.status if thing.status in ("succeeded", "canceled") else "open"
            return ChargeFact(thing.id, thing.reference, final, thing.amount, CURRENCY, thing.code, said)  # type: ignore[arg-type]
        if isinstance(thing, Refund):
            status = "pending" if thing.status == "processing" else thing.status
            code = "refund_failed" if status == "failed" else None
            return RefundFact(thing.id, thing.reference, thing.charge_id, status, thing.amount, CURRENCY, code, said)  # type: ignore[arg-type]
        opened = datetime(2026, 1, 1, tzinfo=UTC)
        return DisputeFact(
            thing.id, thing.charge_id, thing.status, thing.amount, CURRENCY, "fraudulent", None, opened, said
        )

    def _refunds_of(self, charge_id: str) -> list[Refund]:
        return [each for each in self.refunds if each.charge_id == charge_id]

    def _add(self, thing: Thing) -> None:
        self.things[thing.id] = thing
        self._tell(thing)

    def _tell(self, thing: Thing) -> None:
        charge_id = thing.id if isinstance(thing, Charge) else thing.charge_id
        paid = isinstance(thing, Charge) and thing.status == "succeeded"
        number = len(self.events) + 1
        said = {"id": thing.id, "status": thing.status}
        self.events.append(Event(f"evt_{number}", f"{thing.kind}.moved", thing.kind, thing.id, charge_id, paid, said))
