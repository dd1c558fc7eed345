"""A gateway that needs no other company: it decides from the reference alone, so it says the same however often asked."""

import hashlib
import time
from datetime import datetime

from shared.gateways.abilities import ABILITIES
from shared.gateways.facts import ChargePage, EventPage, Kind, MovementPage
from shared.gateways.protocol import Declined, GatewayRequest, NextAction, Outcome, Succeeded, Unknown, Waiting

# Seconds, the contract's: as slow as gateways get on a bad day, and long enough unknown for a repeat or a sweep to find out.
SLOW = 2.0
UNKNOWN_UNTIL = 5.0
# Seconds after the claim at which a customer who is there does what they are asked for: long enough to be seen waiting.
ANSWERS_AFTER = 3.0


class Simulated:
    """Charges succeed at `success_rate` (0 to 1), refunds always.

    `simulate` in the request's metadata forces an outcome: `decline`; `timeout` (unknown at once until 5 s after the claim,
    then succeeded); `slow` (2 s). Of charges also: `customer` (waits for the customer, who confirms 3 s after the claim),
    `customer_refuses` (waits as long, then declined), `customer_absent` (waits until the customer is late, then declined);
    each is declined at once where the customer is not present. `timeout` in the constructor, seconds, is how long an answer
    may take.
    """

    name = "simulated"
    account = "simulated"
    abilities = ABILITIES["simulated"]

    def __init__(self, success_rate: float, timeout: float) -> None:
        self._success_rate = success_rate
        self._timeout = timeout

    def confirms_account(self) -> bool:
        return True

    def charge(self, request: GatewayRequest) -> Outcome:
        return _with_customer(request) or self._answer(request, self._success_rate)

    def refund(self, request: GatewayRequest) -> Outcome:
        return self._answer(request, 1.0)

    def find_charge(self, request: GatewayRequest) -> Outcome | None:
        return _with_customer(request) or self._decide(request, self._success_rate)

    def find_refund(self, request: GatewayRequest) -> Outcome | None:
        return self._decide(request, 1.0)

    def read(self, kind: Kind, gateway_id: str, timeout: float) -> None:
        return None

    def list_events(self, since: datetime, after: str | None, timeout: float) -> EventPage:
        return EventPage((), None)

    def list_movements(self, since: datetime, until: datetime, after: str | None, timeout: float) -> MovementPage:
        return MovementPage((), None)

    def list_charges(self, since: datetime, until: datetime, after: str | None, timeout: float) -> ChargePage:
        return ChargePage((), None)

    def dashboard(self, gateway_id: str) -> None:
        return None

    def _answer(self, request: GatewayRequest, success_rate: float) -> Outcome:
        if request.simulate == "slow":
            time.sleep(min(SLOW, self._timeout))
            if self._timeout < SLOW:
                return Unknown("no answer in time", answered=False)
        return self._decide(request, success_rate)

    def _decide(self, request: GatewayRequest, success_rate: float) -> Outcome:
        if request.simulate == "timeout" and request.age < UNKNOWN_UNTIL:
            return Unknown("simulated time-out", answered=False)
        drawn = int.from_bytes(hashlib.sha256(request.reference.encode()).digest()[:8]) / 2**64
        if request.simulate == "decline" or drawn >= success_rate:
            return Declined("card_declined")
        return Succeeded(f"sim_{request.reference}")


def _with_customer(request: GatewayRequest) -> Outcome | None:
    """What a charge that needs its customer comes to: None where it needs none, or they confirmed it. By its age alone."""
    if request.simulate not in ("customer", "customer_refuses", "customer_absent"):
        return None
    gateway_id = f"sim_{request.reference}"
    if not request.customer_present:
        return Declined("authentication_required", gateway_id)
    answers_at = float("inf") if request.simulate == "customer_absent" else ANSWERS_AFTER
    if request.age < min(answers_at, request.waits):
        return Waiting(_next_action(request), gateway_id)
    if answers_at >= request.waits:
        return Declined("authentication_expired", gateway_id)
    return Declined("authentication_failed", gateway_id) if request.simulate == "customer_refuses" else None


def _next_action(request: GatewayRequest) -> NextAction:
    if request.method == "UPI":
        paid = f"am={request.amount}&cu={request.currency}&tr={request.reference}"
        return NextAction("upi", url=f"upi://pay?pa=simulated@upi&pn=Simulated&{paid}")
    return NextAction("confirm", client_secret=f"sim_{request.reference}_secret")
