"""The form that payments are searched with: what its fields hold, what is wrong with them, and the addresses it leads to."""

from typing import Any, NamedTuple, Self
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from functions.console.codes import METHODS
from functions.console.desk import Desk
from functions.console.rendering import render
from shared.platform.settings import Settings
from shared.reading.search import NO_GATEWAY, Search, read_search
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem

PAGE = "/console/payments"
# Whose settings are absent now may have charged before.
GATEWAYS = ("cash", "simulated", "stripe")
# What each field is called on the page.
LABELS = {
    "q": "Find a payment",
    "status": "Status",
    "method": "Method",
    "gateway": "Gateway",
    "amount_from": "Amount from",
    "amount_to": "Amount to",
    "from": "From day",
    "to": "To day",
}
# Payments that a CSV file is made of, at most: what status, method, dates and trip leave, before amount and gateway take some
# away, so that the time is bounded as the file is. Measured where thirty processes share two cores, 50,000 take 13 s; after
# 35 s the front door cuts an answer off. A spreadsheet holds twenty times as many.
MOST_IN_CSV = 50_000


class Form(NamedTuple):
    """The parameters of an address, in its order."""

    parameters: list[tuple[str, str]]

    @classmethod
    def of(cls, call: Call) -> Self:
        return cls(call.query)

    @property
    def is_cluttered(self) -> bool:
        return any(not text.strip() for _, text in self.parameters)

    @property
    def address(self) -> str:
        """This very page, without fields that are empty."""
        return _address(PAGE, self._filled)

    @property
    def newest(self) -> str:
        return _address(PAGE, self._filters)

    @property
    def csv(self) -> str:
        return _address(f"{PAGE}.csv", self._filters)

    @property
    def narrows(self) -> bool:
        """Whether there are filters, besides what is searched for."""
        return any(name != "q" for name, _ in self._filters)

    def next(self, cursor: str) -> str:
        return _address(PAGE, [*self._filters, ("cursor", cursor)])

    def text(self, name: str) -> str:
        """What a field was filled with."""
        return next((text for given, text in self.parameters if given == name), "")

    def has(self, name: str, choice: str) -> bool:
        """Whether a choice was ticked."""
        return (name, choice.upper()) in ((given, text.strip().upper()) for given, text in self.parameters)

    def read(self, settings: Settings) -> Search:
        """Raises Problem invalid_request."""
        return read_search(self.parameters, ZoneInfo(settings.time_zone), GATEWAYS)

    def refused(self, desk: Desk, call: Call, problem: Problem) -> Answer:
        """The form as it was filled, with what is wrong beside each field."""
        return shown(desk, call, self, status=problem.status, asked=None, found=None, faults=dict(problem.errors))

    @property
    def _filled(self) -> list[tuple[str, str]]:
        return [(name, text) for name, text in self.parameters if text.strip()]

    @property
    def _filters(self) -> list[tuple[str, str]]:
        return [(name, text) for name, text in self._filled if name != "cursor"]


def shown(
    desk: Desk, call: Call, form: Form, template: str = "payments.html", *, status: int = 200, **values: Any
) -> Answer:
    """A page with the form in it, or the part of one."""
    choices: dict[str, Any] = {
        "methods": METHODS,
        "gateways": (*GATEWAYS, NO_GATEWAY),
        "labels": LABELS,
        "most_in_csv": MOST_IN_CSV,
    }
    return render(template, call, status=status, words=desk.words, form=form, **choices, **values)


def _address(path: str, parameters: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path
