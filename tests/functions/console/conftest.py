"""The console's pages in this process, over this test's database and the scripted gateway."""

from collections.abc import Mapping
from html.parser import HTMLParser
from urllib.parse import urlencode

import flask
import pytest

from functions.console.desk import Desk
from functions.console.entrance import Entrance
from functions.console.pages import answer, problem_page
from shared.web.access.caller import Caller
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.cell_prefix import base_of
from shared.web.problems import Problem
from shared.web.routes import find_route
from tests.support.till import Till, shown, trace

OURS = {"Sec-Fetch-Site": "same-origin"}


class Shown(HTMLParser):
    """An answer as a person sees it: its text in one line, its links, its headings and what is in its forms' fields."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer, self.status, self.headers = answer, answer.status, answer.headers
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        assert isinstance(answer.body, str)
        self.html = answer.body
        self.feed(answer.body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    @property
    def links(self) -> list[str]:
        """Where it leads: by a link, or by a button that does no more."""
        ways = {"a": "href", "form": "action"}
        leading = [each for each in self.tags if each[0] == "a" or each[1].get("method") == "get"]
        return [str(attributes.get(ways[tag])) for tag, attributes in leading]

    @property
    def fields(self) -> dict[str, str]:
        fields = [attributes for tag, attributes in self.tags if tag == "input"]
        return {str(each["name"]): str(each.get("value") or "") for each in fields if "name" in each}

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.tags if each == tag]


class Visitor:
    """Somebody before the console: `get` and `post` go through its routes and give what is shown."""

    def __init__(self, till: Till) -> None:
        self.till = till
        self.caller: Caller | None = None

    def get(self, address: str, headers: Mapping[str, str] | None = None) -> Shown:
        return self.ask("GET", address, headers)

    def post(self, address: str, headers: Mapping[str, str] = OURS, **fields: str) -> Shown:
        """Sends a form, as a page of our own does."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", address, {**form, **headers}, urlencode(fields).encode())

    def ask(self, method: str, address: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Shown:
        return Shown(self.ask_for(address, headers, method, body))

    def ask_for(
        self, address: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes = b""
    ) -> Answer:
        application = flask.Flask("console")
        with application.test_request_context(address, method=method, headers=dict(headers or {}), data=body):
            call = Call(flask.request, trace())
            found = find_route("console", method, call.path)
            assert found, f"no page has {method} {call.path}"
            call.route, call.parameters = found
            call.caller, call.open = self.caller, self.caller is None
            call.base = base_of(self.till.settings, call.headers)
            call.cells = self.till.settings.cells if call.base else ()
            desk = Desk(self.till.settings, self.till.deps, Entrance.of(self.till.settings))
            try:
                return answer(desk, call)
            except Problem as problem:
                return problem_page(desk, problem, call)


@pytest.fixture
def visitor(till: Till) -> Visitor:
    return Visitor(till)


@pytest.fixture
def payment_id(till: Till) -> int:
    """A charge of 150.00 INR."""
    return int(shown(till.pay())["payment_id"])
