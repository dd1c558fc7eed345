"""Every gateway's answers, counted and timed for whoever watches."""

import time
from collections.abc import Callable
from typing import TypeVar

from shared.gateways.protocol import Declined, Gateway, GatewayRequest, Outcome, Succeeded, Unknown
from shared.platform.counting import Durations

T = TypeVar("T", Outcome, Outcome | None)

_SAID = {Succeeded: "succeeded", Declined: "declined", Unknown: "unknown", type(None): "never_heard"}

GATEWAY = Durations(
    "payment_gateway_seconds", "Each time a gateway was asked, and what it said.", "gateway", "how", "outcome"
)


class Timed:
    """A gateway as it is; what it says, and how long that took, is in the figures."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.name = gateway.name
        self.account = gateway.account
        self.methods = gateway.methods
        self.needs_token = gateway.needs_token
        self.settles_at_once = gateway.settles_at_once
        self.remembers = gateway.remembers

    def confirms_account(self) -> bool:
        return self._gateway.confirms_account()

    def charge(self, request: GatewayRequest) -> Outcome:
        return self._asked("charge", self._gateway.charge, request)

    def refund(self, request: GatewayRequest) -> Outcome:
        return self._asked("refund", self._gateway.refund, request)

    def find_charge(self, request: GatewayRequest) -> Outcome | None:
        return self._asked("find", self._gateway.find_charge, request)

    def find_refund(self, request: GatewayRequest) -> Outcome | None:
        return self._asked("find", self._gateway.find_refund, request)

    def _asked(self, how: str, ask: Callable[[GatewayRequest], T], request: GatewayRequest) -> T:
        began = time.perf_counter()
        outcome = ask(request)
        GATEWAY.note(time.perf_counter() - began, self.name, how, _SAID[type(outcome)])
        return outcome
