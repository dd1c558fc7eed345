"""Whatever a client, or a service that we asked, puts into any field: each request is so many lines, each one JSON object."""

import io
import json
from collections.abc import Iterator
from typing import Any

import flask
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from shared.platform import log
from shared.platform.unavailable import DatabaseUnavailable
from shared.web.answers import Answer
from shared.web.call import Call
from shared.web.door import door
from tests.support import hostile
from tests.support.settings import SETTINGS

# As a server hands over what came, byte for byte (PEP 3333); and text, halves of characters too, as JSON may bring it.
BYTES = (st.binary(max_size=40) | st.sampled_from([each.encode() for each in hostile.TEXT])).map(
    lambda raw: raw.decode("latin-1")
)
WORDS = st.text(st.characters(), max_size=20) | st.just(hostile.TEXT)
HEADERS = ("USER_AGENT", "TRACEPARENT", "X_CORRELATION_ID", "X_CALLER_ADDRESS", "IDEMPOTENCY_KEY", "ACCEPT", "HOST")


@pytest.fixture(scope="module")
def output() -> Iterator[io.StringIO]:
    handler = log.log.handlers[0]
    assert hasattr(handler, "setStream")
    text = io.StringIO()
    before = handler.setStream(text)
    yield text
    handler.setStream(before)


@pytest.fixture(scope="module")
def application() -> Any:
    app = flask.Flask("hostile")

    with app.app_context():  # as the framework loads it

        @door("get_payment", SETTINGS)
        def operation(call: Call) -> Answer:
            said = json.loads(call.headers["X-Said"])
            log.log.warning("not notified yet", extra={"why": said, "payment_id": said})
            if call.headers["X-Way"] == "down":
                raise DatabaseUnavailable(said)
            if call.headers["X-Way"] == "broken":
                raise RuntimeError(said)
            return Answer(200)

    app.add_url_rule("/", "operation", lambda path: operation(flask.request), defaults={"path": ""})
    app.add_url_rule("/<path:path>", "operation")
    return app


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    path=BYTES,
    query=BYTES,
    headers=st.fixed_dictionaries({}, optional=dict.fromkeys(HEADERS, BYTES)),
    said=WORDS,
    way=st.sampled_from(["well", "down", "broken"]),
    found=st.booleans(),
)
def test_each_request_is_so_many_lines_and_each_is_one_object(
    application: Any,
    output: io.StringIO,
    path: str,
    query: str,
    headers: dict[str, str],
    said: str,
    way: str,
    found: bool,
) -> None:
    environment = EnvironBuilder("/payments").get_environ()
    environment |= {f"HTTP_{name}": value for name, value in headers.items()}
    environment |= {"HTTP_X_SAID": json.dumps(said), "HTTP_X_WAY": way, "QUERY_STRING": query}
    if not found:
        environment["PATH_INFO"] = f"/{path}"
    output.seek(0)
    output.truncate()
    list(application.wsgi_app(environment, lambda *_: None))
    lines = hostile.read_lines(output.getvalue())
    if found and "HOST" not in headers:  # a host that is none is refused before the function is asked
        assert [line["message"] for line in lines][:1] == ["not notified yet"]
        assert len(lines) == (2 if way == "well" else 3)
    assert [line["message"] for line in lines][-1] == "request"
    assert {line["function"] for line in lines} == {"get_payment"}
