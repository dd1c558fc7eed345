"""A gateway in this process that does what a test tells it, and keeps the books."""

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from shared.gateways.abilities import ABILITIES
from shared.gateways.protocol import GatewayRequest, Outcome, Succeeded, Unknown


@dataclass(frozen=True)
class Lost:
    """The money moves, and the answer is lost."""

    why: str = "the answer was lost"


@dataclass(frozen=True)
class Held:
    """A call that waits in the gateway: `reached` when it is there, `released` to let it go on with `then`."""

    reached: threading.Event
    released: threading.Event
    then: object


Turn = Outcome | Lost | Held | BaseException | type[BaseException] | Callable[[GatewayRequest], Outcome]


class ScriptedGateway:
    """Succeeds, unless it is told otherwise for the calls to come (`next`) or for all of them (`always`).

    Asked twice with one reference it moves the money once: `charged` and `refunded` say how often and how much each moved.
    """

    def __init__(self, name: str = "scripted", account: str = "acct_scripted") -> None:
        self.name = name
        self.account = account
        self.abilities = ABILITIES["simulated"]
        self.confirmed = True
        self.calls: list[tuple[str, GatewayRequest]] = []
        self.charged: dict[str, Decimal] = {}
        self.refunded: dict[str, Decimal] = {}
        self.moved: Counter[str] = Counter()
        self.always: Turn | None = None
        self.finding: Turn | None = None  # what a read says; what the books say where None
        self._turns: deque[Turn] = deque()
        self._lock = threading.Lock()

    def next(self, *turns: Turn) -> None:
        """What the next charges or refunds do, in order."""
        self._turns.extend(turns)

    def hold(self, then: object = None) -> Held:
        """The next charge or refund waits until the test releases it."""
        held = Held(threading.Event(), threading.Event(), then)
        self._turns.append(held)
        return held

    def verbs(self) -> list[str]:
        return [verb for verb, _ in self.calls]

    def confirms_account(self) -> bool:
        return self.confirmed

    def charge(self, request: GatewayRequest) -> Outcome:
        return self._ask("charge", request, self.charged)

    def refund(self, request: GatewayRequest) -> Outcome:
        return self._ask("refund", request, self.refunded)

    def find_charge(self, request: GatewayRequest) -> Outcome | None:
        return self._find("find_charge", request, self.charged)

    def find_refund(self, request: GatewayRequest) -> Outcome | None:
        return self._find("find_refund", request, self.refunded)

    def dashboard(self, gateway_id: str) -> str | None:
        return f"https://dashboard.example/charges/{gateway_id}"

    def _ask(self, verb: str, request: GatewayRequest, books: dict[str, Decimal]) -> Outcome:
        with self._lock:
            self.calls.append((verb, request))
            turn = self._turns.popleft() if self._turns else self.always
        if isinstance(turn, Held):
            turn.reached.set()
            assert turn.released.wait(30), "the test never released the gateway"
            turn = turn.then  # type: ignore[assignment]
        return self._do(turn, request, books)

    def _do(self, turn: Turn | None, request: GatewayRequest, books: dict[str, Decimal]) -> Outcome:
        if isinstance(turn, BaseException) or (isinstance(turn, type) and issubclass(turn, BaseException)):
            raise turn
        if turn is None or isinstance(turn, Lost | Succeeded):
            self._move(request, books)
            if isinstance(turn, Lost):
                return Unknown(turn.why)
            return turn if turn is not None else Succeeded(f"scr_{request.reference}")
        return turn(request) if callable(turn) else turn  # type: ignore[return-value]

    def _move(self, request: GatewayRequest, books: dict[str, Decimal]) -> None:
        with self._lock:
            if request.reference not in books:
                books[request.reference] = request.amount
                self.moved[request.reference] += 1
            assert books[request.reference] == request.amount, "one reference, two amounts"

    def _find(self, verb: str, request: GatewayRequest, books: dict[str, Decimal]) -> Outcome | None:
        with self._lock:
            self.calls.append((verb, request))
        if self.finding is not None:
            return self._do(self.finding, request, books) if not isinstance(self.finding, Succeeded) else self.finding
        return Succeeded(f"scr_{request.reference}") if request.reference in books else None
