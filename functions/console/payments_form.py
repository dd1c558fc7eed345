"""The form that payments are searched with: what its fields hold, what is wrong with them, and the addresses it leads to."""

from functools import cache
from typing import NamedTuple, Self
from urllib.parse import urlencode

from functions.console.desk import Desk
from functions.console.rendering import render
from shared.platform.settings import Settings
from shared.reading.search import Search, read_search
from shared.reading.words import Words
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.problems import Problem

PAGE = "/console/payments"
# Whose settings are absent now may have charged before.
GATEWAYS = ("cash", "simulated", "stripe")


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
        return read_search(self.parameters, words_of(settings).zone, GATEWAYS)

    def refused(self, desk: Desk, call: Call, problem: Problem) -> Answer:
        """The form as it was filled, with what is wrong beside each field."""
        return render(
            "payments.html",
            call,
            status=problem.status,
            words=words_of(desk.settings),
            form=self,
            asked=None,
            found=None,
            faults=dict(problem.errors),
        )

    @property
    def _filled(self) -> list[tuple[str, str]]:
        return [(name, text) for name, text in self.parameters if text.strip()]

    @property
    def _filters(self) -> list[tuple[str, str]]:
        return [(name, text) for name, text in self._filled if name != "cursor"]


def words_of(settings: Settings) -> Words:
    """Made once: what a language is written with takes as long to read as a page to make."""
    return _words(settings.locale, settings.time_zone)


@cache
def _words(locale: str, time_zone: str) -> Words:
    return Words(Settings.read({"LOCALE": locale, "TIME_ZONE": time_zone}))


def _address(path: str, parameters: list[tuple[str, str]]) -> str:
    return f"{path}?{urlencode(parameters)}" if parameters else path
