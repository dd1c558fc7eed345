"""A gateway that needs no other company: it decides from the reference alone, so it says the same however often asked."""

import hashlib
import math
import time

from shared.gateways.facts import Kind
from shared.gateways.protocol import Declined, GatewayRequest, Outcome, Succeeded, Unknown

# Seconds, the contract's: as slow as gateways get on a bad day, and long enough unknown for a repeat or a sweep to find out.
SLOW = 2.0
UNKNOWN_UNTIL = 5.0


class Simulated:
    """Charges succeed at `success_rate` (0 to 1), refunds always.

    `simulate` in the request's metadata forces an outcome: `decline`; `timeout` (unknown at once until 5 s after the claim,
    then succeeded); `slow` (2 s). `timeout` in the constructor, seconds, is how long an answer may take.
    """

    name = "simulated"
    account = "simulated"
    methods = frozenset({"CARD", "UPI", "WALLET"})
    needs_token = False
    settles_at_once = False
    remembers = math.inf

    def __init__(self, success_rate: float, timeout: float) -> None:
        self._success_rate = success_rate
        self._timeout = timeout

    def confirms_account(self) -> bool:
        return True

    def charge(self, request: GatewayRequest) -> Outcome:
        return self._answer(request, self._success_rate)

    def refund(self, request: GatewayRequest) -> Outcome:
        return self._answer(request, 1.0)

    def find_charge(self, request: GatewayRequest) -> Outcome | None:
        return self._decide(request, self._success_rate)

    def find_refund(self, request: GatewayRequest) -> Outcome | None:
        return self._decide(request, 1.0)

    def read(self, kind: Kind, gateway_id: str, timeout: float) -> None:
        return None

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
