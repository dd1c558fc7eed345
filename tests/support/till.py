"""What the operations work with, made so that a test can watch it and let it die at any statement."""

import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import cache, partial
from typing import Any

from shared.charging import charge as charging
from shared.charging import refund as refunding
from shared.charging.dependencies import Dependencies
from shared.events.publisher import Publisher
from shared.gateways.registry import Gateways, present
from shared.platform.database import Database, Row
from shared.platform.database.prepared import Prepared
from shared.platform.database.statements import STATEMENTS, statement
from shared.platform.settings import Settings
from shared.pricing.price import Pricing
from shared.sweeping import sweep
from shared.web.access.caller import Caller
from shared.web.answers import Answer
from shared.web.origin import Origin
from shared.web.problems import Problem
from shared.web.requests import read_payment, read_refund
from shared.web.tracing import Trace
from tests.support.gateway import ScriptedGateway


@cache
def names_of_statements() -> dict[str, str]:
    """The name of each statement by its text."""
    return {statement(path.stem): path.stem for path in STATEMENTS.glob("*.sql")}


class Died(BaseException):
    """The worker's process ended here: no `except Exception` sees it."""


class WatchedDatabase(Database):
    """Notes every try of a statement, and dies before or after one of them."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.ran: list[str] = []
        self.dies_before = ""
        self.dies_after = ""

    def _try(self, what: Prepared, parameters: Row, *arguments: Any) -> list[Row]:
        names = [names_of_statements()[each] for each in what.text.split("; ")]
        if self.dies_before in names:
            raise Died(self.dies_before)
        self.ran += names
        rows = self.attempt(names[-1], parameters, partial(super()._try, what, parameters, *arguments))
        if self.dies_after in names:
            raise Died(self.dies_after)
        return rows

    def attempt(self, name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
        """One try of a statement, for tests that have more happen at it."""
        return run()


class Till:
    """What the functions that move money work with, and their calls in one line each."""

    def __init__(self, settings: Settings, database: WatchedDatabase, gateway: ScriptedGateway) -> None:
        self.settings = settings
        self.database = database
        self.gateway = gateway
        self.publisher = Publisher(database, settings)

    @property
    def deps(self) -> Dependencies:
        gateways = Gateways(self.gateway, present(self.settings))
        return Dependencies(self.settings, self.database, gateways, self.publisher)

    def change(self, **changes: Any) -> None:
        """Changes settings from here on: `till.change(currency="JPY")`."""
        self.settings = replace(self.settings, **changes)
        self.publisher.drain()
        self.publisher = Publisher(self.database, self.settings)

    def pay(
        self,
        key: str | None = None,
        trip_id: int = 101,
        method: str = "CARD",
        amount: str | None = "150.00",
        caller: Caller | None = None,
        **more: Any,
    ) -> Answer:
        """POST /payments. Raises Problem and DatabaseUnavailable, as the door below sees them."""
        body = {"trip_id": trip_id, "method": method} | more
        if amount is not None:
            body["amount"] = Decimal(amount)
        request, origin = read_payment(body), Origin(trace(), caller)
        return charging.charge(self.deps, Pricing(self.settings), request, key or new_key(), origin)

    def refund(
        self,
        payment_id: int,
        amount: str | None = None,
        key: str | None = None,
        caller: Caller | None = None,
        **more: Any,
    ) -> Answer:
        """POST /payments/{payment_id}/refunds, as `pay`."""
        body = dict(more) if amount is None else {"amount": Decimal(amount)} | more
        request, origin = read_refund(body), Origin(trace(), caller)
        return refunding.refund(self.deps, payment_id, request, key or new_key(), origin)

    def sweep(self) -> dict[str, int]:
        return sweep.sweep(self.deps)


def new_key() -> str:
    return str(uuid.uuid4())


def a_caller(subject: str, issuer: str = "https://issuer.example") -> Caller:
    return Caller(issuer, subject, frozenset({"payments:write", "refunds:write"}))


def trace() -> Trace:
    return Trace(str(uuid.uuid4()), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")


def shown(answer: Answer) -> dict[str, Any]:
    """The body of an answer, amounts as exact decimals."""
    body: dict[str, Any] = json.loads(answer.body, parse_float=Decimal)
    return body


def refused(code: str, problem: Problem) -> bool:
    """Whether it is the refusal with this code."""
    return problem.code == code
